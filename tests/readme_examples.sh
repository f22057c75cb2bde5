#!/usr/bin/env bash
# Runs every `keepsake ...` line in the sh blocks of README.md, in order, in a folder of its own.
# Usage: readme_examples.sh KEEPSAKE_PROGRAM SOURCE_FOLDER
#
# The lines are run as they stand. What makes them quick and possible lies around them: a copy of the
# bundled model whose keepsake.json asks for two steps of everything, and files by the names that the
# examples use for the reader's own.
set -euo pipefail
program=$(realpath "$1")
source=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "readme_examples: $*" >&2
    exit 1
}

make_quick_model() {
    cp -r "$source/assets/models/flowers" "$1"
    cat >"$1/keepsake.json" <<'JSON'
{"paper": {"embedding": {"steps": 2}, "finetune": {"steps": 2}}, "sample": {"steps": 2},
 "word": {"steps": 2}, "subject": {"steps": 2}, "captions": {"steps": 2}}
JSON
}

# One command a line: continued lines joined.
examples() {
    awk '/^```sh$/ {inside = 1; next} /^```/ {inside = 0} inside' "$source/README.md" |
        sed -e ':join' -e '/\\$/ {N; s/\\\n */ /; b join}' | grep '^keepsake ' || true
}

cd "$folder"
mkdir -p bin assets/models
ln -s "$program" bin/keepsake
ln -s "$source/assets/photos" assets/photos
make_quick_model assets/models/flowers

make_quick_model stable-diffusion-v1-5
cp "$source/assets/photos/tulip-9048307967.jpg" my-photo.jpg
mkdir my-pictures
for photo in "$source"/assets/photos/{rose,daisy}-*.jpg; do
    cp "$photo" my-pictures
    echo "a duotone photo of a flower" >"my-pictures/$(basename "$photo" .jpg).txt"
done
cp "$source/tests/goldens/ldm_sd1.safetensors" v1-5-pruned-emaonly.safetensors
export PATH="$folder/bin:$PATH" KEEPSAKE_MODEL="$folder/assets/models/flowers"

count=0
while IFS= read -r line; do
    echo "+ $line"
    # Its stand-in has a vocabulary of 120 tokens, so that all but CLIP's own tokenizer fits.
    if [[ $line == "keepsake info v1-5-pruned"* ]]; then
        ! bash -euc "$line" </dev/null >stdout 2>stderr || fail "not refused: $line"
        grep -q "only 120 tokens" stderr || fail "another reason from: $line"$'\n'"$(cat stderr)"
        count=$((count + 1))
        continue
    fi
    bash -euc "$line" </dev/null >stdout 2>stderr ||
        fail "status $? from: $line"$'\n'"$(cat stderr)"
    [ -s stdout ] || fail "nothing on stdout from: $line"
    # What the example says it writes is there.
    out=$(sed -n -E "s/.* --out ([^ ]+).*/\1/p" <<<"$line")
    [ -z "$out" ] || [ -e "$out" ] || fail "no $out after: $line"
    count=$((count + 1))
done < <(examples)
[ "$count" -ge 10 ] || fail "only $count examples found in README.md"
echo "$count examples passed"
