#!/usr/bin/env python3
"""Does the model see what a photo shows? Right flower and right colour by `keepsake caption`.

Usage: tests/bench/caption_photos.py PHOTOS [--keepsake PATH] [--set measured] [--only N] [--threads N]

PHOTOS: the folder of the "Flowers" data set (daisy/, dandelion/, roses/, sunflowers/, tulips/). What is in them is in
caption_photos.csv beside this script: the flower by the data set's folder; the colour by eye for those that are
measured, and for the others by eye or, where nobody looked, by the share of the petals' hues (forty_edits.py), empty
where that is not clear. The photos measured and fitted: per flower, in the order of the SHA-256 of their names, those
of which one colour is plain to see; the last twenty are measured, the others were fitted on. Photos of several colours,
of far fields and of no flower (the data set has them) are left out of those. Sets "weighed" and "coloured": what else
fit_caption_words.py fits on, chosen less strictly. Prints Markdown.
"""

import argparse
import collections
import csv
import json
import pathlib
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOWERS = ["daisy", "dandelion", "rose", "sunflower", "tulip"]
COLOURS = ["red", "orange", "yellow", "pink", "purple", "blue", "white"]


def photos_of(which, with_colour=True):
    with open(pathlib.Path(__file__).with_suffix(".csv"), newline="") as file:
        return [row for row in csv.DictReader(file) if row["set"] == which and (row["colour"] or not with_colour)]


def said_of(caption):
    """The flower, and the word before it."""
    words = caption.split()
    place = next((i for i, word in enumerate(words) if word in FLOWERS), 0)
    return words[place], words[place - 1] if place else "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--keepsake", default=ROOT / "build/release/editor/keepsake")
    parser.add_argument("--set", default="measured", choices=["measured", "fitted"])
    parser.add_argument("--only", type=int)
    parser.add_argument("--threads")
    options = parser.parse_args()
    rows = photos_of(options.set)[:options.only]
    files = [str(options.photos / row["file"]) for row in rows]
    command = [options.keepsake, "caption", *files, "--captioner", "model", "--check", "--json", "--quiet"]
    if options.threads:
        command += ["--threads", options.threads]
    start = time.monotonic()
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - start
    said = {line["photo"]: line["caption"] for line in map(json.loads, run.stdout.splitlines()) if "photo" in line}
    table = collections.defaultdict(lambda: [0, 0, 0, 0])
    wrong = []
    for row, file in zip(rows, files):
        flower, colour = said_of(said[file])
        right = [True, flower == row["flower"], colour == row["colour"]]
        for name in (row["flower"], "all"):
            for i, one in enumerate([*right, all(right)]):
                table[name][i] += one
        if not all(right):
            wrong.append((row["file"], row["colour"], row["flower"], said[file]))
    print("| flower | photos | flower right | colour right | both |\n" + "| --- " * 5 + "|")
    for name in [*FLOWERS, "all"]:
        print("| " + " | ".join([name, *map(str, table[name])]) + " |")
    print(f"\n{seconds / len(rows):.1f} s a photo.\n\n| photo | shows | caption |\n" + "| --- " * 3 + "|")
    for file, colour, flower, caption in wrong:
        print(f"| {file} | {colour} {flower} | {caption} |")


if __name__ == "__main__":
    main()
