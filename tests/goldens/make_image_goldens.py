"""Whole pictures of the bundled model by diffusers on CPU, for tests/pipeline/model/generate_test.cpp.

Usage: python make_image_goldens.py        (environment: requirements.txt beside this file)
Writes images.safetensors: for each case the final latents (1, 8, 16, 16) float32 and the picture
(128, 128, 3) uint8. The cases are listed again, by name, in the test.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
)
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent.parent / "assets" / "models" / "flowers"
SAMPLERS = {
    "ddim": DDIMScheduler,
    "pndm": PNDMScheduler,
    "lms": LMSDiscreteScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}


def test_picture():
    """A smooth picture both languages compute alike: (1, 3, 128, 128) in [-1, 1]."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    channels = [torch.sin(x / (9.0 + 4 * c) + c) * torch.cos(y / (11.0 + 3 * c)) for c in range(3)]
    return torch.stack(channels)[None]


def run(pipe, **arguments):
    common = dict(guidance_scale=4.0, num_inference_steps=20, output_type="latent")
    latents = pipe(**{**common, **arguments}).images
    with torch.no_grad():
        image = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    image = (image / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return latents, torch.from_numpy((image * 255).round().astype(np.uint8))


def main():
    pipe = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    config = pipe.scheduler.config
    tensors = {}

    def keep(name, result):
        tensors[name + ".latents"], tensors[name + ".image"] = result

    def generator(seed):
        return torch.Generator("cpu").manual_seed(seed)

    for name, scheduler in SAMPLERS.items():
        pipe.scheduler = scheduler.from_config(config)
        keep(name, run(pipe, prompt="a photo of a red tulip", generator=generator(7)))
    pipe.scheduler = DDIMScheduler.from_config(config)
    keep("ddim_eta", run(pipe, prompt="a yellow rose", generator=generator(3), eta=0.7))
    pipe.scheduler = PNDMScheduler.from_config(config)
    keep("negative", run(pipe, prompt="a daisy in the grass", negative_prompt="a white daisy",
                         generator=generator(11)))
    keep("unguided", run(pipe, prompt="a sunflower", guidance_scale=1.0, generator=generator(5)))
    keep("wide", run(pipe, prompt="a purple tulip", width=192, height=104, generator=generator(2)))

    for name, scheduler in SAMPLERS.items():
        image_pipe = StableDiffusionImg2ImgPipeline(**{**pipe.components, "scheduler": scheduler.from_config(config)},
                                                    requires_safety_checker=False)
        image_pipe.set_progress_bar_config(disable=True)
        keep("image_to_image_" + name,
             run(image_pipe, prompt="a pink rose", image=test_picture(), strength=0.6, generator=generator(9)))
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "images.safetensors")


if __name__ == "__main__":
    main()
