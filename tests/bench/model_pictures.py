#!/usr/bin/env python3
"""The pictures that the bundled model (assets/models/flowers) learns from, and a wider autoencoder
for it to begin with.

Usage: tests/bench/model_pictures.py PHOTOS OUT [--only N] [--jobs N]

PHOTOS: folders daisy, dandelion, roses, sunflowers, tulips of square photos, as the "Flowers" data
set has them. Writes OUT/train and OUT/test, pictures of 128 pixels with a metadata.jsonl of captions
for `keepsake train vae` and `unet`. Sides, captions' words and the painting of petals are those of
clip_pictures.py. Of each photo: four crops as it is; its petals in four of the other colours; three
lights or styles, half of them with petals of another colour; one other background. Needs numpy,
opencv-python-headless and pillow.
"""

import argparse
import json
import multiprocessing
import pathlib
import random

import cv2
import numpy as np

from clip_pictures import (BACKGROUNDS, COLOURLESS, COLOURS, STYLED, STYLES, background_of, captions,
                           colour_of, cropped, painted, photos_by_side, styled)
from forty_edits import petals

SIDE = 128


def noise_of(shape, size, draw):
    """Soft noise of mean 0 and deviation 1 whose spots are about `size` pixels."""
    generator = np.random.default_rng(draw.getrandbits(32))
    noise = cv2.GaussianBlur(generator.standard_normal(shape).astype(np.float32), (0, 0), size)
    return noise / noise.std()


def strokes(bgr, radius, levels=24):
    """Each pixel as the most frequent brightness round it: the usual oil painting filter."""
    grey = (cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(int) * levels) // 256
    side = 2 * radius + 1
    best, result = np.full(grey.shape, -1.0, np.float32), np.zeros(bgr.shape, np.float32)
    for level in range(levels):
        inside = (grey == level).astype(np.float32)
        count = cv2.boxFilter(inside, -1, (side, side), normalize=False)
        total = cv2.boxFilter(bgr * inside[..., None], -1, (side, side), normalize=False)
        more = count > best
        best[more] = count[more]
        result[more] = total[more] / np.maximum(count[more], 1)[..., None]
    return result.clip(0, 255).astype(np.uint8)


def watercolor(bgr, draw):
    """Flat washes with darker rims, the grain of paper, and paper left bare round them."""
    strong = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV).astype(np.float32)
    strong[..., 1] = np.minimum(strong[..., 1] * 1.3, 255)
    wash = cv2.cvtColor(strong.astype(np.uint8), cv2.COLOR_HSV2BGR)
    wash = cv2.pyrMeanShiftFiltering(cv2.bilateralFilter(wash, 7, 50, 5), 5, 24).astype(np.float32)
    grey = cv2.cvtColor(wash.astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)
    rims = np.maximum(cv2.GaussianBlur(grey, (0, 0), 2.5) - cv2.GaussianBlur(grey, (0, 0), 0.8), 0)
    light = 255 - (255 - wash) * 0.8
    light *= 1 - 0.02 * np.minimum(rims, 14)[..., None]
    height, width = grey.shape
    y, x = np.mgrid[0:height, 0:width]
    reach = np.hypot((x - width / 2) / width, (y - height / 2) / height) * 2
    reach += 0.13 * noise_of(grey.shape, 9, draw)
    bare = np.clip((reach - draw.uniform(0.85, 1.0)) * 6, 0, 1)[..., None]
    pools = 1 + 0.05 * noise_of(grey.shape, 6, draw)[..., None]
    paper = 1 + 0.025 * noise_of(grey.shape, 0.8, draw)[..., None]
    paper_white = np.array([238, 246, 250], np.float32)
    return ((light * pools * (1 - bare) + paper_white * bare) * paper).clip(0, 255).astype(np.uint8)


def oil(bgr, draw):
    """Strokes of one colour each, with the light on their ridges."""
    strong = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV).astype(np.float32)
    strong[..., 1] = np.minimum(strong[..., 1] * 1.25, 255)
    flat = strokes(cv2.cvtColor(strong.astype(np.uint8), cv2.COLOR_HSV2BGR), 4).astype(np.float32)
    grey = cv2.GaussianBlur(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 3)
    across = np.arctan2(cv2.Sobel(grey, -1, 0, 1), cv2.Sobel(grey, -1, 1, 0))
    ridges = np.zeros(grey.shape, np.float32)
    seeds = noise_of(grey.shape, 0.9, draw)
    y, x = np.mgrid[0:grey.shape[0], 0:grey.shape[1]].astype(np.float32)
    for step in range(-5, 6):
        ridges += cv2.remap(seeds, x - step * np.sin(across), y + step * np.cos(across),
                            cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return (flat + 13 * (ridges / ridges.std())[..., None]).clip(0, 255).astype(np.uint8)


def sketch(bgr):
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    lines = cv2.divide(grey, 255 - cv2.GaussianBlur(255 - grey, (0, 0), 5), scale=256)
    dark = 255 - np.minimum((255 - lines.astype(np.float32)) * 1.25, 225)
    return cv2.cvtColor(dark.astype(np.uint8), cv2.COLOR_GRAY2BGR)


def in_style(bgr, style, draw):
    if style == "watercolor":
        return watercolor(bgr, draw)
    if style == "oil":
        return oil(bgr, draw)
    if style == "pencil sketch":
        return sketch(bgr)
    return styled(bgr, style)


def on_background(bgr, mask, background, draw):
    """The ground behind the petals made dark, white, a sky or a meadow; its light and shade stay."""
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.float32)[..., None] / 255
    soft_light = cv2.GaussianBlur(grey, (0, 0), 4)[..., None]
    height = np.linspace(0, 1, bgr.shape[0], dtype=np.float32)[:, None, None]
    if background == "black":
        ground = bgr * 0.06
    elif background == "white":
        ground = 238 + 17 * grey
    elif background == "sky":
        ground = np.array([225, 165, 95]) * (0.85 + 0.25 * height) + 30 * (soft_light - 0.5)
    else:
        tone = np.array([draw.uniform(25, 60), draw.uniform(110, 160), draw.uniform(60, 105)])
        ground = tone * (0.45 + 0.9 * soft_light + 0.25 * (grey - soft_light))
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)[..., None]
    return (bgr * soft + ground * (1 - soft)).clip(0, 255).astype(np.uint8)


def variants(bgr, kind, draw):
    """Of one photo: (picture, captions, colour, style)."""
    mask = petals(bgr)
    good = 0.04 < mask.mean() < 0.8 and mask[0].mean() < 0.6  # a sky is no petal
    colour = colour_of(bgr, mask) if good else None
    background = background_of(bgr, mask) if good else None
    others = [one for one in COLOURS if one != colour]

    def told(shown, ground=background, style=None):
        return captions(kind, shown, ground, style, draw)

    for _ in range(4):
        yield bgr, told(colour), colour, None
    if good:
        for other in draw.sample(others, 4):
            yield painted(bgr, mask, other, draw), told(other), other, None
        ground = draw.choice([one for one in BACKGROUNDS if one not in (background, "dark")])
        shown = draw.choice(COLOURS)
        base = painted(bgr, mask, shown, draw) if shown != colour else bgr
        yield on_background(base, mask, ground, draw), told(shown, ground), shown, None
    for style in draw.sample(STYLES, 3):
        base, shown = bgr, colour
        if good and style not in COLOURLESS and draw.random() < 0.5:
            shown = draw.choice(COLOURS)
            base = painted(bgr, mask, shown, draw)
        shown = None if style in COLOURLESS else shown
        yield in_style(base, style, draw), told(shown, style=style), shown, style


def write_photo(place):
    folder, path, kind = place
    cv2.setNumThreads(1)
    draw, lines = random.Random(path.name), []
    bgr = cv2.resize(cv2.imread(str(path)), (192, 192), interpolation=cv2.INTER_AREA)
    for i, (picture, told, colour, style) in enumerate(variants(bgr, kind, draw)):
        name = f"pictures/{path.stem}-{i}.png"
        cropped(picture, draw, SIDE, blurred=0).save(folder / name, compress_level=1)
        lines.append({"file_name": name, "text": told, "colour": colour, "kind": kind, "style": style})
    return lines


def write_set(folder, photos, jobs):
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(jobs) as pool:
        made = pool.map(write_photo, [(folder, *photo) for photo in photos], chunksize=8)
    lines = [line for photo in made for line in photo]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return len(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", type=int, help="the first N photos of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for side, photos in photos_by_side(options.photos, options.only).items():
        print(side, len(photos), "photos,", write_set(options.out / side, photos, options.jobs), "pictures")


if __name__ == "__main__":
    main()
