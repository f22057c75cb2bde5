#!/usr/bin/env python3
"""An edit's files for elsewhere (`keepsake edit --as-word`), loaded and rendered by diffusers: is it
the same picture?

Usage: python word_in_diffusers.py --keepsake PROGRAM [--model PATH]
       (environment: requirements.txt beside this file; compare.py --quick runs it)

Does in diffusers what elsewhere/how-to-use.txt says: the word's file and the LoRA's are loaded, both
texts are encoded and mixed, and the same noise is sampled. Exit status 0: the picture agrees with
that of `keepsake render` as lora_in_diffusers.py asks for it, and neither file could be left out.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

from lora_in_diffusers import LEAST_EFFECT, MEAN_BOUND, ROOT, WORST_BOUND

TEXT, WORD, ETA, STEPS, GUIDANCE, SEED = "a photo of a red daisy", "kept-photo", 0.4, 12, 3.0, 3


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)


def make_ours(options, folder):
    """The session, and its picture as 0 to 255."""
    session, picture = folder / "daisy.keepsake", folder / "ours.png"
    run([options.keepsake, "edit", ROOT / "assets/photos/daisy-19813618946.jpg", TEXT, "--as-word",
         WORD, "--embedding-steps", 20, "--finetune-steps", 8, "--model", options.model, "--session",
         session, "--way", "line", "--noise-share", 1, "--eta", ETA, "--seed", SEED, "--sampler",
         "dpmpp_2m", "--steps", STEPS, "--guidance", GUIDANCE, "--no-full", "--out", picture,
         "--quiet"])
    return session, numpy.asarray(Image.open(picture).convert("RGB")).astype(float)


def render(pipe, photo_prompt):
    with torch.no_grad():
        text, _ = pipe.encode_prompt(TEXT, "cpu", 1, False)
        photo, _ = pipe.encode_prompt(photo_prompt, "cpu", 1, False)
    side = pipe.unet.config.sample_size
    noise = torch.randn(
        1, pipe.unet.config.in_channels, side, side, generator=torch.Generator().manual_seed(SEED)
    )
    pixels = pipe(
        prompt_embeds=ETA * text + (1 - ETA) * photo, negative_prompt="", latents=noise,
        num_inference_steps=STEPS, guidance_scale=GUIDANCE, output_type="np",
    ).images[0]
    return numpy.rint(pixels * 255)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--keepsake", default=str(ROOT / "build/release/editor/keepsake"))
    parser.add_argument("--model", default=str(ROOT / "assets/models/flowers"))
    options = parser.parse_args()
    diffusers_logging.set_verbosity_error()
    diffusers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        session, ours = make_ours(options, pathlib.Path(scratch))
        pipe = StableDiffusionPipeline.from_pretrained(
            options.model, dtype=torch.float32, local_files_only=True
        )
        pipe.set_progress_bar_config(disable=True)
        pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
        pipe.load_textual_inversion(str(session / f"elsewhere/{WORD}.safetensors"), token=WORD)
        without_lora = render(pipe, WORD)
        pipe.load_lora_weights(str(session / f"elsewhere/{WORD}-lora.safetensors"))
        difference = numpy.abs(render(pipe, WORD) - ours)
        # The word starts as the text: this is the picture if it had stayed that.
        effects = [numpy.abs(other - ours).mean() for other in (without_lora, render(pipe, TEXT))]
    print(f"word and LoRA in diffusers, pixels of 0 to 255: mean difference {difference.mean():.4f} "
          f"(bound {MEAN_BOUND}), worst {difference.max():.0f} (bound {WORST_BOUND}), without the "
          f"LoRA {effects[0]:.2f}, without the word {effects[1]:.2f} (at least {LEAST_EFFECT})")
    same = difference.mean() <= MEAN_BOUND and difference.max() <= WORST_BOUND
    sys.exit(0 if same and min(effects) >= LEAST_EFFECT else 1)


if __name__ == "__main__":
    main()
