"""The parts that keepsake_bench times, in diffusers: same weights, same shapes, same protocol.

Usage: python peer.py MODEL THREADS      (compare.py starts it)

Each line on stdin is "PART ITERATIONS"; the answer is one line on stdout: the seconds that one
iteration took. Importing torch and diffusers is not timed.
"""

import sys
import time

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

diffusers_logging.set_verbosity_error()
diffusers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

TEXT = "a photo of a red daisy"


def load(path):
    pipe = StableDiffusionPipeline.from_pretrained(
        path, dtype=torch.float32, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def time_calls(iterations, call):
    start = time.perf_counter()
    for _ in range(iterations):
        call()
    return (time.perf_counter() - start) / iterations


class Bench:
    def __init__(self, path):
        self.path = path
        self.pipe = None

    def prepare(self):
        self.pipe = load(self.path)
        unet, vae = self.pipe.unet, self.pipe.vae
        self.size = unet.config.sample_size * 8
        self.image = torch.randn(
            1, 3, self.size, self.size, generator=torch.Generator().manual_seed(1)
        ).clamp(-1, 1)
        with torch.no_grad():
            self.latents = vae.encode(self.image).latent_dist.mean * vae.config.scaling_factor
            self.embedding, _ = self.pipe.encode_prompt(TEXT, "cpu", 1, False)

    def time(self, part, iterations):
        if part == "load":
            return time_calls(iterations, lambda: load(self.path))
        if self.pipe is None:
            self.prepare()
        if part in ("train-all", "train-embedding"):
            return self.time_training(part, iterations)
        with torch.no_grad():
            return time_calls(iterations, self.forward_parts()[part])

    def forward_parts(self):
        vae, scale = self.pipe.vae, self.pipe.vae.config.scaling_factor
        return {
            "unet-1": self.unet_call(1),
            "unet-2": self.unet_call(2),
            "vae-encode": lambda: vae.encode(self.image).latent_dist.mean * scale,
            "vae-decode": lambda: (vae.decode(self.latents / scale).sample / 2 + 0.5).clamp(0, 1),
            "generate": self.generate,
        }

    def unet_call(self, batch):
        sample = self.latents.expand(batch, -1, -1, -1).contiguous()
        context = self.embedding.expand(batch, -1, -1).contiguous()
        timestep = torch.full((1,), 500.0)
        return lambda: self.pipe.unet(sample, timestep, context).sample

    def generate(self):
        self.pipe(
            TEXT, num_inference_steps=20, guidance_scale=7.5, height=self.size, width=self.size,
            generator=torch.Generator().manual_seed(0), output_type="np",
        )

    def time_training(self, part, iterations):
        """Imagic's step: draw a timestep and noise, loss, backward, Adam (as the public
        implementations do it with torch.optim.Adam)."""
        unet, scheduler = self.pipe.unet, self.pipe.scheduler
        state = {name: value.clone() for name, value in unet.state_dict().items()}
        embedding = self.embedding.clone()
        if part == "train-all":
            unet.requires_grad_(True)
            optimiser = torch.optim.Adam(unet.parameters(), lr=5e-7)
        else:
            unet.requires_grad_(False)
            embedding.requires_grad_(True)
            optimiser = torch.optim.Adam([embedding], lr=2e-3)

        def step():
            timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (1,))
            noise = torch.randn_like(self.latents)
            noisy = scheduler.add_noise(self.latents, noise, timesteps)
            prediction = unet(noisy, timesteps, embedding).sample
            loss = torch.nn.functional.mse_loss(prediction, self.target(noise, timesteps))
            loss.item()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        step()  # allocates Adam's state, as our clock starts after the first step too
        seconds = time_calls(iterations, step)
        unet.requires_grad_(False)
        unet.load_state_dict(state)
        return seconds

    def target(self, noise, timesteps):
        if self.pipe.scheduler.config.prediction_type == "epsilon":
            return noise
        alpha = self.pipe.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * self.latents


def main():
    model, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    bench = Bench(model)
    for line in sys.stdin:
        part, iterations = line.split()
        print(f"{bench.time(part, int(iterations)):.9f}", flush=True)


if __name__ == "__main__":
    main()
