#!/usr/bin/env python3
"""The numbers of assets/models/flowers/captions.json, by which words are read from the model's predictions.

Usage: tests/bench/fit_caption_words.py PHOTOS --kept FILE.npz [--only N] [--write]

PHOTOS: the folder of the "Flowers" data set; the photos that are fitted on are in caption_photos.csv, and none of
them is measured. For each, what the texts gain (editor/edit/model_captioner.h), by diffusers' U-Net, is kept in
FILE.npz: of all 35 combinations, and, of those whose colour is known, of the five flowers in that colour. Then two
logistic regressions with a penalty (flower, colour) from the words' gains, and the weight of the second look by
likelihood. Prints what eight-fold cross-validation says; --write puts the numbers into captions.json. Needs
diffusers, transformers, opencv-python-headless.
"""

import argparse
import json
import pathlib

import cv2
import numpy as np
import torch

from caption_photos import COLOURS, FLOWERS, ROOT, photos_of

MODEL = ROOT / "assets" / "models" / "flowers"
PENALTY = 0.003
FOLDS = 8
WEIGHTS = (0, 20, 40, 60, 80, 120, 160)


class Gains:
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
        middle = torch.zeros(16, 16)
        margin = round(16 * (1 - words["centre"]) / 2)
        middle[margin:16 - margin, margin:16 - margin] = 1
        self.masks = torch.stack([torch.ones(16, 16), middle])

    def encoded(self, texts):
        ids = self.tokenizer(texts, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.text_encoder(ids)[0]

    def latents(self, path):
        picture = cv2.resize(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), (128, 128), interpolation=cv2.INTER_AREA)
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 127.5 - 1
        return self.vae.encode(image).latent_dist.mean * self.vae.config.scaling_factor

    def __call__(self, latents, embedded, levels, noises):
        """(2, levels, texts)."""
        generator = torch.Generator().manual_seed(self.words["seed"])
        drawn = torch.randn(len(levels), noises, *latents.shape[1:], generator=generator)
        found = torch.zeros(2, len(levels), len(embedded))
        for i, level in enumerate(levels):
            t = torch.tensor([max(round(level * 1000), 1) - 1])
            for noise in drawn[i][:, None]:
                target = self.schedule.get_velocity(latents, noise, t)
                noisy = self.schedule.add_noise(latents, noise, t).expand(len(embedded), -1, -1, -1)
                predicted = self.unet(noisy, t, embedded).sample
                mean = predicted.mean(0, keepdim=True)
                missed, own = target - mean, predicted - mean
                under = lambda a: (a[None] * self.masks[:, None, None]).sum((2, 3, 4))
                found[:, i] += under(missed * own) / (under(missed * missed) * under(own * own)).sqrt() / noises
        return found.numpy()


@torch.no_grad()
def collect(photos, rows, words):
    gains = Gains(words)
    embedded = gains.encoded([f"a photo of a {colour} {flower}" for flower in FLOWERS for colour in COLOURS])
    again = words["again"]
    first, second = [], []
    for number, row in enumerate(rows):
        latents = gains.latents(photos / row["file"])
        first.append(gains(latents, embedded, words["levels"], words["noises"]))
        asked = gains.encoded([f"a photo of a {row['colour'] or COLOURS[-1]} {flower}" for flower in FLOWERS])
        second.append(gains(latents, asked, again["levels"], again["noises"])[0].mean(0))
        print(f"{number + 1} of {len(rows)}", flush=True)
    return {"first": np.stack(first), "second": np.stack(second)}


def features_of(gains):
    rest = gains.reshape(*gains.shape[:3], len(FLOWERS), len(COLOURS)).astype(np.float64)
    rest = rest - rest.mean((3, 4), keepdims=True)
    return np.concatenate([rest.mean(4), rest.mean(3)], 3).reshape(len(gains), -1)


def fit(features, shown, words):
    x, y = torch.tensor(features), torch.tensor(shown)
    scale = x.std(0) + 1e-9
    weights = torch.zeros(words, x.shape[1], dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(words, dtype=x.dtype, requires_grad=True)
    search = torch.optim.LBFGS([weights, bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        loss = torch.nn.functional.cross_entropy((x / scale) @ weights.T + bias, y)
        loss = loss + PENALTY * (weights.square().sum() + 0.01 * bias.square().sum())
        loss.backward()
        return loss

    search.step(closure)
    return (weights / scale).detach().numpy(), bias.detach().numpy()


def held_out_scores(features, shown, words):
    scores = np.zeros((len(features), words))
    order = np.random.RandomState(0).permutation(len(features))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = [i for i in order if i not in set(held) and shown[i] >= 0]
        weights, bias = fit(features[rest], shown[rest], words)
        scores[held] = features[held] @ weights.T + bias
    return scores


def second_weight(scores, second, shown):
    """The weight of the greatest likelihood."""
    def cost(weight):
        z = torch.tensor(scores + weight * second)
        return float(torch.nn.functional.cross_entropy(z, torch.tensor(shown)))
    return min(WEIGHTS, key=cost)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--kept", type=pathlib.Path, required=True)
    parser.add_argument("--only", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    file = MODEL / "captions.json"
    words = json.loads(file.read_text())
    rows = photos_of("fitted", with_colour=False)[:options.only]
    if not options.kept.exists():
        np.savez(options.kept, **collect(options.photos, rows, words))
    kept = np.load(options.kept)
    rows = rows[:len(kept["first"])]
    flower = np.array([FLOWERS.index(row["flower"]) for row in rows])
    colour = np.array([COLOURS.index(row["colour"]) if row["colour"] else -1 for row in rows])
    known = colour >= 0
    features = features_of(kept["first"])
    scores, colours = held_out_scores(features, flower, 5), held_out_scores(features, colour, 7).argmax(1)
    weight = second_weight(scores[known], kept["second"][known], flower[known])
    right = (scores + weight * kept["second"]).argmax(1) == flower
    print(f"{len(rows)} photos, {known.sum()} of known colour; cross-validated on these: flower "
          f"{(scores.argmax(1) == flower)[known].mean():.2f}, with the second look (in the true colour, weight {weight}) "
          f"{right[known].mean():.2f}, colour {(colours == colour)[known].mean():.2f}, both "
          f"{(right & (colours == colour))[known].mean():.2f}")
    if not options.write:
        return
    fits = fit(features, flower, 5), fit(features[known], colour[known], 7)
    for named, (weights, bias) in zip(words["named"], fits):
        named["weights"] = [[float(f"{value:.4g}") for value in row] for row in weights]
        named["bias"] = [float(f"{value:.4g}") for value in bias]
    words["again"]["weight"] = weight
    file.write_text(json.dumps(words) + "\n")


if __name__ == "__main__":
    main()
