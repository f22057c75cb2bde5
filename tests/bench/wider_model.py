#!/usr/bin/env python3
"""Writes a copy of a diffusers folder whose latents have more channels and which begins as it was:
the first channels are the narrower model's, the autoencoder's new ones small and its decoder blind to
them, and of the U-Net's the new inputs count nothing and the new outputs are nothing. For `--from` of
`keepsake train vae` and `unet`.

Usage: python wider_model.py MODEL FOLDER CHANNELS
"""

import json
import pathlib
import shutil
import sys

import torch
from safetensors.torch import load_file, save_file

WEIGHTS = "diffusion_pytorch_model.safetensors"


def widen_vae(weights, narrow, wide):
    new = wide - narrow
    # Mean and log variance, one behind the other: where the old channels' rows go, and the new.
    rows = torch.cat([torch.arange(narrow), wide + torch.arange(narrow)])
    fresh = torch.cat([narrow + torch.arange(new), wide + narrow + torch.arange(new)])
    out, bias = weights["encoder.conv_out.weight"], weights["encoder.conv_out.bias"]
    wider, wider_bias = torch.zeros(2 * wide, *out.shape[1:]), torch.zeros(2 * wide)
    wider[rows], wider_bias[rows] = out, bias
    wider[narrow:wide] = torch.randn(new, *out.shape[1:]) * out[:narrow].std()
    wider_bias[wide + narrow:] = bias[narrow:].mean()  # as sure of them as of the old
    weights["encoder.conv_out.weight"], weights["encoder.conv_out.bias"] = wider, wider_bias

    for name, old, added in (("quant_conv", rows, fresh),
                             ("post_quant_conv", torch.arange(narrow), torch.arange(narrow, wide))):
        matrix, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        size = len(old) + len(added)
        wider, wider_bias = torch.zeros(size, size, 1, 1), torch.zeros(size)
        wider[old[:, None], old[None]] = matrix
        wider[added, added] = 1
        wider_bias[old] = bias
        weights[f"{name}.weight"], weights[f"{name}.bias"] = wider, wider_bias

    widen(weights, "decoder.conv_in.weight", 1, wide)


def widen_unet(weights, wide):
    widen(weights, "conv_in.weight", 1, wide)
    widen(weights, "conv_out.weight", 0, wide)
    widen(weights, "conv_out.bias", 0, wide)


def widen(weights, name, dimension, size):
    """With zeros behind what is there."""
    old = weights[name]
    shape = list(old.shape)
    shape[dimension] = size - shape[dimension]
    weights[name] = torch.cat([old, torch.zeros(shape)], dimension)


def main():
    model, folder, wide = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    torch.manual_seed(0)
    shutil.copytree(model, folder)
    for part in ("vae", "unet"):
        config = json.loads((folder / part / "config.json").read_text())
        weights = {n: t.float() for n, t in load_file(folder / part / WEIGHTS).items()}
        if part == "vae":
            widen_vae(weights, config["latent_channels"], wide)
            config["latent_channels"] = wide
        else:
            widen_unet(weights, wide)
            config["in_channels"] = config["out_channels"] = wide
        (folder / part / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file({n: t.contiguous() for n, t in weights.items()}, folder / part / WEIGHTS,
                  {"format": "pt"})


if __name__ == "__main__":
    main()
