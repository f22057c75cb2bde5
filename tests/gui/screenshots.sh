#!/usr/bin/env bash
# Makes the pictures of the window in README.md and docs/learn.md: runs the end-to-end tests of two
# rooms with screenshots of their steps, then edits a sample photo with the model's own settings, and
# compresses those that are shown into assets/readme.
# Usage: tests/gui/screenshots.sh [BUILD_FOLDER]; all pictures stay in BUILD_FOLDER/screenshots.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(realpath -- "${1:-$root/build/release}")
out=$build/screenshots
rm -rf "$out"
python3 "$root/tests/gui/edit_test.py" "$build/gui/keepsake-gui" "$build/editor/keepsake" "$root" "$out/steps"
python3 "$root/tests/gui/teach_test.py" "$build/gui/keepsake-gui" "$build/editor/keepsake" "$root" "$out/steps"
python3 "$root/tests/gui/sample_tour.py" "$build/gui/keepsake-gui" "$out"
# Without the status line, which names a folder of the machine.
cp "$out/steps/teach-captions.png" "$out/teach.png"
for name in invitation learning result wipe mask variations teach; do
    convert "$out/$name.png" -crop 1280x692+0+0 +repage -quality 86 "$root/assets/readme/window-$name.jpg"
done
ls -l "$root"/assets/readme/window-*.jpg
