#!/usr/bin/env python3
"""Reference timesteps, sigmas and latents of diffusers' schedulers.

Usage: python make_sampler_goldens.py        (packages: requirements.txt beside this file)

Writes, beside this file, samplers.json (the cases: what to run), samplers.safetensors (per case:
`timesteps`, `sigmas`, `init_noise_sigma`, `latents`: the initial ones and those after each model
call) and schedules.safetensors (alphas_cumprod, add_noise and targets per configuration).

The model is a fixed nonlinear function of x and t that the C++ tests repeat, `toy_denoiser`.
"""

import itertools
import json
import pathlib

import diffusers
import numpy
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
FLOWERS = HERE / "../../assets/models/flowers/scheduler/scheduler_config.json"
SHAPE = (1, 4, 2, 4)

# torch's square root of a float32 is off by a last digit on some processors (it asks MKL), which
# the rescaling to zero terminal SNR makes 3.6e-7 of. numpy's is rounded as IEEE 754 says.
torch.Tensor.sqrt = lambda x: torch.from_numpy(numpy.asarray(numpy.sqrt(x.numpy())))

CLASSES = {
    "ddim": diffusers.DDIMScheduler,
    "pndm": diffusers.PNDMScheduler,
    "lms": diffusers.LMSDiscreteScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
    "tcd": diffusers.TCDScheduler,
}
DISTILLED = ("lcm", "tcd")  # they lay their steps below a strength, the others leave steps out

# Stable Diffusion 1.5's scheduler_config.json, 2.1's, and one of a fine-tune saved from DPM-Solver++.
SD1 = {"_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
       "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False,
       "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None, "clip_sample": False}
SD2 = {"_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear",
       "beta_start": 0.00085, "clip_sample": False, "num_train_timesteps": 1000,
       "prediction_type": "v_prediction", "set_alpha_to_one": False, "skip_prk_steps": True,
       "steps_offset": 1, "trained_betas": None}
DPM = {"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++",
       "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
       "dynamic_thresholding_ratio": 0.995, "euler_at_final": False, "final_sigmas_type": "zero",
       "lower_order_final": True, "num_train_timesteps": 1000, "prediction_type": "epsilon",
       "sample_max_value": 1.0, "solver_order": 2, "solver_type": "midpoint", "steps_offset": 1,
       "thresholding": False, "timestep_spacing": "leading", "use_karras_sigmas": True,
       "variance_type": None}
UNIPC = {"_class_name": "UniPCMultistepScheduler", "beta_end": 0.012,
         "beta_schedule": "scaled_linear", "beta_start": 0.00085, "disable_corrector": [],
         "lower_order_final": True, "num_train_timesteps": 1000, "predict_x0": True,
         "prediction_type": "epsilon", "solver_order": 2, "solver_p": None, "solver_type": "bh2",
         "thresholding": False}

BETAS = {"beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085}

# Every class that StableDiffusionPipeline takes, but DPMSolverSDEScheduler, which needs torchsde, and
# EDMEulerScheduler, which describes another process.
KARRAS_CLASSES = {name: getattr(diffusers, name) for name in (
    scheduler.name for scheduler in diffusers.schedulers.KarrasDiffusionSchedulers)
    if name not in ("DPMSolverSDEScheduler", "EDMEulerScheduler")}


def toy_denoiser(x, t):
    """Bounded, nonlinear, mixes neighbours, and different at every timestep."""
    t = float(t)
    s, c = torch.tensor(t / 1000).sin().item(), torch.tensor(t / 1000).cos().item()
    return (x * 0.7 + x.flip(-1) * s + 0.3).tanh() * c + x.flip(1) * (0.2 * s)


def make_scheduler(sampler, config):
    """As of a pipeline that was loaded with the file `config` and a sampler of choice.

    The pipeline changes what it is given: it sets steps_offset to 1, and clip_sample to False.
    """
    config = dict(config)
    own = getattr(diffusers, config.get("_class_name", CLASSES[sampler].__name__))
    scheduler = CLASSES[sampler].from_config(own.from_config(config).config)
    return diffusers.StableDiffusionPipeline(
        vae=None, text_encoder=None, tokenizer=None, unet=None, scheduler=scheduler,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False).scheduler


def run(case):
    """The loop of diffusers' StableDiffusionPipeline, and of its image-to-image with a strength."""
    sampler, steps = case["sampler"], case["steps"]
    scheduler = make_scheduler(sampler, case["config"])
    if sampler in DISTILLED:
        scheduler.set_timesteps(steps, strength=case.get("strength", 1.0))
    else:
        scheduler.set_timesteps(steps)
    table = {"timesteps": scheduler.timesteps.float()}
    if sampler not in ("ddim", "pndm", *DISTILLED):
        table["sigmas"] = scheduler.sigmas
    table["init_noise_sigma"] = torch.tensor(float(scheduler.init_noise_sigma))

    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7))
    timesteps = scheduler.timesteps
    if "strength" in case:
        x0 = torch.randn(SHAPE, generator=torch.Generator().manual_seed(8))
        begin = max(steps - min(int(steps * case["strength"]), steps), 0) * scheduler.order
        if sampler in DISTILLED:
            begin = 0
        timesteps = timesteps[begin:]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        latents = scheduler.add_noise(x0, noise, timesteps[:1])
    else:
        latents = noise * scheduler.init_noise_sigma

    options = {}
    if case.get("ddim_eta", 0) > 0:
        options = {"eta": case["ddim_eta"], "generator": torch.Generator().manual_seed(9)}
    if sampler == "lcm":
        options = {"generator": torch.Generator().manual_seed(9)}
    if sampler == "tcd":
        options = {"eta": case.get("tcd_eta", 0.0), "generator": torch.Generator().manual_seed(9)}
    trace = [latents]
    for t in timesteps:
        output = toy_denoiser(scheduler.scale_model_input(latents, t), t)
        latents = scheduler.step(output, t, latents, **options).prev_sample
        trace.append(latents)
    table["latents"] = torch.cat(trace)
    assert table["latents"].isfinite().all(), case["name"]
    assert table["latents"].dtype == torch.float32, case["name"]
    return table


def cases():
    """Every sampler with every option it takes, for 5, 20 and 50 steps."""
    base = {k: v for k, v in SD1.items() if k not in ("set_alpha_to_one", "steps_offset")}
    all_steps = (5, 20, 50)
    predictions = ("epsilon", "v_prediction", "sample")

    for sampler in CLASSES:
        if sampler in DISTILLED:
            continue
        alphas = (True, False) if sampler in ("ddim", "pndm") else (False,)
        for steps, prediction, spacing, offset, to_one in itertools.product(
                all_steps, predictions, ("leading", "linspace", "trailing"), (0, 1), alphas):
            if sampler == "pndm" and prediction == "sample":
                continue
            if spacing != "leading" and offset == 0:
                continue  # an offset is only added by `leading`, and it is 1 whatever the file says
            yield {"name": f"{sampler}-{steps}-{prediction}-{spacing}-{offset}-{int(to_one)}",
                   "sampler": sampler, "steps": steps,
                   "config": {**base, "prediction_type": prediction, "timestep_spacing": spacing,
                              "steps_offset": offset, "set_alpha_to_one": to_one}}

        files = {"flowers": json.loads(FLOWERS.read_text()), "sd1": SD1, "sd2": SD2, "dpm": DPM,
                 "unipc": UNIPC}
        for (label, config), steps in itertools.product(files.items(), all_steps):
            yield {"name": f"{sampler}-{steps}-file-{label}", "sampler": sampler, "steps": steps,
                   "config": config}
        for name, own in KARRAS_CLASSES.items():
            if (sampler, name) == ("dpmpp_2m", "DEISMultistepScheduler"):
                continue  # the reference refuses the pair
            yield {"name": f"{sampler}-20-class-{name}", "sampler": sampler, "steps": 20,
                   "config": json.loads(own(**BETAS).to_json_string())}
        # An empty file: every class's own defaults. Odd counts: rounding of the strides.
        for steps in (1, 2, 3, 7, 13, 14, 15, 16, 33):
            if sampler != "pndm":
                yield {"name": f"{sampler}-{steps}-file-empty", "sampler": sampler, "steps": steps,
                       "config": {}}
            for spacing in ("leading", "linspace", "trailing"):
                yield {"name": f"{sampler}-{steps}-odd-{spacing}", "sampler": sampler,
                       "steps": steps, "config": {**SD1, "timestep_spacing": spacing}}

        for strength, steps, prediction in itertools.product(
                (0.06, 0.3, 0.75, 0.95, 1.0), (5, 20, 50), ("epsilon", "v_prediction")):
            if int(steps * strength) > 0 and not (steps == 50 and prediction == "v_prediction"):
                yield {"name": f"{sampler}-{steps}-{prediction}-strength-{strength}",
                       "sampler": sampler, "steps": steps, "strength": strength,
                       "config": {**SD1, "prediction_type": prediction}}

        betas = [0.001 + 0.0002 * (i % 7) for i in range(100)]
        for label, config in {
            "linear": {**SD1, "beta_schedule": "linear"},
            "zero-snr": {**SD2, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
            "trained": {**SD1, "num_train_timesteps": 100, "trained_betas": betas},
            "range-900": {**SD1, "num_train_timesteps": 900, "timestep_spacing": "trailing"},
            "cosine": {**SD2, "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
        }.items():
            for steps in all_steps:
                yield {"name": f"{sampler}-{steps}-{label}", "sampler": sampler, "steps": steps,
                       "config": config}

    for eta, steps, prediction, spacing in itertools.product(
            (0.3, 1.0), all_steps, predictions, ("leading", "trailing")):
        yield {"name": f"ddim-{steps}-{prediction}-{spacing}-eta-{eta}", "sampler": "ddim",
               "steps": steps, "ddim_eta": eta,
               "config": {**SD1, "prediction_type": prediction, "timestep_spacing": spacing}}
    yield {"name": "ddim-20-eta-strength", "sampler": "ddim", "steps": 20, "ddim_eta": 0.8,
           "strength": 0.5, "config": SD1}
    for steps, limit in itertools.product(all_steps, (1.0, 2.5)):
        yield {"name": f"ddim-{steps}-clip-{limit}", "sampler": "ddim", "steps": steps,
               "config": {**SD2, "clip_sample": True, "clip_sample_range": limit}}

    for steps, prediction, spacing in itertools.product(
            (4, 5, 20, 50), ("epsilon", "v_prediction"), ("leading", "linspace", "trailing")):
        yield {"name": f"pndm-{steps}-{prediction}-{spacing}-warm-up", "sampler": "pndm",
               "steps": steps, "config": {**SD1, "skip_prk_steps": False,
                                          "prediction_type": prediction,
                                          "timestep_spacing": spacing}}

    for sampler, steps in itertools.product(("lms", "euler", "dpmpp_2m"), all_steps):
        extras = {
            "karras": {**SD2, "use_karras_sigmas": True},
            "karras-leading": {**SD1, "use_karras_sigmas": True, "timestep_spacing": "leading"},
            "karras-ends": {**SD1, "use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 9.0},
            "karras-cosine": {**SD2, "use_karras_sigmas": True,
                              "beta_schedule": "squaredcos_cap_v2"},
            "sigma-min": {**SD2, "final_sigmas_type": "sigma_min"},
        }
        if sampler == "dpmpp_2m":
            # Cut to whole timesteps its first two coincide, and the reference runs off its table.
            del extras["karras-cosine"]
            extras |= {
                "sigma-min-no-lower": {**SD1, "final_sigmas_type": "sigma_min",
                                       "lower_order_final": False},
                "sigma-min-euler": {**SD1, "final_sigmas_type": "sigma_min",
                                    "euler_at_final": True},
                "no-lower": {**SD1, "lower_order_final": False},
                "heun": {**SD2, "solver_type": "heun"},
            }
        for label, config in extras.items():
            yield {"name": f"{sampler}-{steps}-{label}", "sampler": sampler, "steps": steps,
                   "config": config}

    for steps in (14, 15):  # below 15 the last step is of first order, if its sigma is not zero
        yield {"name": f"dpmpp_2m-{steps}-sigma-min", "sampler": "dpmpp_2m", "steps": steps,
               "config": {**SD2, "final_sigmas_type": "sigma_min"}}


def distilled_cases():
    """The samplers of distilled models, and the others with as few steps."""
    predictions = ("epsilon", "v_prediction", "sample")
    files = {"flowers": json.loads(FLOWERS.read_text()), "sd1": SD1, "sd2": SD2, "dpm": DPM}
    betas = [0.001 + 0.0002 * (i % 7) for i in range(100)]
    files |= {
        "linear": {**SD1, "beta_schedule": "linear"},
        "zero-snr": {**SD2, "rescale_betas_zero_snr": True},
        "trained": {**SD1, "num_train_timesteps": 100, "trained_betas": betas},
        "range-900": {**SD1, "num_train_timesteps": 900},
        "cosine": {**SD2, "beta_schedule": "squaredcos_cap_v2"},
        "grid-20": {**SD1, "original_inference_steps": 20, "timestep_scaling": 0.05},
    }
    for sampler in DISTILLED:
        etas = (0, 0.3, 1.0) if sampler == "tcd" else (0,)
        for steps, prediction, eta in itertools.product(
                (*range(1, 9), 13, 50), predictions, etas):
            yield {"name": f"{sampler}-{steps}-{prediction}-eta-{eta}", "sampler": sampler,
                   "steps": steps, "tcd_eta": eta,
                   "config": {**SD1, "prediction_type": prediction}}
        for steps, prediction, strength in itertools.product(
                (1, 2, 4, 8), ("epsilon", "v_prediction"), (0.02, 0.29, 0.3, 0.75, 0.95)):
            if int(50 * strength) >= steps:
                yield {"name": f"{sampler}-{steps}-{prediction}-strength-{strength}",
                       "sampler": sampler, "steps": steps, "strength": strength, "tcd_eta": 0.3,
                       "config": {**SD1, "prediction_type": prediction}}
        for (label, config), steps in itertools.product(files.items(), (1, 4, 8)):
            yield {"name": f"{sampler}-{steps}-file-{label}", "sampler": sampler, "steps": steps,
                   "tcd_eta": 0.3, "config": config}
        for name, own in {**KARRAS_CLASSES, "LCMScheduler": diffusers.LCMScheduler,
                          "TCDScheduler": diffusers.TCDScheduler}.items():
            yield {"name": f"{sampler}-4-class-{name}", "sampler": sampler, "steps": 4,
                   "tcd_eta": 0.3, "config": json.loads(own(**BETAS).to_json_string())}
    for steps, prediction, zero in itertools.product(
            (1, 2, 4, 6, 8), ("epsilon", "v_prediction"), (False, True)):
        if zero and prediction == "epsilon":
            continue  # at the first timestep "epsilon" says nothing of the picture
        yield {"name": f"ddim-{steps}-{prediction}-few-trailing-{int(zero)}", "sampler": "ddim",
               "steps": steps, "config": {**SD1, "prediction_type": prediction,
                                          "timestep_spacing": "trailing",
                                          "rescale_betas_zero_snr": zero}}


def schedules():
    """Of DDIMScheduler, whose table training uses."""
    betas = [0.001 + 0.0002 * (i % 7) for i in range(50)]
    return {
        "empty": {},
        "flowers": json.loads(FLOWERS.read_text()),
        "sd1": SD1,
        "linear": {"beta_schedule": "linear", "beta_start": 0.001, "beta_end": 0.05,
                   "num_train_timesteps": 300},
        "cosine": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
        "trained": {"trained_betas": betas, "num_train_timesteps": 50},
        "zero-snr": {**SD2, "rescale_betas_zero_snr": True},
    }


def main():
    index, tensors = [], {}
    for case in itertools.chain(cases(), distilled_cases()):
        assert not any(known["name"] == case["name"] for known in index), case["name"]
        index.append(case)
        for key, value in run(case).items():
            tensors[f"{case['name']}.{key}"] = value.contiguous()
    # One line per case: a reader can find one, and a diff shows what changed.
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in index)
    (HERE / "samplers.json").write_text(f"[\n{lines}\n]\n")
    save_file(tensors, HERE / "samplers.safetensors")

    index, tensors = {}, {}
    x0, noise = (torch.randn((3, 4, 2, 2), generator=torch.Generator().manual_seed(s))
                 for s in (1, 2))
    for name, config in schedules().items():
        scheduler = make_scheduler("ddim", config)
        last = scheduler.config.num_train_timesteps - 1
        timesteps = torch.tensor([0, last // 3, last])
        tensors |= {f"{name}.alphas_cumprod": scheduler.alphas_cumprod,
                    f"{name}.timesteps": timesteps,
                    f"{name}.noised": scheduler.add_noise(x0, noise, timesteps),
                    f"{name}.velocity": scheduler.get_velocity(x0, noise, timesteps)}
        index[name] = config
    tensors |= {"x0": x0, "noise": noise}
    (HERE / "schedules.json").write_text(json.dumps(index, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "schedules.safetensors")


if __name__ == "__main__":
    main()
