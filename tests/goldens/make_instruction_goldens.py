#!/usr/bin/env python3
"""What diffusers' StableDiffusionInstructPix2PixPipeline makes of a picture and a text on tiny networks.

Usage: python make_instruction_goldens.py        (packages: requirements.txt)

The networks are those of ldm_sd1.safetensors (make_checkpoint_goldens.py) with four more input
channels, drawn here (`instruction_weights`) and by the C++ test alike. Writes
instruction.safetensors: the picture, the two texts' ids, and per case the latents after each step and
the decoded picture.
"""

import diffusers
import torch
from safetensors.torch import load_file, save_file

import make_checkpoint_goldens as checkpoints
from make_inpainting_goldens import CONV_IN, SCHEDULERS, networks, text_encoder
from make_sampler_goldens import SD1

# Sampler, guidance by the text, by the picture.
CASES = [("ddim", 7.5, 1.5), ("pndm", 3.0, 1.5), ("euler", 7.5, 1.0), ("euler_a", 7.5, 1.5),
         ("dpmpp_2m", 5.0, 2.2), ("heun", 3.0, 1.5), ("unipc", 2.0, 1.2), ("ddim", 1.0, 1.5)]


def instruction_weights(tensors):
    more = torch.randn((32, 4, 3, 3), generator=torch.Generator().manual_seed(6)) * 0.1
    return {**tensors, CONV_IN: torch.cat([tensors[CONV_IN], more.half()], 1)}


@torch.no_grad()
def main():
    tensors = load_file(checkpoints.HERE / "ldm_sd1.safetensors")
    generator = torch.Generator().manual_seed(4)
    ids, negative_ids = torch.randint(0, 120, (2, 1, 77), generator=generator)
    encoder = text_encoder(tensors)
    image = torch.rand((1, 3, 16, 16), generator=generator)
    result = {"ids": ids, "negative_ids": negative_ids, "image": image * 2 - 1}
    unet, vae = networks(instruction_weights(tensors), 8)
    for sampler, guidance, image_guidance in CASES:
        pipe = diffusers.StableDiffusionInstructPix2PixPipeline(
            vae=vae, text_encoder=encoder, tokenizer=None, unet=unet,
            scheduler=SCHEDULERS[sampler].from_config(SD1), safety_checker=None,
            feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        steps = []

        def keep(_pipe, _index, _timestep, values):
            steps.append(values["latents"].clone())
            return values

        picture = pipe(
            prompt_embeds=encoder(ids).last_hidden_state,
            negative_prompt_embeds=encoder(negative_ids).last_hidden_state, image=image,
            num_inference_steps=6, guidance_scale=guidance, image_guidance_scale=image_guidance,
            generator=torch.Generator().manual_seed(11), output_type="pt",
            callback_on_step_end=keep).images
        name = f"{sampler}-{guidance}-{image_guidance}"
        assert picture.isfinite().all() and len(steps) >= 6, name
        result[name] = torch.cat(steps).contiguous()
        result[name + "-picture"] = picture.contiguous()
    save_file(result, checkpoints.HERE / "instruction.safetensors")


if __name__ == "__main__":
    main()
