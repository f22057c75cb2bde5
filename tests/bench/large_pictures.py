#!/usr/bin/env python3
"""What a picture of Stable Diffusion 1.5's size costs: whole commands, of a model with random weights.

Usage: tests/bench/large_pictures.py [--keepsake PATH] [--threads 2] [--runs 2]

`keepsake generate` at 512 pixels, from the start of the program to the file: 20 guided steps, 8 and 4 unguided ones,
in float32 and, where the processor multiplies in it, bfloat16, with the model's VAE and with a tiny one (TAESD's
layout, random weights too: the times are those of any weights). Prints Markdown: the shortest of --runs, and the peak
resident memory. The model is build/bench-sd15 (2.1 GB; made where it is missing). Needs diffusers; keep the machine
quiet.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import environment
from large_rows import MODEL
from programs import run

WAYS = [("20 steps, guidance 7.5", ["--steps", "20", "--guidance", "7.5"]),
        ("8 steps, no guidance", ["--steps", "8", "--guidance", "1", "--sampler", "lcm"]),
        ("4 steps, no guidance", ["--steps", "4", "--guidance", "1", "--sampler", "lcm"])]


def tiny_vae(folder):
    import torch
    from diffusers import AutoencoderTiny
    torch.manual_seed(1)
    AutoencoderTiny().save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keepsake", default=environment.ROOT / "build" / "release" / "editor" / "keepsake")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    if not MODEL.exists():
        subprocess.run([sys.executable, environment.BENCH / "large_model.py", MODEL], check=True)
    precisions = ["float32"] + (["bfloat16"] if environment.multiplies_in_bfloat16() else [])
    print(f"{environment.processor()}, {options.threads} threads, load average {os.getloadavg()[0]:.2f} when this "
          "began\n\n| a picture of 512 x 512 | numbers | VAE | seconds | peak memory, GiB |\n" + "| --- " * 5 + "|")
    with tempfile.TemporaryDirectory() as folder:
        tiny = pathlib.Path(folder) / "tiny"
        tiny_vae(tiny)
        for what, more in WAYS:
            for precision in precisions:
                for vae in ("the model's", "tiny") if what is not WAYS[0][0] else ("the model's",):
                    command = [options.keepsake, "generate", "a photo of a red rose", "--model", MODEL, "--out",
                               pathlib.Path(folder) / "out.png", "--precision", precision, "--threads",
                               str(options.threads), "--quiet", *more]
                    if vae == "tiny":
                        command += ["--vae", tiny]
                    runs = [run(command, None) for _ in range(options.runs)]
                    print(f"| {what} | {precision} | {vae} | {min(one.seconds for one in runs):.1f} "
                          f"| {max(one.peak_gib for one in runs):.1f} |", flush=True)


if __name__ == "__main__":
    main()
