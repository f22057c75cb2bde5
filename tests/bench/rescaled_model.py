#!/usr/bin/env python3
"""Writes a copy of a diffusers folder whose U-Net computes the same with weights of another scale:
what one layer is made larger by, the next is made smaller by, or a norm takes it away.

Usage: python rescaled_model.py MODEL FOLDER FACTOR
"""

import pathlib
import re
import shutil
import sys

from safetensors.torch import load_file, save_file

# Larger: what a product with `smaller` or a group norm behind it undoes.
LARGER = re.compile(r"\.(to_q|to_v)\.weight$|\.resnets\.\d+\.(conv1|time_emb_proj)\.(weight|bias)$")
SMALLER = re.compile(r"\.to_k\.weight$|\.to_out\.0\.weight$|\.ff\.net\.2\.weight$")
GATED = re.compile(r"\.ff\.net\.0\.proj\.(weight|bias)$")  # its first half is linear in the output


def main():
    model, folder, factor = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
    shutil.copytree(model, folder)
    (folder / "keepsake.json").unlink(missing_ok=True)
    path = folder / "unet/diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if LARGER.search(name):
            tensor *= factor
        elif SMALLER.search(name):
            tensor /= factor
        elif GATED.search(name):
            tensor[: tensor.shape[0] // 2] *= factor
    save_file(tensors, path, {"format": "pt"})


if __name__ == "__main__":
    main()
