#!/usr/bin/env python3
"""Writes a model of Stable Diffusion 1.5's layout with random weights as one checkpoint in the
original LDM layout: a float16 .safetensors file of 2.1 GB, which both Keepsake and
stable-diffusion.cpp read.

Usage: python ldm_model.py FILE

The names are those that make_checkpoint_goldens.py writes; its text encoder is called
cond_stage_model.transformer.text_model.*, by which stable-diffusion.cpp knows SD 1.x.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "goldens"))

from make_checkpoint_goldens import Checkpoint, add_clip, add_unet, add_vae, text_config  # noqa: E402
from safetensors.torch import save_file  # noqa: E402


def main():
    file = pathlib.Path(sys.argv[1])
    text = text_config(768, 12, 3072, 49408, "quick_gelu")
    checkpoint = Checkpoint(1)
    add_unet(checkpoint, 320, (1, 2, 4, 4), 2, (0, 1, 2), text.hidden_size, linear=False)
    add_vae(checkpoint, 128, (1, 2, 4, 4), 2, 4)
    add_clip(checkpoint, text)
    partial = file.with_name(file.name + ".partial")
    save_file(checkpoint.tensors, partial, {"format": "pt"})
    partial.rename(file)


if __name__ == "__main__":
    main()
