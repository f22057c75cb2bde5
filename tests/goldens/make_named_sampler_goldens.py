#!/usr/bin/env python3
"""Reference timesteps, sigmas and latents of the samplers that people know by k-diffusion's names.

Usage: python make_named_sampler_goldens.py        (packages: requirements.txt, and scipy)

Writes, beside this file, named_samplers.json and named_samplers.safetensors in the form of
make_sampler_goldens.py: diffusers' schedulers where they follow the published rule. Five things are
transcribed:

- DPM++ 3M SDE: k-diffusion's sample_dpmpp_3m_sde with eta 1 (`ThreeMSde`). diffusers' class of that
  order has another sign in one term.
- DPM++ 2S a: k-diffusion's sample_dpmpp_2s_ancestral with eta 1 (`TwoSAncestral`), in the table of
  diffusers' Heun with k-diffusion's second calls.
- The lower sigmas of DPM2 a: its class takes them of a difference in float32, of which few digits are
  left where steps are long; here in float64 (`exact_ancestral`).
- Samplers in schedules that their class in diffusers does not know, which k-diffusion gives to all
  alike: Karras' and the others' sigmas for Euler a (`set_table`).
- Align Your Steps for other numbers of steps than ten: the authors' log-linear interpolation
  (`ays_sigmas`); for ten, diffusers' own list is asserted to be the same.

diffusers' DPMSolverSDEScheduler takes its noise from torchsde's Brownian tree. In its place stands
the Brownian motion itself (`Brownian`): independent increments from the generator, in order.
"""

import itertools
import json
import math
import sys
import types

import diffusers
import numpy
import torch
from diffusers.schedulers import AysSchedules
from safetensors.torch import save_file

import make_sampler_goldens as base

# Only its noise needs the package.
sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler  # noqa: E402

HERE, SD1, SD2, SHAPE = base.HERE, base.SD1, base.SD2, (1, 4, 1, 2)
CLASSES = {
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
    "heun": diffusers.HeunDiscreteScheduler,
    "dpm2": diffusers.KDPM2DiscreteScheduler,
    "dpmpp_2m_sde": diffusers.DPMSolverMultistepScheduler,
    "dpmpp_sde": DPMSolverSDEScheduler,
    "dpmpp_3m_sde": diffusers.EulerDiscreteScheduler,  # its table; the steps are ThreeMSde's
    "unipc": diffusers.UniPCMultistepScheduler,
    "dpm2_a": diffusers.KDPM2AncestralDiscreteScheduler,
    "dpmpp_2s_a": diffusers.HeunDiscreteScheduler,  # its table; the steps are TwoSAncestral's
    "euler": diffusers.EulerDiscreteScheduler,
    "lms": diffusers.LMSDiscreteScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
}
NEW = ("euler_a", "heun", "dpm2", "dpmpp_2m_sde", "dpmpp_sde", "dpmpp_3m_sde", "unipc",
       "dpm2_a", "dpmpp_2s_a")
TWO_CALLS = ("heun", "dpm2", "dpm2_a", "dpmpp_2s_a", "dpmpp_sde")
ROUNDED = ("dpmpp_2m", "dpmpp_2m_sde", "unipc")  # their classes call the model at whole timesteps


def ays_sigmas(steps):
    levels = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029]
    where = numpy.linspace(0, 1, len(levels))
    logs = numpy.interp(numpy.linspace(0, 1, steps + 1), where, numpy.log(levels[::-1]))
    sigmas = numpy.exp(logs)[::-1].copy()
    sigmas[-1] = 0
    return sigmas


assert numpy.allclose(ays_sigmas(10), AysSchedules["StableDiffusionSigmas"])


class Brownian:
    """The increments of one path, each of unit deviation, as BrownianTreeNoiseSampler's."""

    def __init__(self, generator):
        self.generator, self.first = generator, None

    def __call__(self, sigma, sigma_next):
        drawn = torch.randn(SHAPE, generator=self.generator)
        if self.first is None:  # the first half of a step
            self.first = (sigma_next, drawn)
            return drawn
        middle, first = self.first
        self.first = None
        whole = first * (sigma - middle).sqrt() + drawn * (middle - sigma_next).sqrt()
        return whole / (sigma - sigma_next).sqrt()


class ThreeMSde:
    """k-diffusion's sample_dpmpp_3m_sde, eta = s_noise = 1, one step a call."""

    def __init__(self):
        self.denoised = self.h = [None, None]

    def step(self, x, denoised, sigma, sigma_next, generator):
        if sigma_next == 0:
            return denoised
        denoised_1, denoised_2 = self.denoised
        h_1, h_2 = self.h
        h = sigma.log() - sigma_next.log()
        h_eta = h * 2
        next_x = torch.exp(-h_eta) * x + (-h_eta).expm1().neg() * denoised
        if h_2 is not None:
            r0, r1 = h_1 / h, h_2 / h
            d1_0, d1_1 = (denoised - denoised_1) / r0, (denoised_1 - denoised_2) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            phi_2 = h_eta.neg().expm1() / h_eta + 1
            phi_3 = phi_2 / h_eta - 0.5
            next_x = next_x + phi_2 * d1 - phi_3 * d2
        elif h_1 is not None:
            phi_2 = h_eta.neg().expm1() / h_eta + 1
            next_x = next_x + phi_2 * ((denoised - denoised_1) / (h_1 / h))
        noise = torch.randn(SHAPE, generator=generator)
        next_x = next_x + noise * sigma_next * (-2 * h).expm1().neg().sqrt()
        self.denoised, self.h = [denoised, denoised_1], [h, h_1]
        return next_x


def ancestral_step(sigma, sigma_next):
    """k-diffusion's get_ancestral_step, eta 1."""
    up = min(sigma_next, (sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2) ** 0.5)
    return (sigma_next**2 - up**2) ** 0.5, up


class TwoSAncestral:
    """k-diffusion's sample_dpmpp_2s_ancestral, eta = s_noise = 1, one model call a step."""

    def __init__(self, scheduler):
        sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1::2]]).double()
        times = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[1::2]]).tolist()
        self.levels, self.timesteps = [], []
        for i, t in enumerate(times):
            down, up = ancestral_step(float(sigmas[i]), float(sigmas[i + 1]))
            self.levels.append((float(sigmas[i]), down, up))
            self.timesteps.append(t)
            if down > 0:
                middle = (float(sigmas[i]) * down) ** 0.5
                self.levels.append((middle, down, up))
                self.timesteps.append(float(scheduler._sigma_to_t(
                    numpy.array(middle), numpy.log(training_sigmas(scheduler)))))

    def step(self, x, denoised, index, generator):
        x, denoised = x.double(), denoised.double()
        sigma, down, up = self.levels[index]
        if down == 0:
            return (x + (x - denoised) / sigma * (down - sigma)).float()
        if index % 2 == 0:
            self.start = x
            h = math.log(sigma) - math.log(down)
            return (math.exp(-h / 2) * x - math.expm1(-h / 2) * denoised).float()
        begin = self.levels[index - 1][0]
        h = math.log(begin) - math.log(down)
        x = math.exp(-h) * self.start - math.expm1(-h) * denoised
        return (x + torch.randn(SHAPE, generator=generator) * up).float()


def training_sigmas(scheduler):
    return numpy.array(((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod) ** 0.5)


def exact_ancestral(scheduler):
    """Its tables anew from its sigmas, in float64."""
    sigmas = torch.cat([scheduler.sigmas[:1], scheduler.sigmas[1::2]])[:-1].double().tolist()
    times = torch.cat([scheduler.timesteps[:1], scheduler.timesteps[2::2]]).double().tolist()
    assert len(sigmas) == len(times) + 1 and sigmas[-1] == 0, (sigmas, times)
    logs, interleaved = numpy.log(training_sigmas(scheduler)), []
    downs, ups, middles = [], [], []
    for i, t in enumerate(times):
        down, up = ancestral_step(sigmas[i], sigmas[i + 1])
        downs.append(down)
        ups.append(up)
        middles.append((sigmas[i] * down) ** 0.5)
        interleaved += [t] if down == 0 else [
            t, float(scheduler._sigma_to_t(numpy.array(middles[-1]), logs))]
        if down and sigmas[i] < 5 * sigmas[i + 1]:
            assert abs(float(scheduler.sigmas_interpol[2 * i]) / middles[-1] - 1) < 1e-4
    twice = lambda values: torch.tensor([v for v in values for _ in range(2)])
    scheduler.sigmas_down, scheduler.sigmas_up = twice(downs), twice(ups)
    scheduler.sigmas_interpol = twice(middles)
    scheduler.timesteps = torch.tensor(interleaved, dtype=scheduler.timesteps.dtype)


def to_x0(prediction, x, output, sigma):
    if prediction == "v_prediction":
        return output * (-sigma / (sigma**2 + 1) ** 0.5) + x / (sigma**2 + 1)
    return x - sigma * output


def make_scheduler(case):
    sampler, config = case["sampler"], dict(case["config"])
    own = getattr(diffusers, config.get("_class_name", CLASSES[sampler].__name__))
    if own.__name__ == "DPMSolverSDEScheduler":
        own = DPMSolverSDEScheduler
    more = {}
    if sampler == "dpmpp_2m_sde":
        more = {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
    schedule = case.get("schedule")
    if sampler == "dpmpp_3m_sde" and not schedule:
        more = {"use_karras_sigmas": False}  # k-diffusion has no file that says it
    if schedule in ("normal", "sgm_uniform", "ddim_uniform"):
        more["timestep_spacing"] = {"normal": "linspace", "sgm_uniform": "trailing",
                                    "ddim_uniform": "leading"}[schedule]
    if schedule in ("karras", "exponential", "beta") and sampler != "euler_a":
        more[f"use_{schedule}_sigmas"] = True
    if schedule == "ays" and sampler != "euler_a":
        more["use_karras_sigmas" if sampler in ROUNDED else "use_exponential_sigmas"] = True
    scheduler = CLASSES[sampler].from_config(own.from_config(config).config, **more)
    return diffusers.StableDiffusionPipeline(
        vae=None, text_encoder=None, tokenizer=None, unet=None, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False).scheduler


def set_table(case, scheduler):
    """As the class does it; the sigmas of Align Your Steps come in place of another rule's."""
    sampler, steps, schedule = case["sampler"], case["steps"], case.get("schedule")
    if sampler == "euler_a" and schedule in ("karras", "exponential", "beta", "ays"):
        euler = make_scheduler({**case, "sampler": "euler"})
        set_table({**case, "sampler": "euler"}, euler)
        scheduler.sigmas, scheduler.timesteps = euler.sigmas, euler.timesteps
        scheduler._step_index = scheduler._begin_index = None
        return
    if schedule == "ays":
        rule = "_convert_to_karras" if sampler in ROUNDED else "_convert_to_exponential"
        setattr(scheduler, rule, lambda *_, **__: ays_sigmas(steps)[:-1])
    scheduler.set_timesteps(steps)
    if sampler == "dpm2_a":
        exact_ancestral(scheduler)


def input_sigma(sampler, scheduler, index):
    """Of the model call `index`."""
    if sampler == "dpm2" and not scheduler.state_in_first_order:
        return scheduler.sigmas_interpol[index]
    if sampler == "dpm2_a" and not scheduler.state_in_first_order:
        return scheduler.sigmas_interpol[index - 1]
    if sampler == "dpmpp_sde" and not scheduler.state_in_first_order:
        return scheduler.mid_point_sigma
    return scheduler.sigmas[index]


def run(case):
    sampler, steps = case["sampler"], case["steps"]
    scheduler = make_scheduler(case)
    set_table(case, scheduler)
    two = TwoSAncestral(scheduler) if sampler == "dpmpp_2s_a" else None
    timesteps = torch.tensor(two.timesteps) if two else scheduler.timesteps
    table = {"timesteps": timesteps.float(),
             "init_noise_sigma": torch.tensor(float(scheduler.init_noise_sigma))}
    calls = 2 if sampler in TWO_CALLS else 1
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7))
    begin = 0
    if "strength" in case:
        x0 = torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))
        begin = max(steps - min(int(steps * case["strength"]), steps), 0) * calls
        scheduler.set_begin_index(begin)
        latents = scheduler.add_noise(x0, noise, scheduler.timesteps[begin:begin + 1])
        if two:
            latents = x0 + noise * two.levels[begin][0]
    else:
        latents = noise * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(9)
    options = {"generator": generator} if sampler in ("euler_a", "dpmpp_2m_sde") else {}
    three = ThreeMSde() if sampler == "dpmpp_3m_sde" else None
    if sampler == "dpmpp_sde":
        scheduler.noise_sampler = Brownian(generator)
    trace, sigmas = [latents], []
    for index, t in enumerate(timesteps[begin:], begin):
        if two:
            sigma = two.levels[index][0]
            sigmas.append(sigma)
            output = base.toy_denoiser((latents / (sigma**2 + 1) ** 0.5), t.float())
            x0 = to_x0(scheduler.config.prediction_type, latents, output, sigma)
            latents = two.step(latents, x0, index, generator)
            trace.append(latents)
            continue
        sigma = input_sigma(sampler, scheduler, index)
        sigmas.append(float(sigma))
        output = base.toy_denoiser(scheduler.scale_model_input(latents, t), t)
        if three:
            scheduler._step_index += 1
            x0 = to_x0(scheduler.config.prediction_type, latents, output, sigma)
            latents = three.step(latents, x0, sigma, scheduler.sigmas[index + 1], generator)
        else:
            if sampler == "dpm2_a":  # draws at each call and uses each second one
                second = not scheduler.state_in_first_order
                options = {"generator": generator if second else torch.Generator()}
            latents = scheduler.step(output, t, latents, **options).prev_sample
        trace.append(latents)
    table["sigmas"] = torch.tensor([*sigmas, float(scheduler.sigmas[-1])])
    table["latents"] = torch.cat(trace)
    assert table["latents"].isfinite().all(), case["name"]
    assert table["latents"].dtype == torch.float32, case["name"]
    return table


def cases():
    plain = {k: v for k, v in SD1.items() if k != "set_alpha_to_one"}
    schedules = ("normal", "sgm_uniform", "ddim_uniform", "karras", "exponential", "beta", "ays")
    for sampler in NEW:
        for steps, prediction in itertools.product((1, 2, 5, 16), ("epsilon", "v_prediction")):
            yield {"name": f"{sampler}-{steps}-{prediction}", "sampler": sampler, "steps": steps,
                   "config": {**plain, "prediction_type": prediction}}
        for schedule, steps in itertools.product(schedules, (4, 11)):
            yield {"name": f"{sampler}-{steps}-{schedule}", "sampler": sampler, "steps": steps,
                   "schedule": schedule, "config": SD2}
        for strength, steps in itertools.product((0.3, 0.75), (5, 16)):
            yield {"name": f"{sampler}-{steps}-strength-{strength}", "sampler": sampler,
                   "steps": steps, "strength": strength, "config": SD1}
        files = {"flowers": json.loads(base.FLOWERS.read_text()), "dpm": base.DPM,
                 "unipc": base.UNIPC,
                 "zero-snr": {**SD2, "rescale_betas_zero_snr": True,
                              "timestep_spacing": "trailing"}}
        for label, config in files.items():
            yield {"name": f"{sampler}-6-file-{label}", "sampler": sampler, "steps": 6,
                   "config": config}
    for sampler, schedule, steps in itertools.product(
            ("euler", "lms", "dpmpp_2m"), ("exponential", "beta", "ays"), (4, 10, 11)):
        yield {"name": f"{sampler}-{steps}-{schedule}", "sampler": sampler, "steps": steps,
               "schedule": schedule, "config": SD2}
    for order, kind, steps in itertools.product((1, 2, 3), ("bh1", "bh2"), (3, 7)):
        # At a last sigma of zero bh1 divides infinity by itself.
        yield {"name": f"unipc-{steps}-{kind}-order-{order}", "sampler": "unipc", "steps": steps,
               "config": {**base.UNIPC, "solver_type": kind, "solver_order": order,
                          "final_sigmas_type": "sigma_min" if kind == "bh1" else "zero"}}
    yield {"name": "unipc-6-uncorrected", "sampler": "unipc", "steps": 6,
           "config": {**base.UNIPC, "disable_corrector": [0, 2]}}
    for steps in (5, 16):
        yield {"name": f"dpmpp_2m_sde-{steps}-heun", "sampler": "dpmpp_2m_sde", "steps": steps,
               "config": {**SD2, "solver_type": "heun", "final_sigmas_type": "sigma_min"}}


def main():
    index, tensors = [], {}
    for case in cases():
        assert not any(known["name"] == case["name"] for known in index), case["name"]
        index.append(case)
        for key, value in run(case).items():
            tensors[f"{case['name']}.{key}"] = value.contiguous()
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in index)
    (HERE / "named_samplers.json").write_text(f"[\n{lines}\n]\n")
    save_file(tensors, HERE / "named_samplers.safetensors")


if __name__ == "__main__":
    main()
