#!/usr/bin/env python3
"""The pictures and the vocabulary that the bundled CLIP (assets/models/flowers/clip) learned from.

Usage: tests/bench/clip_pictures.py PHOTOS OUT [--only N] [--jobs N]

PHOTOS: folders daisy, dandelion, roses, sunflowers, tulips of square photos, as the "Flowers" data
set has them. Writes OUT/train and OUT/test, each small pictures with a metadata.jsonl of captions
for `keepsake train clip`, and OUT/build, a config.json and a tokenizer for its --config. A photo and
all that is made of it are on one side: the test side is one photo of fifteen by the SHA-256 of its
name, and every photo that is in assets/photos and tests/bench/photos. Of each photo: three crops as
it is; its petals in four of the other colours; one light or style. Captions are written from the
label, the petals' colour by their hues, the background by its mean and what was done; some leave the
colour or the flower out. Needs numpy, opencv-python-headless and pillow.
"""

import argparse
import hashlib
import json
import multiprocessing
import pathlib
import random
import re

import cv2
import numpy as np
from PIL import Image

from forty_edits import ROOT, petals

SIDE = 64
COLOURS = ("red", "orange", "yellow", "pink", "purple", "blue", "white")
KINDS = {"daisy": "daisy", "dandelion": "dandelion", "roses": "rose", "sunflowers": "sunflower",
         "tulips": "tulip"}
# Hue, saturation and value (OpenCV's, to 180 and 255) that petals are given.
PAINT = {
    "red": ((-6, 6), (175, 245), (120, 225)), "orange": ((10, 16), (185, 250), (200, 255)),
    "yellow": ((22, 31), (165, 250), (205, 255)), "pink": ((155, 171), (70, 165), (200, 255)),
    "purple": ((131, 148), (105, 215), (110, 220)), "blue": ((100, 123), (120, 235), (120, 235)),
    "white": ((0, 179), (2, 28), (215, 255)),
}
TEMPLATES = ("a photo of a {}", "a photo of a {}", "a photo of a {}", "a close-up of a {}",
             "a picture of a {}", "a {}", "{}", "a photo depicts a {}", "an image of the {}")
STYLES = ("black and white", "sepia", "pencil sketch", "watercolor", "oil", "night", "sunset", "fog")
STYLED = {"black and white": "a black and white photo of a {}", "sepia": "a sepia photo of a {}",
          "pencil sketch": "a pencil sketch of a {}", "watercolor": "a watercolor painting of a {}",
          "oil": "an oil painting of a {}", "night": "a photo of a {} at night",
          "sunset": "a photo of a {} at sunset", "fog": "a photo of a {} in the fog"}
COLOURLESS = ("black and white", "sepia", "pencil sketch")
BACKGROUNDS = {"green": ("on a green background", "in the grass"),
               "black": ("on a black background", "on a dark background"),
               "dark": ("on a dark background",), "sky": ("against a blue sky",),
               "white": ("on a white background",)}


def is_test(path, kept_out):
    number = path.name.split("_")[0]
    return number in kept_out or int(hashlib.sha256(path.name.encode()).hexdigest(), 16) % 15 == 0


def names_of(bgr):
    """Of each pixel the index of its colour in COLOURS, or -1."""
    h, s, v = (c.astype(int) for c in cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)))
    names = np.full(h.shape, -1)
    strong = (s > 70) & (v > 50)
    for colour, low, high in (("red", -1, 8), ("orange", 8, 18), ("yellow", 18, 35),
                              ("blue", 92, 128), ("purple", 128, 152), ("pink", 152, 173),
                              ("red", 173, 181)):
        names[strong & (h >= low) & (h < high)] = COLOURS.index(colour)
    pale_red = (names == 0) & (s < 150) & (v > 170)
    names[pale_red] = COLOURS.index("pink")
    names[(s < 65) & (v > 130)] = COLOURS.index("white")
    return names


def colour_of(bgr, mask):
    names = names_of(bgr)[mask > 0]
    shares = np.array([(names == i).mean() for i in range(len(COLOURS))])
    best = int(shares.argmax())
    return COLOURS[best] if shares[best] >= 0.45 else None


def background_of(bgr, mask):
    far = cv2.dilate(mask, np.ones((7, 7), np.uint8)) == 0
    if far.mean() < 0.15:
        return None
    h, s, v = (c[far].astype(int) for c in cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)))
    if ((h > 30) & (h < 92) & (s > 40) & (v > 45)).mean() > 0.6:
        return "green"
    if (v < 35).mean() > 0.7:
        return "black"
    if (v < 70).mean() > 0.7:
        return "dark"
    if ((h > 92) & (h < 128) & (s > 50) & (v > 120)).mean() > 0.6:
        return "sky"
    return "white" if ((s < 40) & (v > 190)).mean() > 0.6 else None


def laid_over(ground, picture, mask):
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5)[..., None]
    return (ground * (1 - soft) + picture * soft).clip(0, 255).astype(np.uint8)


def painted(bgr, mask, colour, draw):
    """The petals in another colour: one hue and saturation, with half of what varied about them."""
    h, s, v = (c.astype(np.float32) for c in cv2.split(cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV)))
    hue, saturation, value = (draw.uniform(*limits) for limits in PAINT[colour])
    inside = mask > 0
    s = saturation + (0 if colour == "white" else 0.5) * (s - np.median(s[inside]))
    v = value + 0.8 * (v - np.percentile(v[inside], 60))
    h = np.full_like(h, hue % 180)
    hsv = np.stack([h, np.clip(s, 0, 255), np.clip(v, 0, 255)], 2).astype(np.uint8)
    return laid_over(bgr, cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), mask)


def styled(bgr, style):
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    if style == "black and white":
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    if style == "sepia":
        return (grey[..., None] * np.array([0.70, 0.88, 1.05])).clip(0, 255).astype(np.uint8)
    if style == "pencil sketch":
        return cv2.cvtColor(cv2.divide(grey, 255 - cv2.GaussianBlur(255 - grey, (0, 0), 6), scale=256),
                            cv2.COLOR_GRAY2BGR)
    if style == "watercolor":
        return cv2.convertScaleAbs(cv2.stylization(bgr, sigma_s=40, sigma_r=0.5), alpha=0.85, beta=38)
    if style == "oil":
        return cv2.pyrMeanShiftFiltering(bgr, 8, 30)
    if style == "night":
        return (bgr * np.array([0.5, 0.3, 0.22])).astype(np.uint8)
    if style == "sunset":
        return (bgr * np.array([0.5, 0.75, 1.1]) + np.array([0, 12, 38])).clip(0, 255).astype(np.uint8)
    return (bgr * 0.4 + np.array([205, 203, 200]) * 0.6).astype(np.uint8)


def cropped(bgr, draw, to=SIDE, blurred=0.2):
    side = bgr.shape[0]
    size = round(side * draw.uniform(0.72, 1))
    left, top = draw.randint(0, side - size), draw.randint(0, side - size)
    part = bgr[top:top + size, left:left + size]
    part = part[:, ::-1] if draw.random() < 0.5 else part
    part = (part * draw.uniform(0.85, 1.12)).clip(0, 255).astype(np.uint8)
    small = Image.fromarray(part[..., ::-1].copy()).resize((to, to), Image.Resampling.BICUBIC)
    if draw.random() < blurred:
        return Image.fromarray(cv2.GaussianBlur(np.asarray(small), (0, 0), draw.uniform(0.3, 0.9)))
    return small


def captions(kind, colour, background, style, draw):
    """A dozen, one of which is drawn whenever the picture is."""
    told = []
    for _ in range(12):
        thing, chance = kind, draw.random()
        if chance < 0.12:
            thing = "flower"
        elif chance < 0.25:
            thing = kind + " flower"
        if colour and (thing == "flower" or draw.random() < 0.88):
            thing = f"{colour} {thing}"
        text = STYLED[style] if style else draw.choice(TEMPLATES)
        text = text.format(thing).replace("a orange", "an orange")
        if background and not style and draw.random() < 0.25:
            text += " " + draw.choice(BACKGROUNDS[background])
        told.append(text)
    return told


def variants(bgr, kind, draw):
    """Of one photo: (picture, captions), and what its petals are by themselves."""
    mask = petals(bgr)
    good = 0.04 < mask.mean() < 0.8
    colour = colour_of(bgr, mask) if good else None
    background = background_of(bgr, mask) if good else None
    for _ in range(3):
        yield cropped(bgr, draw), captions(kind, colour, background, None, draw), colour
    if good:
        others = [one for one in COLOURS if one != colour]
        for other in draw.sample(others, 4):
            yield (cropped(painted(bgr, mask, other, draw), draw),
                   captions(kind, other, background, None, draw), other)
    style = draw.choice(STYLES)
    base, told = to_be_styled(bgr, mask if good else None, colour, style, draw)
    yield cropped(styled(base, style), draw), captions(kind, told, None, style, draw), told


def to_be_styled(bgr, mask, colour, style, draw):
    """Half the time with petals of another colour, where there is a mask of them; and the colour that
    is told."""
    if style in COLOURLESS:
        return bgr, None
    if mask is None or draw.random() >= 0.5:
        return bgr, colour
    colour = draw.choice(COLOURS)
    return painted(bgr, mask, colour, draw), colour


def write_photo(place):
    folder, path, kind, make_variants = place
    cv2.setNumThreads(1)
    draw, lines = random.Random(path.name), []
    bgr = cv2.resize(cv2.imread(str(path)), (192, 192), interpolation=cv2.INTER_AREA)
    for i, (picture, told, colour, *style) in enumerate(make_variants(bgr, kind, draw)):
        name = f"pictures/{path.stem}-{i}.png"
        picture.save(folder / name)
        lines.append({"file_name": name, "text": told, "colour": colour, "kind": kind,
                      **{"style": one for one in style}})
    return lines


def write_set(folder, photos, jobs, make_variants):
    """Returns the lines that are written."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool(jobs) as pool:
        made = pool.map(write_photo, [(folder, *photo, make_variants) for photo in photos],
                        chunksize=8)
    lines = [line for photo in made for line in photo]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return lines


def words_of(lines):
    return {word for line in lines for text in line["text"] for word in re.findall(r"[a-z]+|-", text)}


def merges_of(word, ranks):
    """The merges that CLIP's BPE makes for a word."""
    parts, made = [*word[:-1], word[-1] + "</w>"], []
    while len(parts) > 1:
        rank, at = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
        if rank == len(ranks):
            break
        pair = parts[at], parts[at + 1]
        made.append(pair)
        joined, i = [], 0
        while i < len(parts):
            both = tuple(parts[i:i + 2]) == pair
            joined.append("".join(pair) if both else parts[i])
            i += 2 if both else 1
        parts = joined
    return made


def write_build(folder, words):
    """A config of about 1.5 million weights, and CLIP's tokenizer with the merges of `words` alone:
    what it says of them is what CLIP's says; any other text is spelled in shorter pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = ROOT / "assets" / "models" / "flowers" / "tokenizer"
    lines = (whole / "merges.txt").read_text().splitlines()
    ranks = {tuple(line.split()): i for i, line in enumerate(lines[1:])}
    kept = sorted({pair for word in words for pair in merges_of(word, ranks)}, key=ranks.get)
    vocabulary = json.loads((whole / "vocab.json").read_text())
    tokens = sorted((t for t, i in vocabulary.items() if i < 512), key=vocabulary.get)
    tokens += ["".join(pair) for pair in kept] + ["<|startoftext|>", "<|endoftext|>"]
    ids = {token: i for i, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join([lines[0], *map(" ".join, kept)]) + "\n")
    settings = json.loads((whole / "tokenizer_config.json").read_text())
    settings["model_max_length"] = 24
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (folder / "special_tokens_map.json").write_bytes((whole / "special_tokens_map.json").read_bytes())
    shared = {"hidden_act": "gelu", "layer_norm_eps": 1e-5}
    config = {
        "model_type": "clip", "architectures": ["CLIPModel"], "projection_dim": 128,
        "logit_scale_init_value": 2.6592,
        "text_config": {"model_type": "clip_text_model", "vocab_size": len(ids), "hidden_size": 128,
                        "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
                        "max_position_embeddings": 24, "bos_token_id": len(ids) - 2,
                        "eos_token_id": len(ids) - 1, "pad_token_id": len(ids) - 1, **shared},
        "vision_config": {"model_type": "clip_vision_model", "image_size": 60, "patch_size": 12,
                          "num_channels": 3, "hidden_size": 128, "intermediate_size": 512,
                          "num_hidden_layers": 5, "num_attention_heads": 4, **shared}}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def photos_by_side(folder, only=None):
    """{"train": [(path, kind), ...], "test": ...}, of each kind the first `only`."""
    kept_out = {re.search(r"\d{5,}", path.name)[0]
                for kept in ("assets/photos", "tests/bench/photos")
                for path in (ROOT / kept).glob("*.jpg")}
    sides = {"train": [], "test": []}
    for name, kind in KINDS.items():
        for path in sorted((folder / name).glob("*.jpg"))[:only]:
            sides["test" if is_test(path, kept_out) else "train"].append((path, kind))
    return sides


def read_options(about):
    parser = argparse.ArgumentParser(description=about.split("\n\n")[0])
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", type=int, help="the first N photos of each kind")
    parser.add_argument("--jobs", type=int, default=2)
    return parser.parse_args()


def main():
    options = read_options(__doc__)
    sides = photos_by_side(options.photos, options.only)
    words = {"a", "an", "the", "photo", "depicts", "flowers"}
    for side, photos in sides.items():
        words |= words_of(write_set(options.out / side, photos, options.jobs, variants))
        print(side, len(photos), "photos")
    write_build(options.out / "build", words)


if __name__ == "__main__":
    main()
