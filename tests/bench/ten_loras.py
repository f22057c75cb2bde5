#!/usr/bin/env python3
"""Time and peak memory of a picture with ten LoRAs of rank 16 beside one without, on a model that
large_model.py wrote.

Usage: python ten_loras.py KEEPSAKE MODEL FOLDER [RUNS]
FOLDER: where the LoRAs are written, random, in kohya's names, of every layer of the attention.
"""

import json
import os
import pathlib
import sys

import torch
from safetensors.torch import save_file

from programs import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
LAYERS = ("to_q", "to_k", "to_v", "to_out", "proj_in", "proj_out", "ff.net")
RANK = 16


def write_lora(path, generator):
    shapes = json.loads((ROOT / "tests/goldens/layout_sd15.json").read_text())["unet"]["shapes"]
    tensors = {}
    for name, (rows, *columns) in shapes.items():
        if not name.endswith(".weight") or "attentions" not in name or not any(k in name for k in LAYERS):
            continue
        layer = "lora_unet_" + name[:-len(".weight")].replace(".", "_")
        down = torch.randn(RANK, *columns, generator=generator)
        up = torch.randn(rows, RANK, *[1] * (len(columns) - 1), generator=generator)
        tensors[layer + ".lora_down.weight"] = (0.02 * down).half()
        tensors[layer + ".lora_up.weight"] = (0.02 * up).half()
        tensors[layer + ".alpha"] = torch.tensor(float(RANK)).half()
    save_file(tensors, path)


def tell(name, command):
    done = run(command, None)
    print(f"{name}: {done.seconds:.1f} s, of the processor {done.processor_seconds:.1f} s, "
          f"peak {done.peak_gib:.2f} GiB", flush=True)


def main():
    program, model, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(2)
    loras = []
    for i in range(10):
        path = folder / f"lora{i}.safetensors"
        write_lora(path, generator)
        loras += ["--lora", f"{path}:0.1"]
    for _ in range(int(sys.argv[4]) if len(sys.argv) > 4 else 3):
        for steps in (1, 5):
            command = [program, "generate", "a photo", "--model", model, "--size", "256", "--steps",
                       str(steps), "--guidance", "1", "--seed", "1", "--out", folder / "out.png", "--quiet"]
            tell(f"{steps} steps, none", command)
            tell(f"{steps} steps, ten LoRAs", [*command, *loras])
    print("load average", os.getloadavg())


if __name__ == "__main__":
    main()
