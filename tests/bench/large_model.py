#!/usr/bin/env python3
"""Writes a model of Stable Diffusion 1.5's layout with random weights: a diffusers folder, 2.1 GB.

Usage: python large_model.py FOLDER

float16 weights that keep activations near one through all layers: norms as they are at the start of
training, the rest by fan-in. Shapes and configs are those of tests/goldens/layout_sd15.json;
tokenizer and scheduler are the bundled model's.
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


def random_weights(shape, name, generator):
    if len(shape) == 1:
        scale = "norm" in name and name.endswith("weight")
        return torch.full(shape, float(scale), dtype=torch.float16)
    fan_in = torch.tensor(shape[1:]).prod().item()
    return (torch.randn(shape, generator=generator) / fan_in**0.5).half()


def main():
    folder = pathlib.Path(sys.argv[1])
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    generator = torch.Generator().manual_seed(1)
    layout = json.loads((ROOT / "tests/goldens/layout_sd15.json").read_text())
    for part, content in layout.items():
        (partial / part).mkdir(parents=True)
        (partial / part / "config.json").write_text(json.dumps(content["config"]))
        stem = "model" if part == "text_encoder" else "diffusion_pytorch_model"
        save_file(
            {n: random_weights(s, n, generator) for n, s in content["shapes"].items()},
            partial / part / f"{stem}.safetensors", {"format": "pt"},
        )
    bundled = ROOT / "assets/models/flowers"
    shutil.copy(bundled / "model_index.json", partial)
    for same in ("tokenizer", "scheduler"):
        shutil.copytree(bundled / same, partial / same)
    partial.rename(folder)


if __name__ == "__main__":
    main()
