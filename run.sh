#!/usr/bin/env bash
# Installs what is missing, builds Keepsake, and edits a sample photo by words with the bundled
# model. A second run reuses the session and only renders. Environment: third_party/setup.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
photo=daisy-19813618946
text="a photo of a red daisy"

"$root/third_party/build.sh" keepsake

# Relative paths: they are what the messages below show, and what a person copies from them.
cd "$root"
printf '\nEditing assets/photos/%s.jpg into "%s"\n' "$photo" "$text"
build/release/editor/keepsake edit "assets/photos/$photo.jpg" "$text" --out "out/$photo"
printf '\nThe edited images are in %s/out/%s\n' "$root" "$photo"
printf 'Look first at %s/out/%s/%s-sheet.png: the photo, its reconstruction, the edit as eta grows.\n' \
    "$root" "$photo" "$photo"
