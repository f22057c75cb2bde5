#!/usr/bin/env python3
"""A student of ours, opened by diffusers: does it draw the same picture with what its files say?

Usage: python student_in_diffusers.py --keepsake PROGRAM [--model PATH]
       (environment: requirements.txt beside this file)

Distils a student for a few updates by `keepsake distil steps --guidance 1:6` (or takes --model, a
finished folder), draws it with `keepsake generate`, and again with StableDiffusionPipeline
.from_pretrained of the same folder: the scheduler that the folder names, as many steps as
keepsake.json says, its guidance, the same noise. Likewise an LCM-LoRA by `keepsake distil
consistency`, which diffusers loads with load_lora_weights and draws with LCMScheduler. Exit status 0:
the pictures agree within MEAN_BOUND and WORST_BOUND, in steps of 8-bit pixels, and another guidance,
or no LoRA, is another picture.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from diffusers import LCMScheduler, StableDiffusionPipeline

from in_diffusers import MEAN_BOUND, ROOT, WORST_BOUND, read_picture

PROMPT = "a photo of a red rose"


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def distil(options, folder, kind, *more):
    prompts = folder / "prompts.txt"
    prompts.write_text(PROMPT + "\na photo of a yellow tulip\n")
    run([options.keepsake, "distil", kind, "--prompts", prompts, "--drawn", 2, "--tune", 4, "--batch",
         2, "--every", 0, "--name", "student", "--out", folder / kind, "--quiet", *more])
    return folder / kind


def draw(pipe, size, **how):
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(7)
    picture = pipe(PROMPT, height=size[0], width=size[1], generator=generator, **how)
    return numpy.asarray(picture.images[0]).astype(float)


def generate(options, folder, *more):
    path = folder / "ours.png"
    run([options.keepsake, "generate", PROMPT, "--seed", 7, "--out", path, "--quiet", *more])
    return read_picture(path)


def judge(name, ours, theirs, without):
    off, other = numpy.abs(theirs - ours), numpy.abs(without - ours)
    print(f"{name}: off by {off.mean():.3f} on average, {off.max():.0f} at most; without it by "
          f"{other.mean():.3f}")
    return off.mean() <= MEAN_BOUND and off.max() <= WORST_BOUND and other.mean() > off.mean() + 0.05


def check_student(options, folder):
    model = options.model or distil(options, folder, "steps", "--steps", 4, "--teacher-steps", 8,
                                    "--guidance", "1:6") / "student"
    sample = json.loads((model / "keepsake.json").read_text())["sample"]
    steps, guidance = sample["steps"], sample["guidance_scale"]
    ours = generate(options, folder, "--model", model)
    pipe = StableDiffusionPipeline.from_pretrained(model, torch_dtype=torch.float32)
    theirs, other = (draw(pipe, ours.shape, num_inference_steps=steps, guidance_scale=scale)
                     for scale in (guidance, guidance + 2))
    return judge(f"student by {type(pipe.scheduler).__name__} at {pipe.scheduler.timesteps.tolist()}",
                 ours, theirs, other)


def check_lora(options, folder):
    lora = distil(options, folder, "consistency", "--rank", 4, "--learning-rate", "1e-2") / (
        "student.safetensors")
    ours = generate(options, folder, "--lora", lora, "--sampler", "lcm", "--steps", 4, "--guidance", 1)
    pipe = StableDiffusionPipeline.from_pretrained(ROOT / "assets/models/flowers",
                                                   torch_dtype=torch.float32)
    pipe.scheduler = LCMScheduler.from_config(pipe.scheduler.config)
    without = draw(pipe, ours.shape, num_inference_steps=4, guidance_scale=1)
    pipe.load_lora_weights(lora)
    return judge("LCM-LoRA by LCMScheduler", ours,
                 draw(pipe, ours.shape, num_inference_steps=4, guidance_scale=1), without)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--keepsake", required=True)
    parser.add_argument("--model", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not all([check_student(options, folder), check_lora(options, folder)]):
            sys.exit("the pictures differ, or what was distilled does nothing")


if __name__ == "__main__":
    main()
