"""Imagic's stages A and B by diffusers' U-Net and torch.optim.Adam, for tests/optimize/imagic/imagic_test.cpp.

Usage: python make_imagic_goldens.py       (environment: requirements.txt beside this file)
Writes imagic_<prediction type>.safetensors: a tiny U-Net's weights ("unet.*"), the photo's latents, the
target embedding, and after 12 steps of A and 8 of B: the embedding, every weight ("tuned.*"), the
training losses and the losses on the evaluation set. Timesteps and noise are drawn as Keepsake
draws them: from a CPU generator seeded by (seed, stage, step).
"""

from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from keepsake_draws import draw
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent


def make(prediction_type, in_channels, linear):
    torch.manual_seed(1)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=in_channels, out_channels=in_channels, block_out_channels=(16, 32),
        layers_per_block=1, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=16,
        attention_head_dim=(2, 4), norm_num_groups=8, use_linear_projection=linear)
    schedule = DDPMScheduler(beta_start=0.00085, beta_end=0.02, beta_schedule="scaled_linear",
                             prediction_type=prediction_type)
    latents = torch.randn(1, in_channels, 8, 8)
    target = torch.randn(1, 7, 16)
    out = {"unet." + k: v.clone() for k, v in unet.state_dict().items()}
    out |= {"latents": latents, "target_embedding": target}

    def loss_of(embedding, timesteps, noise):
        x0 = latents.expand_as(noise)
        noisy = schedule.add_noise(x0, noise, timesteps)
        wanted = noise if prediction_type == "epsilon" else schedule.get_velocity(x0, noise, timesteps)
        predicted = unet(noisy, timesteps, embedding.expand(len(timesteps), -1, -1)).sample
        return torch.nn.functional.mse_loss(predicted, wanted)

    def evaluate(embedding):
        noise = torch.randn((16,) + latents.shape[1:], generator=torch.Generator("cpu").manual_seed(20220927))
        timesteps = ((torch.arange(16, dtype=torch.float64) + 0.5) * 1000 / 16).long()
        with torch.no_grad():
            return loss_of(embedding, timesteps, noise)

    def train(stage, parameters, embedding, steps, rate, batch):
        optimiser = torch.optim.Adam(parameters, lr=rate)
        losses = []
        for step in range(steps):
            loss = loss_of(embedding, *draw(stage, step, batch, latents.shape[1:]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        return torch.stack(losses)

    embedding = target.clone().requires_grad_(True)
    evaluations = [evaluate(embedding)]
    unet.requires_grad_(False)
    out["losses_a"] = train(1, [embedding], embedding, 12, 5e-3, 2)
    embedding = embedding.detach()
    evaluations.append(evaluate(embedding))
    out["optimised_embedding"] = embedding
    unet.requires_grad_(True)
    out["losses_b"] = train(2, list(unet.parameters()), embedding, 8, 1e-4, 1)
    evaluations.append(evaluate(embedding))
    out |= {"tuned." + k: v for k, v in unet.state_dict().items()}
    out["evaluations"] = torch.stack(evaluations)
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / f"imagic_{prediction_type}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    make("epsilon", 4, False)
    make("v_prediction", 8, True)
