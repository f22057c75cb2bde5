#!/usr/bin/env python3
"""Three steps of an LCM-LoRA by diffusers' U-Net and torch, for tests/optimize/distil/students_test.cpp.

Usage: python make_consistency_goldens.py   (packages: requirements.txt beside this file)

Writes consistency_steps.safetensors beside this script: a LoRA of rank 1 on every layer of the tiny
U-Net in imagic_v_prediction.safetensors, its state after three updates, their losses. The update is
that of diffusers' examples/consistency_distillation/train_lcm_distill_lora_sd_wds.py with the pseudo-
Huber loss, in its terms and its order; what it draws is drawn as Keepsake draws it. Pictures, texts
and the guidance scales are the test's own.
"""

import pathlib

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from keepsake_draws import MASK, mix
from safetensors.torch import load_file, save_file
from torch.func import functional_call

HERE = pathlib.Path(__file__).parent
SEED, STREAM, GRID, BATCH, STEPS, RATE, HUBER = 11, 42, 50, 8, 3, 1e-3, 1e-3
W_MIN, W_MAX = 1.0, 5.0  # guidance scales 2 to 6


def randn(shape, seed):
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))


def changed(weight, down, up):
    if weight.dim() == 2:
        return weight + up @ down
    return weight + torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down)


class Solver:
    """DDIMSolver of the script."""

    def __init__(self, alpha_cumprods):
        self.timesteps = torch.arange(1, GRID + 1) * (1000 // GRID) - 1
        self.alphas_prev = torch.cat([alpha_cumprods[:1], alpha_cumprods[self.timesteps[:-1]]])

    def step(self, x, noise, index):
        alpha = self.alphas_prev[index].reshape(-1, 1, 1, 1)
        return alpha.sqrt() * x + (1.0 - alpha).sqrt() * noise


def main():
    torch.set_num_threads(1)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=8, out_channels=8, block_out_channels=(16, 32),
        layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=16,
        attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=True)
    weights = {name[5:]: tensor for name, tensor in
               load_file(HERE / "imagic_v_prediction.safetensors").items()
               if name.startswith("unet.")}
    unet.load_state_dict(weights)
    unet.requires_grad_(False)
    schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                             prediction_type="v_prediction")
    alphas = schedule.alphas_cumprod
    solver = Solver(alphas)
    latents, texts, uncond = randn((6, 8, 4, 4), 1), randn((6, 5, 16), 2), randn((1, 5, 16), 3)

    layers = [name[:-7] for name, tensor in sorted(weights.items())
              if name.endswith(".weight") and tensor.dim() >= 2
              and "time_embedding" not in name and name not in ("conv_in.weight", "conv_out.weight")]
    lora = {}
    for number, layer in enumerate(layers):
        shape = list(weights[layer + ".weight"].shape)
        down, up = [1] + shape[1:], [shape[0], 1] + [1] * (len(shape) - 2)
        lora[layer + ".lora_down.weight"] = randn(down, 100 + number) * 0.1
        lora[layer + ".lora_up.weight"] = randn(up, 500 + number) * 0.1
    out = {"start." + name: tensor.clone() for name, tensor in lora.items()}
    for tensor in lora.values():
        tensor.requires_grad_(True)
    optimiser = torch.optim.Adam(lora.values(), lr=RATE)

    def student(z, t, cond):
        with_lora = {layer + ".weight": changed(weights[layer + ".weight"],
                                                lora[layer + ".lora_down.weight"],
                                                lora[layer + ".lora_up.weight"])
                     for layer in layers}
        return functional_call(unet, with_lora, (z, t, cond)).sample

    def read(output, t, z):
        alpha = alphas[t].sqrt().reshape(-1, 1, 1, 1)
        sigma = (1 - alphas[t]).sqrt().reshape(-1, 1, 1, 1)
        return alpha * z - sigma * output, alpha * output + sigma * z

    def boundary(t):
        scaled = (10.0 * t).reshape(-1, 1, 1, 1)
        return 0.25 / (scaled ** 2 + 0.25), scaled / (scaled ** 2 + 0.25) ** 0.5

    losses = []
    for step in range(STEPS):
        generator = torch.Generator("cpu").manual_seed(
            mix((mix((mix(SEED + GRID) + STREAM) & MASK) + step) & MASK))
        which = torch.randint(6, (BATCH,), generator=generator)
        index = torch.randint(GRID, (BATCH,), generator=generator)
        w = (torch.rand(BATCH, generator=generator) * (W_MAX - W_MIN) + W_MIN).reshape(-1, 1, 1, 1)
        noise = torch.randn((BATCH, 8, 4, 4), generator=generator)
        start = solver.timesteps[index]
        timesteps = start - 1000 // GRID
        timesteps = torch.where(timesteps < 0, torch.zeros_like(timesteps), timesteps)
        noisy = schedule.add_noise(latents[which], noise, start)
        cond = texts[which]
        c_skip_start, c_out_start = boundary(start)
        c_skip, c_out = boundary(timesteps)
        model_pred = (c_skip_start * noisy
                      + c_out_start * read(student(noisy, start, cond), start, noisy)[0])
        with torch.no_grad():
            cond_x, cond_noise = read(unet(noisy, start, cond).sample, start, noisy)
            uncond_x, uncond_noise = read(
                unet(noisy, start, uncond.expand_as(cond)).sample, start, noisy)
            x_prev = solver.step(cond_x + w * (cond_x - uncond_x),
                                 cond_noise + w * (cond_noise - uncond_noise), index)
            target = (c_skip * x_prev
                      + c_out * read(student(x_prev, timesteps, cond), timesteps, x_prev)[0])
        loss = torch.mean(torch.sqrt((model_pred - target) ** 2 + HUBER ** 2) - HUBER)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(lora.values(), 1.0)
        optimiser.step()
        losses.append(loss.detach())
    out |= {"after." + name: tensor.detach() for name, tensor in lora.items()}
    out["losses"] = torch.stack(losses)
    print(out["losses"])
    save_file({name: tensor.contiguous() for name, tensor in out.items()},
              HERE / "consistency_steps.safetensors")


if __name__ == "__main__":
    main()
