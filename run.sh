#!/usr/bin/env bash
# Installs what is missing, builds Keepsake, and opens its window. Where there is no display, it
# edits a sample photo by words on the command line instead; a second run of that reuses the session
# and only renders. Arguments, a photo or a session, go to the window. Environment:
# third_party/setup.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
photo=daisy-19813618946
text="a photo of a red daisy"

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    "$root/third_party/build.sh" --gui keepsake keepsake_gui
    printf '\nOpening the window. The command line is %s/build/release/editor/keepsake\n' "$root"
    exec "$root/build/release/gui/keepsake-gui" "$@"
fi

"$root/third_party/build.sh" keepsake

# Relative paths: they are what the messages below show, and what a person copies from them.
cd "$root"
printf '\nThere is no display (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window is opened.\n'
printf 'Editing assets/photos/%s.jpg into "%s"\n' "$photo" "$text"
build/release/editor/keepsake edit "assets/photos/$photo.jpg" "$text" --out "out/$photo"
printf '\nThe edited images are in %s/out/%s\n' "$root" "$photo"
printf 'Look first at %s/out/%s/%s-sheet.png: the photo, its reconstruction, the edit as eta grows.\n' \
    "$root" "$photo" "$photo"
