"""Steps of diffusers' training scripts, for peer.py: the same parts as learn_parts.h has.

As textual_inversion.py, train_dreambooth_lora.py, train_text_to_image(_lora).py and, for the VAE, PyTorch with
learn_parts' loss take them: latents are there, texts are encoded at each step, AdamW with weight decay 0.01, gradients
clipped at 1 (not the word's), EMA by diffusers' EMAModel. Networks are copies: the pipeline stays as it is.
"""

import copy
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel, compute_snr

from peer import TEXT, target

SCRATCH_BATCH = 8
ATTENTION = ["to_k", "to_q", "to_v", "to_out.0"]
TEXT_ATTENTION = ["q_proj", "k_proj", "v_proj", "out_proj"]


def ids_of(pipe, texts):
    return pipe.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt",
                          max_length=pipe.tokenizer.model_max_length).input_ids


def weighted(schedule, prediction, wanted, timesteps, gamma):
    """train_text_to_image.py's min-SNR weighting."""
    if not gamma:
        return F.mse_loss(prediction, wanted)
    snr = compute_snr(schedule, timesteps)
    weights = torch.stack([snr, gamma * torch.ones_like(timesteps)], dim=1).min(dim=1)[0]
    v = schedule.config.prediction_type == "v_prediction"
    weights = weights / (snr + 1 if v else snr)
    loss = F.mse_loss(prediction, wanted, reduction="none")
    return (loss.mean(dim=list(range(1, loss.dim()))) * weights).mean()


class Learning:
    def __init__(self, part, pipe, latents):
        self.pipe, self.part, self.latents = pipe, part, latents
        self.unet = copy.deepcopy(pipe.unet).requires_grad_(False)
        self.text = copy.deepcopy(pipe.text_encoder).requires_grad_(False)
        self.ema, self.gamma, self.prior, self.word = None, 0, False, None
        texts = [TEXT]
        if part == "learn-word":
            table = self.text.get_input_embeddings().weight.requires_grad_(True)
            self.word, self.kept = table, table.detach().clone()
            self.others = torch.ones(len(table), dtype=torch.bool)
            self.others[1000] = False
            learns = [table]
        elif part == "scratch-unet":
            self.unet.requires_grad_(True).train()
            learns, texts, self.gamma = list(self.unet.parameters()), [TEXT] * SCRATCH_BATCH, 5
            self.ema = EMAModel(self.unet.parameters())
        else:
            from peft import LoraConfig, inject_adapter_in_model
            lora = lambda layers: LoraConfig(r=4, lora_alpha=4, target_modules=layers)
            self.unet.add_adapter(lora(ATTENTION))
            if part == "learn-subject":
                self.text = inject_adapter_in_model(lora(TEXT_ATTENTION), self.text)
                texts, self.prior = [TEXT, "a photo of a daisy"], True
            else:
                texts, self.gamma = [TEXT] * 4, 5
            learns = [value for network in (self.unet, self.text) for value in network.parameters()
                      if value.requires_grad]
        self.ids = ids_of(pipe, texts)
        self.batch = len(texts)
        self.learns = learns
        self.optimiser = torch.optim.AdamW(learns, lr=1e-6, weight_decay=1e-2)

    def step(self):
        schedule = self.pipe.scheduler
        latents = self.latents.expand(self.batch, -1, -1, -1)
        timesteps = torch.randint(0, schedule.config.num_train_timesteps, (self.batch,))
        noise = torch.randn_like(latents)
        noisy = schedule.add_noise(latents, noise, timesteps)
        learned_text = self.word is not None or self.part == "learn-subject"
        with torch.set_grad_enabled(learned_text):
            states = self.text(self.ids)[0]
        prediction = self.unet(noisy, timesteps, states).sample
        wanted = target(schedule, latents, noise, timesteps)
        if self.prior:
            (prediction, of_class), (wanted, class_wanted) = prediction.chunk(2), wanted.chunk(2)
            loss = F.mse_loss(prediction, wanted) + F.mse_loss(of_class, class_wanted)
        else:
            loss = weighted(schedule, prediction, wanted, timesteps, self.gamma)
        loss.item()
        loss.backward()
        if self.word is None:
            torch.nn.utils.clip_grad_norm_(self.learns, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.word is not None:
            with torch.no_grad():
                self.word[self.others] = self.kept[self.others]
        if self.ema:
            self.ema.step(self.unet.parameters())


def ssim(a, b, window):
    blur = lambda x: F.conv2d(x.flatten(0, 1).unsqueeze(1), window)
    ma, mb = blur(a), blur(b)
    va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 0.02**2, 0.06**2
    return ((2 * ma * mb + c1) * (2 * vab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


class Autoencoder:
    """With the loss of optimize/scratch/vae.h: l1, 1 - SSIM at three scales, KL."""

    def __init__(self, pipe):
        self.vae = AutoencoderKL.from_config(pipe.vae.config).train()
        side = pipe.unet.config.sample_size * pipe.vae_scale_factor
        self.pictures = torch.rand(SCRATCH_BATCH, 3, side, side) * 2 - 1
        self.ema = EMAModel(self.vae.parameters())
        self.optimiser = torch.optim.AdamW(self.vae.parameters(), lr=1e-6, weight_decay=0)
        line = torch.exp(-((torch.arange(-5, 6) / 1.5) ** 2) / 2)
        self.window = (torch.outer(line, line) / line.sum() ** 2)[None, None]

    def step(self):
        a = self.pictures
        latents = self.vae.encode(a).latent_dist
        b = self.vae.decode(latents.sample()).sample
        loss = (a - b).abs().mean() + 1e-6 * latents.kl().sum() / a.numel()
        scales = []
        for _ in range(3):
            scales.append(ssim(a, b, self.window))
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        loss = loss + 0.5 * (1 - sum(scales) / 3)
        loss.item()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.vae.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.step(self.vae.parameters())


def time_learning(part, pipe, latents, iterations):
    learning = Autoencoder(pipe) if part == "scratch-vae" else Learning(part, pipe, latents)
    learning.step()  # allocates the optimiser's state, as our clock starts after the first step too
    start = time.perf_counter()
    for _ in range(iterations):
        learning.step()
    return (time.perf_counter() - start) / iterations
