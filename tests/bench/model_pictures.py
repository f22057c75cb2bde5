#!/usr/bin/env python3
"""The pictures that the bundled model (assets/models/flowers) is to learn from.

Usage: tests/bench/model_pictures.py PHOTOS OUT [--only N] [--jobs N]

PHOTOS: folders daisy, dandelion, roses, sunflowers, tulips of square photos, as the "Flowers" data
set has them. Writes OUT/train and OUT/test, pictures of 128 pixels with a metadata.jsonl of captions
for `keepsake train vae` and `unet`. Sides, captions' words and the painting of petals are those of
clip_pictures.py. Of each photo: four crops as it is; its petals in four of the other colours; three
lights or styles, half of them with petals of another colour; one other background. Needs numpy,
opencv-python-headless and pillow.
"""

import cv2
import numpy as np

from clip_pictures import (BACKGROUNDS, COLOURS, STYLES, background_of, captions, colour_of, cropped,
                           laid_over, painted, photos_by_side, read_options, styled, to_be_styled,
                           write_set)
from forty_edits import petals

SIDE = 128


def noise_of(shape, size, draw):
    """Soft noise of mean 0 and deviation 1 whose spots are about `size` pixels."""
    generator = np.random.default_rng(draw.getrandbits(32))
    noise = cv2.GaussianBlur(generator.standard_normal(shape).astype(np.float32), (0, 0), size)
    return noise / noise.std()


def more_colourful(bgr, factor):
    hsv = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv[..., 1] = np.minimum(hsv[..., 1] * factor, 255)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)


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
    wash = cv2.bilateralFilter(more_colourful(bgr, 1.3), 7, 50, 5)
    wash = cv2.pyrMeanShiftFiltering(wash, 5, 24).astype(np.float32)
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
    flat = strokes(more_colourful(bgr, 1.25), 4).astype(np.float32)
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
    return laid_over(ground, bgr, mask)


def changes(bgr, kind, draw):
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
        base, shown = to_be_styled(bgr, mask if good else None, colour, style, draw)
        yield in_style(base, style, draw), told(shown, style=style), shown, style


def variants(bgr, kind, draw):
    for picture, *told in changes(bgr, kind, draw):
        yield cropped(picture, draw, SIDE, blurred=0), *told


def main():
    options = read_options(__doc__)
    for side, photos in photos_by_side(options.photos, options.only).items():
        lines = write_set(options.out / side, photos, options.jobs, variants)
        print(side, len(photos), "photos,", len(lines), "pictures")


if __name__ == "__main__":
    main()
