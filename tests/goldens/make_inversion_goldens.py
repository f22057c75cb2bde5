#!/usr/bin/env python3
"""DDIM inversion by diffusers' DDIMInverseScheduler, for tests/pipeline/sampling/ddim_invert_test.cpp.

Usage: python make_inversion_goldens.py        (packages: requirements.txt beside this file)

Writes inversion.safetensors: `latents` (1, 4, 2, 4), what is inverted, and for each case
`<steps>-<prediction>-<set_alpha_to_one>.timesteps` and `.latents`, those after each model call. The
model is the samplers' `toy_denoiser`.

Where the model predicts v, its output is read here as noise at the timestep it was asked about, and
the scheduler is given that noise. The scheduler's own reading of v takes the level at the step's
beginning, which is another level than the model was asked about.
"""

import itertools

import torch
from diffusers import DDIMInverseScheduler
from make_sampler_goldens import HERE, SD1, SHAPE, toy_denoiser
from safetensors.torch import save_file


def run(steps, prediction, to_one, latents):
    config = {**SD1, "_class_name": "DDIMInverseScheduler", "set_alpha_to_one": to_one}
    scheduler = DDIMInverseScheduler.from_config(config)
    scheduler.set_timesteps(steps)
    trace = []
    for t in scheduler.timesteps:
        output = toy_denoiser(latents, t)
        if prediction == "v_prediction":
            a = scheduler.alphas_cumprod[t]
            output = a.sqrt() * output + (1 - a).sqrt() * latents
        latents = scheduler.step(output, t, latents).prev_sample
        trace.append(latents)
    return {"timesteps": scheduler.timesteps, "latents": torch.cat(trace)}


def main():
    latents = torch.randn(SHAPE, generator=torch.Generator().manual_seed(11))
    tensors = {"latents": latents}
    for steps, prediction, to_one in itertools.product(
            (5, 20, 50), ("epsilon", "v_prediction"), (False, True)):
        name = f"{steps}-{prediction}-{int(to_one)}"
        for key, value in run(steps, prediction, to_one, latents).items():
            tensors[f"{name}.{key}"] = value.contiguous()
    save_file(tensors, HERE / "inversion.safetensors")


if __name__ == "__main__":
    main()
