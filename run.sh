#!/usr/bin/env bash
# Installs what is missing, builds Keepsake, and edits a sample photo by words with the bundled
# model. Usage: ./run.sh [PHOTO "TARGET TEXT" [options of `keepsake edit`]]
# Environment variables: see third_party/setup.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

photo=$root/assets/photos/daisy-19813618946.jpg
text="a photo of a red daisy"
if [ $# -ge 2 ]; then
    photo=$(realpath -- "$1")
    text=$2
    shift 2
elif [ $# -ne 0 ]; then
    echo "usage: ./run.sh [PHOTO \"TARGET TEXT\" [options of keepsake edit]]" >&2
    exit 2
fi

"$root/third_party/build.sh" keepsake

name=$(basename -- "${photo%.*}")
out=$root/out/$name
mkdir -p "$out"
echo
echo "Editing $photo: \"$text\""
"$root/build/release/editor/keepsake" edit "$photo" "$text" --out "$out" "$@"

echo
echo "The edited images are in $out"
echo "Look first at the contact sheet there: the photo, its reconstruction, then the edit growing with eta."
