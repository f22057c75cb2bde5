#!/usr/bin/env python3
"""Words that are about the whole picture: four texts on ten photos, as `keepsake edit` gives them.

Usage: tests/bench/whole_picture_edits.py --out FOLDER --sheet FILE.jpg [--keepsake PATH] [--side 160]
                                          [-- more arguments of keepsake edit]

Makes "<flower> at night", "... in the fog", "a black and white photo of ...", "a watercolor painting
of ..." of the first two photos of each class in forty_edits.py, at the strength that is chosen by
itself, and draws one sheet: a row for each photo, the photo first. They are judged by eye: no
measure of ours knows what fog looks like. Needs numpy and opencv-python-headless.
"""

import argparse
import json
import pathlib
import subprocess

import cv2
import numpy as np

from forty_edits import FORTY, PHOTOS, ROOT

TEXTS = {
    "at night": "a photo of a {} at night",
    "in the fog": "a photo of a {} in the fog",
    "black and white": "a black and white photo of a {}",
    "watercolor": "a watercolor painting of a {}",
}


def edited(options, name, text, more):
    where = options.out / f"{name}-{text.replace(' ', '-')}"
    done = where.with_suffix(".json")
    if not done.exists():
        command = [options.keepsake, "edit", PHOTOS / f"{name}.jpg",
                   TEXTS[text].format(name.split("-")[0]), "--json", "--quiet", "--session",
                   where.with_suffix(".keepsake"), "--out", where, *more]
        done.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    made = [json.loads(line) for line in done.read_text().splitlines()]
    eta = made[0]["chosen"]
    return eta, next(one["file"] for one in made if abs(one["eta"] - eta) < 1e-6)


def labelled(picture, text, side):
    cell = np.full((side + 18, side, 3), 255, np.uint8)
    cell[:side] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    cv2.putText(cell, text, (4, side + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (40, 40, 40), 1,
                cv2.LINE_AA)
    return cell


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--sheet", type=pathlib.Path, required=True)
    parser.add_argument("--keepsake", default=ROOT / "build" / "release" / "editor" / "keepsake")
    parser.add_argument("--side", type=int, default=160, help="of a picture on the sheet, in pixels")
    options, more = parser.parse_known_args()
    more = [part for part in more if part != "--"]
    options.out.mkdir(parents=True, exist_ok=True)

    classes = {}
    for name in FORTY:
        classes.setdefault(name.split("-")[0], []).append(name)
    rows = []
    for name in [name for names in classes.values() for name in names[:2]]:
        row = [labelled(cv2.imread(str(PHOTOS / f"{name}.jpg")), name, options.side)]
        for text in TEXTS:
            eta, file = edited(options, name, text, more)
            row.append(labelled(cv2.imread(str(file)), f"{text}, {eta:.2f}", options.side))
        rows.append(np.hstack(row))
    cv2.imwrite(str(options.sheet), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
