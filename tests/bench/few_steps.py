#!/usr/bin/env python3
"""Few steps: what students draw beside their teacher, and beside other samplers with few steps.

Usage: tests/bench/few_steps.py --out FOLDER [--keepsake PATH] [--only N] [--seeds N]
                                [--student NAME=MODEL]... [--threads N]
       tests/bench/few_steps.py --prompts

Draws each prompt and seed by `keepsake generate` with the bundled model's own 20 steps, with DDIM
and DPM++ 2M in 4, 8 and 12, and with each student as its keepsake.json has it; what is in FOLDER
already is used again. Prints Markdown, a row each:
  colour    pictures of which at least 0.4 of the petals have the asked hue (as forty_edits.py)
  distance  to the 20-step picture of the same seed: mean over pixels of the colour difference
            (CIE76), and SSIM of grey
  seconds   a picture, of sampling and decoding
The prompts: "a photo of a <colour> <flower>", every colour and flower (35), and five with a ground.
--prompts writes those that a student is taught by (`keepsake distil --prompts`) to stdout: the words
of the bundled model's README in all their combinations, of which none is left out for the table.
Needs numpy, opencv-python-headless and scikit-image.
"""

import argparse
import json
import pathlib
import subprocess

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from forty_edits import REACHED, ROOT, colour_difference, share_of_petals

FLOWERS = ("daisy", "dandelion", "rose", "sunflower", "tulip")
COLOURS = ("red", "orange", "yellow", "pink", "purple", "blue", "white")
GROUNDS = ("at night", "at sunset", "in the fog", "on a green background", "in the grass",
           "on a black background", "on a dark background", "against a blue sky",
           "on a white background")
PHOTOS = ("a photo of", "a close-up of", "a picture of")
STYLES = ("a black and white photo of", "a sepia photo of", "a pencil sketch of",
          "a watercolor painting of", "an oil painting of")
ROWS = [("DPM++ 2M, 20", ["--sampler", "dpmpp_2m", "--steps", "20"])]
ROWS += [(f"{name}, {steps}", ["--sampler", sampler, "--steps", str(steps), *more])
         for name, sampler, more in (("DDIM", "ddim", ["--spacing", "trailing"]),
                                     ("DPM++ 2M", "dpmpp_2m", []))
         for steps in (4, 8, 12)]


def a(words):
    return ("an " if words[0] in "aeiou" else "a ") + words


def taught():
    for style in PHOTOS + STYLES:
        for flower in FLOWERS:
            for colour in ("",) + COLOURS:
                what = f"{style} {a(f'{colour} {flower}'.strip())}"
                yield what
                yield from (f"{what} {ground}" for ground in GROUNDS if style in PHOTOS)


def asked():
    for colour in COLOURS:
        for flower in FLOWERS:
            yield colour, f"a photo of {a(f'{colour} {flower}')}"
    for colour, flower, ground in (("red", "rose", "at sunset"), ("white", "daisy", "in the grass"),
                                   ("purple", "tulip", "on a black background"),
                                   ("yellow", "sunflower", "against a blue sky"),
                                   ("pink", "rose", "on a white background")):
        yield colour, f"a photo of {a(f'{colour} {flower}')} {ground}"


def draw(options, name, arguments, number, prompt):
    folder = options.out / "".join(c if c.isalnum() else "-" for c in name)
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / f"{number:03d}.json"
    if not done.exists():
        seeds = ",".join(str(1000 + number * options.seeds + i) for i in range(options.seeds))
        command = [options.keepsake, "generate", prompt, "--seed", seeds, "--out",
                   folder / f"{number:03d}.png", "--threads", str(options.threads), "--json",
                   "--quiet", *arguments]
        done.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    lines = [json.loads(line) for line in done.read_text().splitlines()]
    return [cv2.imread(line["file"]) for line in lines], lines[0]["seconds"]["render"] / len(lines)


def row_of(pictures, teachers, colours):
    grey = lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    right, distance, ssim = 0, [], []
    for picture, teacher, colour in zip(pictures, teachers, colours):
        right += share_of_petals(picture, colour) >= REACHED
        distance.append(colour_difference(picture, teacher).mean())
        ssim.append(structural_similarity(grey(picture), grey(teacher)))
    return right, np.mean(distance), np.mean(ssim)


def sheet(options, drawn, every):
    rows = [np.hstack(pictures[::every]) for pictures in drawn]
    cv2.imwrite(str(options.out / "sheet.png"), np.vstack(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--keepsake", default=ROOT / "build" / "release" / "editor" / "keepsake")
    parser.add_argument("--only", type=int, default=40, help="the first N prompts")
    parser.add_argument("--seeds", type=int, default=5, help="pictures of each prompt")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--student", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--prompts", action="store_true")
    options = parser.parse_args()
    if options.prompts:
        print("\n".join(taught()))
        return
    if options.out is None:
        parser.error("--out is needed")
    rows = ROWS + [(name, ["--model", model])
                   for name, _, model in (text.partition("=") for text in options.student)]
    prompts = list(asked())[:options.only]
    colours = [colour for colour, _ in prompts for _ in range(options.seeds)]
    print("| sampler, steps | colour | distance | SSIM | seconds |\n" + "| --- " * 5 + "|")
    drawn = []
    for name, arguments in rows:
        pictures, seconds = [], []
        for number, (_, prompt) in enumerate(prompts):
            one, took = draw(options, name, arguments, number, prompt)
            pictures += one
            seconds.append(took)
        drawn.append(pictures)
        right, distance, ssim = row_of(pictures, drawn[0], colours)
        print(f"| {name} | {right} of {len(pictures)} | {distance:.1f} | {ssim:.3f} "
              f"| {np.median(seconds):.3f} |", flush=True)
    sheet(options, drawn, max(1, len(colours) // 14))


if __name__ == "__main__":
    main()
