#!/usr/bin/env python3
"""A trained CLIP as it lies in a model's folder: float16, with the words that stand for each other.

Usage: tests/bench/clip_asset.py TRAINED OUT

TRAINED: what `keepsake train clip` left. Needs numpy and safetensors.
"""

import json
import pathlib
import shutil
import sys

import numpy as np
from safetensors.numpy import load_file, save_file

from clip_pictures import COLOURS, KINDS


def main():
    trained, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.astype(np.float16) for name, tensor in
               load_file(trained / "model.safetensors").items()}
    assert all(np.isfinite(tensor).all() for tensor in weights.values())
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    for name in ("config.json", "preprocessor_config.json", "vocab.json", "merges.txt",
                 "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copyfile(trained / name, out / name)
    words = [list(COLOURS), list(KINDS.values())]
    (out / "keepsake.json").write_text(json.dumps({"exchanged": words}, indent=2) + "\n")


if __name__ == "__main__":
    main()
