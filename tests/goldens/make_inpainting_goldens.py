#!/usr/bin/env python3
"""What diffusers' StableDiffusionInpaintPipeline makes of a picture and a mask on tiny networks.

Usage: python make_inpainting_goldens.py        (packages: requirements.txt)

The networks are those of ldm_sd1.safetensors (make_checkpoint_goldens.py); the one for inpainting has
five more input channels, drawn here (`inpainting_weights`) and by the C++ test alike. Writes
inpainting.safetensors: the picture, the mask, the two texts' ids, and per case the final latents.
"""

import diffusers
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import make_checkpoint_goldens as checkpoints
from make_sampler_goldens import SD1

CONV_IN = "model.diffusion_model.input_blocks.0.0.weight"
SCHEDULERS = {
    "ddim": diffusers.DDIMScheduler, "pndm": diffusers.PNDMScheduler,
    "euler": diffusers.EulerDiscreteScheduler, "heun": diffusers.HeunDiscreteScheduler,
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "unipc": diffusers.UniPCMultistepScheduler,
}
# Kind of network, sampler, strength.
CASES = [(kind, sampler, strength)
         for kind in ("inpainting", "plain")
         for sampler, strength in (("ddim", 1.0), ("euler", 0.6), ("dpmpp_2m", 1.0), ("pndm", 0.6),
                                   ("heun", 1.0), ("euler_a", 1.0), ("unipc", 0.6))]


def inpainting_weights(tensors):
    more = torch.randn((32, 5, 3, 3), generator=torch.Generator().manual_seed(5)) * 0.1
    return {**tensors, CONV_IN: torch.cat([tensors[CONV_IN], more.half()], 1)}


def networks(tensors, channels):
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=channels, out_channels=4, block_out_channels=[32, 64],
        layers_per_block=2, down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"], cross_attention_dim=64,
        attention_head_dim=8)
    vae = diffusers.AutoencoderKL(
        block_out_channels=[32, 32], layers_per_block=2, latent_channels=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(tensors), unet.config))
    vae.load_state_dict(convert_ldm_vae_checkpoint(dict(tensors), vae.config))
    return unet.float().eval(), vae.float().eval()


def text_encoder(tensors):
    encoder = CLIPTextModel(checkpoints.text_config(64, 2, 96, 120, "quick_gelu"))
    state = convert_ldm_clip_checkpoint(dict(tensors))
    state.pop("text_model.embeddings.position_ids", None)
    flat = not any(key.startswith("text_model.") for key in encoder.state_dict())
    encoder.load_state_dict({k.removeprefix("text_model.") if flat else k: v
                             for k, v in state.items()})
    return encoder.float().eval()


@torch.no_grad()
def main():
    tensors = load_file(checkpoints.HERE / "ldm_sd1.safetensors")
    generator = torch.Generator().manual_seed(3)
    ids, negative_ids = torch.randint(0, 120, (2, 1, 77), generator=generator)
    encoder = text_encoder(tensors)
    image = torch.rand((1, 3, 32, 32), generator=generator)
    mask = torch.zeros((1, 1, 32, 32))
    mask[..., 9:25, 4:20] = 1
    mask[..., 25:27, 4:20] = 0.4  # below a half: it stays
    result = {"ids": ids, "negative_ids": negative_ids, "image": image * 2 - 1, "mask": mask}
    for kind, sampler, strength in CASES:
        weights = inpainting_weights(tensors) if kind == "inpainting" else tensors
        unet, vae = networks(weights, 9 if kind == "inpainting" else 4)
        pipe = diffusers.StableDiffusionInpaintPipeline(
            vae=vae, text_encoder=encoder, tokenizer=None, unet=unet,
            scheduler=SCHEDULERS[sampler].from_config(SD1), safety_checker=None,
            feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        latents = pipe(
            prompt_embeds=encoder(ids).last_hidden_state,
            negative_prompt_embeds=encoder(negative_ids).last_hidden_state, image=image,
            mask_image=mask, height=32, width=32, strength=strength, num_inference_steps=6,
            guidance_scale=2.5, generator=torch.Generator().manual_seed(11),
            output_type="latent").images
        assert latents.isfinite().all(), (kind, sampler)
        result[f"{kind}-{sampler}-{strength}"] = latents.contiguous()
    save_file(result, checkpoints.HERE / "inpainting.safetensors")


if __name__ == "__main__":
    main()
