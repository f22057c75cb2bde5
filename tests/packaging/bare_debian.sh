#!/usr/bin/env bash
# Installs a .deb of Keepsake in a bare Debian 12 made by debootstrap, and starts the programs there.
# Usage, as root: bare_debian.sh KEEPSAKE.deb [MIRROR], else debootstrap's own
set -euo pipefail
package=$(realpath "$1")
root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT

debootstrap --variant=minbase bookworm "$root" ${2:+"$2"} >"$root.log" 2>&1 || {
    tail -5 "$root.log" >&2
    exit 1
}
rm -f "$root.log"
cp "$package" "$root/opt/keepsake.deb"
cp /etc/resolv.conf "$root/etc/"
cat >"$root/opt/try.sh" <<'INSIDE'
set -euxo pipefail
mount -t proc proc /proc
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -q -y --no-install-recommends /opt/keepsake.deb >/opt/log 2>&1 ||
    { tail -20 /opt/log; exit 1; }
grep -E "newly installed|Need to get|disk space" /opt/log
cd /
keepsake --version
keepsake info /usr/share/keepsake/models/flowers
keepsake generate "a photo of a red rose" --steps 2 --quiet --out /opt/rose.png
photo=/usr/share/keepsake/photos/rose-394990940.jpg
keepsake edit "$photo" "a photo of a yellow rose" --embedding-steps 2 --finetune-steps 2 --steps 2 \
    --eta 1 --session /opt/rose.keepsake --out /opt/yellow.jpg --quiet
keepsake info /opt/yellow.jpg | grep -q "yellow rose"
keepsake-gui --version
# The window on a display without a graphics card: it draws the photo, and ends when it is told to.
apt-get install -q -y --no-install-recommends xvfb >/opt/log 2>&1 || { tail -20 /opt/log; exit 1; }
Xvfb :9 -screen 0 1280x800x24 >/opt/xvfb.log 2>&1 &
screen=$!
DISPLAY=:9 keepsake-gui "$photo" --state-file /opt/state.json >/opt/gui.log 2>&1 &
window=$!
for ((second = 0; second < 60; second++)); do
    sleep 1
    grep -q rose-394990940 /opt/state.json 2>/dev/null && break
done
grep -q rose-394990940 /opt/state.json || { cat /opt/gui.log; exit 1; }
kill -TERM "$window"
wait "$window" || [ $? = 143 ] # it has saved, and says which signal it was
kill "$screen"
INSIDE
# Its own mounts go with it.
unshare --mount chroot "$root" /bin/bash /opt/try.sh
