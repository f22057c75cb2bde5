#!/usr/bin/env python3
"""What a CLIP of flowers tells apart, on pictures that it did not learn from.

Usage: tests/bench/clip_measures.py CLIP TEST [EDITS ...]

CLIP: a folder as `keepsake train clip` leaves it. TEST: the test side of clip_pictures.py. EDITS:
folders as forty_edits.py leaves them. Prints Markdown:
  - zero-shot: the flower of five, of the test photos as they are; the colour of seven, of those whose
    petals have one, and of the recoloured ones
  - directional similarity (editor/edit/score.h) of the forty edits at each strength, with the share of
    the petals that has gained the asked colour (forty_edits.py). The source text is the target text
    with another colour, whichever is nearest to the photo, or with another flower as well. Of all
    pairs of an edit that took over (gain >= 0.4) and one that did not (< 0.1), the share in which the
    first has the larger value: of the same photo and text, and of any two
Needs transformers, torch, and what forty_edits.py needs.
"""

import argparse
import json
import pathlib
import sys

import cv2
import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel, CLIPTokenizer

from clip_pictures import COLOURS, KINDS
from forty_edits import FORTY, PHOTOS, REACHED, SIDE, measure, petals, square

MISSED = 0.1


class Clip:
    def __init__(self, folder):
        self.model = CLIPModel.from_pretrained(folder).eval().float()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        how = json.loads((folder / "preprocessor_config.json").read_text())
        self.side = how["crop_size"]["height"]
        self.mean, self.deviation = (np.array(how[key]) for key in ("image_mean", "image_std"))
        self.known = {}

    def unit(self, features):
        features = getattr(features, "pooler_output", features)
        return torch.nn.functional.normalize(features, dim=-1).numpy()

    def pictures(self, pixels):
        """Of square PIL images."""
        values = [(np.asarray(one.convert("RGB").resize((self.side,) * 2, Image.Resampling.BICUBIC)) / 255
                   - self.mean) / self.deviation for one in pixels]
        batch = torch.tensor(np.stack(values)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            return np.concatenate([self.unit(self.model.get_image_features(pixel_values=part))
                                   for part in batch.split(64)])

    def texts(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            ids = self.tokenizer(new, padding="max_length", truncation=True, return_tensors="pt",
                                 max_length=self.model.config.text_config.max_position_embeddings)
            with torch.no_grad():
                self.known |= dict(zip(new, self.unit(self.model.get_text_features(**ids))))
        return np.stack([self.known[text] for text in texts])


def articled(text):
    return text.replace("a orange", "an orange")


def zero_shot(clip, folder):
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        row["made"] = int(row["file_name"].rsplit("-", 1)[1].split(".")[0])
    vectors = clip.pictures([Image.open(folder / row["file_name"]) for row in rows])
    kinds = list(KINDS.values())
    kind_texts = clip.texts([f"a photo of a {kind}" for kind in kinds])
    plain = [i for i, row in enumerate(rows) if row["made"] == 0]
    right = [kinds[(vectors[i] @ kind_texts.T).argmax()] == rows[i]["kind"] for i in plain]
    print("| zero-shot | right | of |\n| --- | --- | --- |")
    print(f"| flower of five, photos | {100 * np.mean(right):.1f} % | {len(right)} |")
    for name, made in (("photos", (0,)), ("recoloured", (3, 4, 5, 6))):
        some = [i for i, row in enumerate(rows) if row["made"] in made and row["colour"]
                and row["made"] < 7 and (name == "photos" or "photo" in " ".join(row["text"]))]
        right = [COLOURS[(vectors[i] @ clip.texts([articled(f"a photo of a {colour} {rows[i]['kind']}")
                                                   for colour in COLOURS]).T).argmax()]
                 == rows[i]["colour"] for i in some]
        print(f"| colour of seven, {name} | {100 * np.mean(right):.1f} % | {len(right)} |")


def candidates(text):
    """The text with other colours and flowers."""
    found = []
    for words in (COLOURS, list(KINDS.values())):
        here = [word for word in words if word in text.split()]
        if here:
            found.append((here[0], words))
    texts = [text]
    for word, words in found:
        texts = [" ".join(other if one == word else one for one in said.split())
                 for said in texts for other in words]
    return [articled(one) for one in texts if one != text]


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) + 1e-12))


def direction_rows(clip, folder, kinds_too):
    rows = []
    for name, colours in FORTY.items():
        photo = square(PHOTOS / f"{name}.jpg")
        mask = cv2.resize(petals(cv2.resize(photo, (192, 192))), (SIDE, SIDE),
                          interpolation=cv2.INTER_NEAREST)
        for colour in colours:
            done = folder / f"{name}-{colour}.seed0.json"
            if not done.exists():
                continue
            made = [json.loads(line) for line in done.read_text().splitlines()]
            files = {one["eta"]: folder / f"{name}-{colour}" / pathlib.Path(one["file"]).name for one in made}
            kind = name.split("-")[0]
            target = articled(f"a photo of a {colour} {kind}")
            texts = candidates(f"a photo of a {colour} {kind}")
            if not kinds_too:
                texts = [one for one in texts if kind in one.split()]
            before = clip.pictures([Image.open(PHOTOS / f"{name}.jpg")])[0]
            source = texts[int((clip.texts(texts) @ before).argmax())]
            way = clip.texts([target])[0] - clip.texts([source])[0]
            for eta, file in sorted(files.items()):
                after = clip.pictures([Image.open(file)])[0]
                gain = measure(photo, mask, square(file), colour)[0]
                rows.append((f"{name}-{colour}", eta, gain, cosine(after - before, way),
                             float(after @ clip.texts([target])[0]), source))
    return rows


def pairs(rows, column, same):
    taken = [row for row in rows if row[2] >= REACHED]
    missed = [row for row in rows if row[2] < MISSED]
    won = [(a[column] > b[column]) + 0.5 * (a[column] == b[column])
           for a in taken for b in missed if not same or a[0] == b[0]]
    return f"{100 * np.mean(won):.1f} % of {len(won)}" if won else "none"


def directions(clip, folder, shown):
    print(f"\n{folder.name}:\n\n| source text | value | of one photo and text | of any two | rank "
          "correlation with the gain |\n| --- | --- | --- | --- | --- |")
    for kinds_too in (False, True):
        rows = direction_rows(clip, folder, kinds_too)
        for column, name in ((3, "directional similarity"), (4, "cosine with the text")):
            ranks = [np.argsort(np.argsort([row[i] for row in rows])) for i in (2, column)]
            print(f"| {'any flower' if kinds_too else 'the same flower'} | {name} "
                  f"| {pairs(rows, column, True)} | {pairs(rows, column, False)} "
                  f"| {np.corrcoef(*ranks)[0, 1]:.2f} |")
    rows = direction_rows(clip, folder, False)
    print("\n| gain | edits | mean directional similarity |\n| --- | --- | --- |")
    for low, high in ((-1, 0.1), (0.1, 0.4), (0.4, 0.7), (0.7, 1.1)):
        some = [row[3] for row in rows if low <= row[2] < high]
        print(f"| {max(low, 0):.1f} to {min(high, 1):.1f} | {len(some)} | {np.mean(some):+.2f} |")
    if shown:
        for row in rows:
            print(f"{row[0]:32s} eta {row[1]:.2f} gain {row[2]:+.2f} direction {row[3]:+.2f} from '{row[5]}'")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("clip", type=pathlib.Path)
    parser.add_argument("test", type=pathlib.Path)
    parser.add_argument("edits", type=pathlib.Path, nargs="*")
    parser.add_argument("--each", action="store_true", help="each edit, too")
    options = parser.parse_args()
    clip = Clip(options.clip)
    zero_shot(clip, options.test)
    for folder in options.edits:
        directions(clip, folder, options.each)
    return 0


if __name__ == "__main__":
    sys.exit(main())
