#!/usr/bin/env bash
# Seconds and memory of a 24-megapixel export in every format, as a Markdown table. Usage:
#   tests/bench/export_times.sh PHOTO ETA0.png EDIT.png [FOLDER=build/times]
# PHOTO is any large photo; it is made 6000x4000 with some grain. The other two are a model's squares
# (keepsake edit ... --eta 0:0.9:2 --no-full). Needs full_resolution_bench and ImageMagick.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bench=$root/build/release/tests/full_resolution_bench
out=${4:-$root/build/times}
mkdir -p "$out"
size=(-auto-orient -resize '6000x4000^' -gravity center -extent 6000x4000)
[ -f "$out/photo.png" ] ||
    convert "$1" "${size[@]}" -attenuate 0.15 +noise Gaussian -depth 8 "$out/photo.png"
[ -f "$out/photo.jpg" ] || convert "$out/photo.png" -quality 95 "$out/photo.jpg"
[ -f "$out/deep.png" ] ||
    convert "$out/photo.png" -depth 16 -evaluate multiply 0.97 -define png:compression-level=1 \
        "$out/deep.png"
[ -f "$out/photo.webp" ] ||
    convert "$out/photo.png" -define webp:lossless=true -define webp:method=0 "$out/photo.webp"
row() { # name, photo, output
    "$bench" time "$out/$3" "$out/$2" 1000,0,4000 "$pair0" "$pair1" |
        sed -n "s/^| export |/| $1 |/p"
}
pair0=$2 pair1=$3
echo "| format | export | memory above the loaded photo |"
echo "| --- | --- | --- |"
row "JPEG" photo.jpg out.jpg
row "PNG" photo.jpg out.png
row "PNG, 16 bits" deep.png deep-out.png
row "TIFF" photo.jpg out.tif
row "TIFF, 16 bits" deep.png deep-out.tif
row "WebP" photo.jpg out.webp
row "WebP, lossless" photo.webp lossless.webp
