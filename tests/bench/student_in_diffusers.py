#!/usr/bin/env python3
"""A student of ours, opened by diffusers: does it draw the same picture with what its files say?

Usage: python student_in_diffusers.py --keepsake PROGRAM [--model PATH]
       (environment: requirements.txt beside this file)

Distils a student for a few updates by `keepsake distil steps --guidance 1:6` (or takes --model, a
finished folder), draws it with `keepsake generate`, and again with StableDiffusionPipeline
.from_pretrained of the same folder: the scheduler that the folder names, as many steps as
keepsake.json says, its guidance, the same noise. Exit status 0: the pictures agree within
MEAN_BOUND and WORST_BOUND, in steps of 8-bit pixels, and another guidance is another picture.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEAN_BOUND = 0.25  # as lora_in_diffusers.py
WORST_BOUND = 4
PROMPT = "a photo of a red rose"


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def student(options, folder):
    prompts = folder / "prompts.txt"
    prompts.write_text(PROMPT + "\na photo of a yellow tulip\n")
    run([options.keepsake, "distil", "steps", "--steps", 4, "--teacher-steps", 8, "--guidance",
         "1:6", "--prompts", prompts, "--drawn", 2, "--tune", 4, "--batch", 2, "--every", 0,
         "--name", "student", "--out", folder / "run", "--quiet"])
    return folder / "run" / "student"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--keepsake", required=True)
    parser.add_argument("--model", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = options.model or student(options, folder)
        sample = json.loads((model / "keepsake.json").read_text())["sample"]
        ours = folder / "ours.png"
        run([options.keepsake, "generate", PROMPT, "--model", model, "--seed", 7, "--out", ours,
             "--quiet"])
        ours = numpy.asarray(Image.open(ours).convert("RGB")).astype(float)
        pipe = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)

        def draw(guidance):
            generator = torch.Generator("cpu").manual_seed(7)
            picture = pipe(PROMPT, num_inference_steps=sample["steps"], guidance_scale=guidance,
                           height=ours.shape[0], width=ours.shape[1], generator=generator)
            return numpy.asarray(picture.images[0]).astype(float)

        off = numpy.abs(draw(sample["guidance_scale"]) - ours)
        other = numpy.abs(draw(sample["guidance_scale"] + 2) - ours)
        print(f"{type(pipe.scheduler).__name__}, {sample['steps']} steps, timesteps "
              f"{pipe.scheduler.timesteps.tolist()}: off by {off.mean():.3f} on average, "
              f"{off.max():.0f} at most; with another guidance by {other.mean():.3f}")
        if off.mean() > MEAN_BOUND or off.max() > WORST_BOUND or other.mean() <= off.mean() + 0.05:
            sys.exit("the pictures differ, or guidance does nothing")


if __name__ == "__main__":
    main()
