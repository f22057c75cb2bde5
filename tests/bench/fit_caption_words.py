#!/usr/bin/env python3
"""The numbers of assets/models/flowers/captions.json, by which words are read from what the model says of a picture.

Usage: tests/bench/fit_caption_words.py PHOTOS --kept FILE.npz [--gains] [--write]

PHOTOS: the folder of the "Flowers" data set. None of the photos that are measured (caption_photos.csv) is fitted on.
What is computed by diffusers and transformers is kept in FILE.npz:
  first   what the 35 combinations gain (editor/edit/model_captioner.h), of the photos "fitted" and "weighed"
  again   what the flowers gain in the photo's colour, of those "weighed"
  clip    the vectors of the bundled CLIP, of all photos that are not measured
Fitted by logistic regressions with a penalty: flower and colour from the words' gains on the photos "fitted"; flower
(by the folder's name) and colour (of those in the table) from the CLIP's vectors on all. How these two and the
second look are added: by likelihood on the photos "weighed", of which the gains' fit has seen none; the CLIP's scores
are there those of eight-fold cross-validation (the CLIP itself did learn from most of the photos). Prints what comes
out on those; --write puts the numbers into captions.json. The gains take hours (210 and up to 240 passes a photo): only
--gains computes them. Where FILE.npz has none of the photos "fitted", the file's own numbers stay. Needs diffusers,
transformers, opencv-python-headless, pillow, scikit-image.
"""

import argparse
import json
import pathlib

import cv2
import numpy as np
import torch
from PIL import Image

from caption_photos import COLOURS, FLOWERS, ROOT, photos_of
from clip_measures import Clip

MODEL = ROOT / "assets" / "models" / "flowers"
FOLDERS = dict(zip(["daisy", "dandelion", "roses", "sunflowers", "tulips"], FLOWERS))
PENALTIES = {"gains": 0.003, "clip": 0.01, "added": 0.02}
FOLDS = 8


class Model:
    def __init__(self, words):
        from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        load = {"pretrained_model_name_or_path": MODEL}
        self.vae = AutoencoderKL.from_pretrained(**load, subfolder="vae", torch_dtype=torch.float32)
        self.unet = UNet2DConditionModel.from_pretrained(**load, subfolder="unet", torch_dtype=torch.float32)
        self.text_encoder = CLIPTextModel.from_pretrained(**load, subfolder="text_encoder", torch_dtype=torch.float32)
        self.tokenizer = CLIPTokenizer.from_pretrained(**load, subfolder="tokenizer")
        self.schedule = DDPMScheduler.from_pretrained(**load, subfolder="scheduler")
        self.words = words
        self.texts = self.encoded([f"a photo of a {colour} {flower}" for flower in FLOWERS for colour in COLOURS])

    def encoded(self, texts):
        ids = self.tokenizer(texts, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.text_encoder(ids)[0]

    def latents(self, path):
        picture = cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), (128, 128), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        return self.vae.encode(image).latent_dist.mean * self.vae.config.scaling_factor

    def gains(self, latents, texts, how):
        """(2, levels, texts)."""
        generator = torch.Generator().manual_seed(self.words["seed"])
        drawn = torch.randn(len(how["levels"]), how["noises"], *latents.shape[1:], generator=generator)
        masks = torch.zeros(2, 16, 16)
        masks[0] = 1
        margin = round(16 * (1 - self.words["centre"]) / 2)
        masks[1, margin:16 - margin, margin:16 - margin] = 1
        found = torch.zeros(2, len(how["levels"]), len(texts))
        for i, level in enumerate(how["levels"]):
            t = torch.tensor([max(round(level * 1000), 1) - 1])
            for noise in drawn[i][:, None]:
                target = self.schedule.get_velocity(latents, noise, t)
                noisy = self.schedule.add_noise(latents, noise, t).expand(len(texts), -1, -1, -1)
                predicted = self.unet(noisy, t, texts).sample
                mean = predicted.mean(0, keepdim=True)
                missed, own = target - mean, predicted - mean
                under = lambda a: (a[None] * masks[:, None, None]).sum((2, 3, 4))
                found[:, i] += under(missed * own) / (under(missed * missed) * under(own * own)).sqrt() / how["noises"]
        return found.numpy()


def photos_to_see(photos):
    measured = {row["file"] for row in photos_of("measured")}
    files = (path.relative_to(photos).as_posix() for folder in FOLDERS for path in (photos / folder).glob("*.jpg"))
    return np.array(sorted(file for file in files if file not in measured))


def each(files, made):
    found = []
    for number, file in enumerate(files):
        found.append(made(file))
        if number % 20 == 19:
            print(f"{number + 1} of {len(files)}", flush=True)
    return np.stack(found)


def clip_vectors(photos, files):
    clip = Clip(MODEL / "clip")
    return clip.pictures([Image.open(photos / file) for file in files])


@torch.no_grad()
def collect_gains(kept, photos, words, rows):
    model = Model(words)
    latents = lambda file: model.latents(photos / file)
    for which in ("fitted", "weighed"):
        kept[f"first {which}"] = each([row["file"] for row in rows[which]],
                                      lambda file: model.gains(latents(file), model.texts, words))
    colour_of = {row["file"]: row["colour"] for row in rows["weighed"]}
    asked = lambda file: model.encoded([f"a photo of a {colour_of[file]} {flower}" for flower in FLOWERS])
    kept["again weighed"] = each(colour_of, lambda file: model.gains(latents(file), asked(file), words["again"]))


def word_features(gains):
    rest = gains.reshape(*gains.shape[:3], len(FLOWERS), len(COLOURS)).astype(np.float64)
    rest = rest - rest.mean((3, 4), keepdims=True)
    return np.concatenate([rest.mean(4), rest.mean(3)], 3).reshape(len(gains), -1)


def least(loss, values, steps=100):
    search = torch.optim.LBFGS(values, max_iter=steps, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        cost = loss()
        cost.backward()
        return cost

    search.step(closure)


def fit(features, shown, words, penalty):
    """Weights and bias, on those of which it is known (>= 0) what they show."""
    x, y = torch.tensor(features[shown >= 0], dtype=torch.float64), torch.tensor(shown[shown >= 0])
    centre, scale = x.mean(0), x.std(0) + 1e-9
    x = (x - centre) / scale
    weights = torch.zeros(words, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(words, dtype=x.dtype, requires_grad=True)
    least(lambda: torch.nn.functional.cross_entropy(x @ weights.T + bias, y) + penalty * weights.square().sum(),
          [weights, bias])
    weights = weights.detach() / scale
    return weights.numpy(), (bias.detach() - weights @ centre).numpy()


def held_out_scores(features, shown, words, penalty):
    scores = np.zeros((len(features), words))
    order = np.random.RandomState(0).permutation(len(features))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = shown.copy()
        rest[held] = -1
        weights, bias = fit(features, rest, words, penalty)
        scores[held] = features[held] @ weights.T + bias
    return scores


def added(scores, shown):
    """The weights of greatest likelihood beside the first, which is 1, and what is added per word; with a penalty."""
    parts, y = torch.tensor(np.stack([one / one.std() for one in scores])), torch.tensor(shown)
    logs = torch.zeros(len(scores), dtype=parts.dtype, requires_grad=True)
    bias = torch.zeros(parts.shape[2], dtype=parts.dtype, requires_grad=True)
    sums = lambda: torch.einsum("i,inw->nw", logs.exp(), parts) + bias
    least(lambda: torch.nn.functional.cross_entropy(sums(), y) + PENALTIES["added"] * (logs.square().sum()
                                                                                      + bias.square().sum()),
          [logs, bias])
    weights = logs.detach().exp().numpy() / [one.std() for one in scores]
    return weights / weights[0], bias.detach().numpy() / weights[0]


def short(numbers):
    return [short(one) if np.ndim(one) else float(f"{one:.4g}") for one in numbers]


def fit_words(kept, words, rows):
    """Puts the numbers into `words`; returns what the photos "weighed" are said to show, per name."""
    files = list(kept["files"])
    weighed = [files.index(row["file"]) for row in rows["weighed"]]
    colours = {row["file"]: COLOURS.index(row["colour"]) for one in rows.values() for row in one if row["colour"]}
    shown = {"flower": np.array([FLOWERS.index(FOLDERS[file.split("/")[0]]) for file in files]),
             "colour": np.array([colours.get(file, -1) for file in files])}
    said = {}
    for named in words["named"]:
        name, count = named["name"], len(named["words"])
        if "first fitted" in kept:
            fitted = [files.index(row["file"]) for row in rows["fitted"]]
            weights, bias = fit(word_features(kept["first fitted"]), shown[name][fitted], count, PENALTIES["gains"])
            named |= {"weights": short(weights), "bias": short(bias)}
        by_gains = word_features(kept["first weighed"]) @ np.array(named["weights"]).T + named["bias"]
        by_clip = held_out_scores(kept["clip"], shown[name], count, PENALTIES["clip"])
        right = (by_clip.argmax(1) == shown[name])[shown[name] >= 0]
        print(f"{name}: by the CLIP right on {right.mean():.3f} of {len(right)} photos (cross-validated)")
        parts = [by_gains, by_clip[weighed]]
        if name == words["again"]["name"]:
            parts.append(kept["again weighed"][:, 0].mean(1))
        factors, more = added(parts, shown[name][weighed])
        weights, bias = fit(kept["clip"], shown[name], count, PENALTIES["clip"])
        named["clip"] = {"weights": short(weights * factors[1]), "bias": short(bias * factors[1] + more)}
        if len(parts) > 2:
            words["again"]["weight"] = float(f"{factors[2]:.4g}")
        for what, part in [*zip(("gains", "the CLIP", "asking again"), parts),
                           ("all", np.einsum("i,inw->nw", factors, parts) + more)]:
            found = part.argmax(1)
            print(f"  of the {len(weighed)} weighed, by {what}: {(found == shown[name][weighed]).mean():.3f}")
        said[name] = found == shown[name][weighed]
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--kept", type=pathlib.Path, required=True)
    parser.add_argument("--gains", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    file = MODEL / "captions.json"
    words = json.loads(file.read_text())
    rows = {which: photos_of(which, with_colour=False) for which in ("fitted", "weighed", "coloured")}
    kept = dict(np.load(options.kept)) if options.kept.exists() else {}
    if "files" not in kept:
        kept["files"] = photos_to_see(options.photos)
        kept["clip"] = clip_vectors(options.photos, kept["files"])
    if options.gains:
        collect_gains(kept, options.photos, words, rows)
    np.savez(options.kept, **kept)
    said = fit_words(kept, words, rows)
    print(f"both right on {np.logical_and(*said.values()).mean():.3f} of the weighed")
    if options.write:
        file.write_text(json.dumps(words) + "\n")


if __name__ == "__main__":
    main()
