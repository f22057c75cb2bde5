"""What the checks of our files in diffusers share: its pipeline on a model, noise, and how far two
pictures may be apart. (Environment: requirements.txt beside this file.)"""

import argparse
import pathlib

import numpy
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from PIL import Image
from transformers.utils import logging as transformers_logging

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Both sides compute in float32 in another order, and round to 8 bits: a pixel that lies near the
# middle of two steps may fall either way.
MEAN_BOUND = 0.25
WORST_BOUND = 4
# Without the file the picture must be another one, or a check would pass a file that is not used.
LEAST_EFFECT = 2.0


def parser(doc):
    parser = argparse.ArgumentParser(description=doc.split("\n\n")[0])
    parser.add_argument("--keepsake", default=str(ROOT / "build/release/editor/keepsake"))
    parser.add_argument("--model", default=str(ROOT / "assets/models/flowers"))
    return parser


def open_pipe(model):
    """The model in float32, sampled by dpmpp_2m; says nothing of its own."""
    for logging in diffusers_logging, transformers_logging:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    pipe = StableDiffusionPipeline.from_pretrained(
        model, dtype=torch.float32, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    return pipe


def draw(pipe, seed, **how):
    """The picture as 0 to 255, from the noise that `keepsake --seed` has."""
    side = pipe.unet.config.sample_size
    noise = torch.randn(
        1, pipe.unet.config.in_channels, side, side, generator=torch.Generator().manual_seed(seed)
    )
    return numpy.rint(pipe(latents=noise, output_type="np", **how).images[0] * 255)


def read_picture(path):
    return numpy.asarray(Image.open(path).convert("RGB")).astype(float)


def judge(what, ours, theirs, **without):
    """Prints how far they are apart; whether they agree, and differ from each of `without`."""
    difference = numpy.abs(theirs - ours)
    effects = {name: numpy.abs(other - ours).mean() for name, other in without.items()}
    print(f"{what}, pixels of 0 to 255: mean difference {difference.mean():.4f} (bound {MEAN_BOUND}), "
          f"worst {difference.max():.0f} (bound {WORST_BOUND}), "
          + ", ".join(f"without the {name} {effect:.2f}" for name, effect in effects.items())
          + f" (at least {LEAST_EFFECT})")
    same = difference.mean() <= MEAN_BOUND and difference.max() <= WORST_BOUND
    return same and min(effects.values()) >= LEAST_EFFECT
