"""The parts that keepsake_bench times, in diffusers: same weights, same shapes, same protocol.

Usage: python peer.py MODEL THREADS      (compare.py starts it)

Each line on stdin is "PART ITERATIONS"; the answer is one line on stdout: the seconds that one
iteration took. Importing torch and diffusers is not timed. A part unet-N is a call of the U-Net
with batch N; unet-N-channels-last the same with weights and input in that memory format,
unet-N-bfloat16 in that dtype. generate-N makes the pictures of N seeds in one batch,
generate-few one picture in 4 steps of LCM's scheduler without guidance.
"""

import sys
import time

import torch
from diffusers import LCMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

TEXT = "a photo of a red daisy"
# As keepsake_bench's lora_options; on all matrices and convolutions but those of the time embedding
# and the first and last one, as Keepsake's.
LORA_RANK, LORA_BATCH = 16, 4
LORA_LAYERS = (
    r".*\.(to_q|to_k|to_v|to_out\.0|net\.0\.proj|net\.2|proj_in|proj_out|conv1|conv2|conv_shortcut"
    r"|downsamplers\.\d\.conv|upsamplers\.\d\.conv)"
)


def be_quiet():
    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()


def load(path):
    pipe = StableDiffusionPipeline.from_pretrained(
        path, dtype=torch.float32, local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load_unet(path, dtype=torch.float32):
    return UNet2DConditionModel.from_pretrained(
        path, subfolder="unet", torch_dtype=dtype, local_files_only=True
    ).eval()


def unet_inputs(unet, batch):
    """Sample, timestep and text: values do not matter for their time, shapes do."""
    side, width = unet.config.sample_size, unet.config.cross_attention_dim
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(batch, unet.config.in_channels, side, side, generator=generator),
        torch.full((1,), 500.0),
        torch.randn(batch, 77, width, generator=generator),
    )


def velocity(schedule, latents, noise, timesteps):
    """v (Salimans & Ho, arXiv 2202.00512, appendix D); not every scheduler of diffusers has it."""
    alpha = schedule.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return alpha.sqrt() * noise - (1 - alpha).sqrt() * latents


def target(schedule, latents, noise, timesteps):
    """What the network is to predict."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    return velocity(schedule, latents, noise, timesteps)


def time_calls(iterations, call):
    start = time.perf_counter()
    for _ in range(iterations):
        call()
    return (time.perf_counter() - start) / iterations


def answer_lines(time_part):
    """The protocol. What libraries print goes to stderr, so that stdout has answers alone."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        part, iterations = line.split()
        print(f"{time_part(part, int(iterations)):.9f}", file=answers, flush=True)


def few_steps(pipe, size):
    """A call that draws in 4 steps, whatever the pipeline's scheduler is otherwise."""
    lcm = LCMScheduler.from_config(pipe.scheduler.config)

    def draw():
        own, pipe.scheduler = pipe.scheduler, lcm
        pipe(TEXT, num_inference_steps=4, guidance_scale=1, height=size, width=size,
             output_type="np", generator=torch.Generator().manual_seed(0))
        pipe.scheduler = own

    return draw


class Bench:
    def __init__(self, path):
        self.path = path
        self.pipe = None
        self.unet = None
        self.rounded_unet = None

    def prepare(self):
        self.pipe = load(self.path)
        self.unet = self.pipe.unet
        self.size = self.unet.config.sample_size * self.pipe.vae_scale_factor
        generator = torch.Generator().manual_seed(1)
        self.image = torch.randn(1, 3, self.size, self.size, generator=generator).clamp(-1, 1)
        self.latents = unet_inputs(self.unet, 1)[0]
        with torch.no_grad():
            self.embedding, _ = self.pipe.encode_prompt(TEXT, "cpu", 1, False)

    def time(self, part, iterations):
        if part == "load":
            return time_calls(iterations, lambda: load(self.path))
        if part.endswith("-bfloat16"):
            return self.time_rounded_unet(part, iterations)
        if part.startswith("unet-"):
            return self.time_unet(part, iterations)
        if self.pipe is None:
            self.prepare()
        if part.startswith("train-"):
            return self.time_training(part, iterations)
        if part.startswith(("learn-", "scratch-")):
            from peer_learning import time_learning
            return time_learning(part, self.pipe, self.latents, iterations)
        if part == "generate-few":
            return time_calls(iterations, few_steps(self.pipe, self.size))
        if part.startswith("generate"):
            pictures = int(part.removeprefix("generate").removeprefix("-") or 1)
            return time_calls(iterations, lambda: self.generate(pictures))
        with torch.no_grad():
            return time_calls(iterations, self.forward_parts()[part])

    def forward_parts(self):
        vae, scale = self.pipe.vae, self.pipe.vae.config.scaling_factor
        return {
            "vae-encode": lambda: vae.encode(self.image).latent_dist.mean * scale,
            "vae-decode": lambda: (vae.decode(self.latents / scale).sample / 2 + 0.5).clamp(0, 1),
        }

    def time_unet(self, part, iterations):
        if self.unet is None:
            self.unet = load_unet(self.path)  # a large model's other parts would only take memory
        batch = int(part.split("-")[1])
        sample, timestep, context = unet_inputs(self.unet, batch)
        channels_last = part.endswith("channels-last")
        if channels_last:
            self.unet.to(memory_format=torch.channels_last)
            sample = sample.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            call = lambda: self.unet(sample, timestep, context).sample
            if channels_last:
                call()  # the converted weights' first call
            seconds = time_calls(iterations, call)
        if channels_last:
            self.unet.to(memory_format=torch.contiguous_format)
        return seconds

    def time_rounded_unet(self, part, iterations):
        if self.rounded_unet is None:
            self.rounded_unet = load_unet(self.path, torch.bfloat16)
        inputs = unet_inputs(self.rounded_unet, int(part.split("-")[1]))
        sample, timestep, context = (tensor.to(torch.bfloat16) for tensor in inputs)
        with torch.no_grad():
            return time_calls(iterations,
                              lambda: self.rounded_unet(sample, timestep, context).sample)

    def generate(self, pictures):
        self.pipe(
            [TEXT] * pictures, num_inference_steps=20, guidance_scale=7.5, height=self.size,
            width=self.size, output_type="np",
            generator=[torch.Generator().manual_seed(seed) for seed in range(pictures)],
        )

    def time_training(self, part, iterations):
        """Imagic's step: draw timesteps and noise, loss, backward, Adam (as the public
        implementations do it with torch.optim.Adam)."""
        unet = self.unet
        state = {name: value.clone() for name, value in unet.state_dict().items()}
        embedding = self.embedding.clone()
        learns, rate, batch = self.learning(part, embedding)
        step = self.training_step(embedding, torch.optim.Adam(learns, lr=rate), batch)
        step()  # allocates Adam's state, as our clock starts after the first step too
        seconds = time_calls(iterations, step)
        if part == "train-lora":
            unet.unload_lora()
        unet.requires_grad_(False)
        unet.load_state_dict(state)
        return seconds

    def learning(self, part, embedding):
        """What learns in this part, its rate and its batch size."""
        unet = self.unet
        unet.requires_grad_(False)
        if part == "train-embedding":
            return [embedding.requires_grad_(True)], 2e-3, 1
        if part == "train-all":
            unet.requires_grad_(True)
            return list(unet.parameters()), 5e-7, 1
        if part == "train-lora":
            from peft import LoraConfig

            unet.add_adapter(
                LoraConfig(r=LORA_RANK, lora_alpha=LORA_RANK, target_modules=LORA_LAYERS), "bench"
            )
            return [value for value in unet.parameters() if value.requires_grad], 2e-3, LORA_BATCH
        raise ValueError(f"{part}: no such part")

    def training_step(self, embedding, optimiser, batch):
        unet, schedule = self.unet, self.pipe.scheduler
        latents = self.latents.expand(batch, -1, -1, -1)

        def step():
            timesteps = torch.randint(0, schedule.config.num_train_timesteps, (batch,))
            noise = torch.randn_like(latents)
            noisy = schedule.add_noise(latents, noise, timesteps)
            prediction = unet(noisy, timesteps, embedding.expand(batch, -1, -1)).sample
            wanted = target(schedule, latents, noise, timesteps)
            loss = torch.nn.functional.mse_loss(prediction, wanted)
            loss.item()
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

        return step


def main():
    model, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    be_quiet()
    answer_lines(Bench(model).time)


if __name__ == "__main__":
    main()
