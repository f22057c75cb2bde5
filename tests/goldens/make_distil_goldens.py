#!/usr/bin/env python3
"""Reference values of distillation: progressive (Salimans & Ho) and latent consistency.

Usage: python make_distil_goldens.py        (packages: requirements.txt beside this file)

Writes distil.safetensors beside this script. The progressive part is the arithmetic of
google-research's diffusion_distillation/dpm.py in numpy, in its terms (logsnr, softplus), on the
discrete levels of Stable Diffusion; the consistency part that of diffusers'
examples/consistency_distillation/train_lcm_distill_lora_sd_wds.py. Networks are fixed functions that
the C++ test repeats, `network`.
"""

import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
T = 1000
BETAS = np.linspace(0.00085 ** 0.5, 0.012 ** 0.5, T, dtype=np.float64) ** 2
ALPHAS_CUMPROD = np.cumprod(1 - BETAS)
SHAPE = (4, 3, 2)


def network(z, t, c):
    """Of z (B, ...) at timesteps t (B): different for every c."""
    time = (np.asarray(t, np.float64) / T).reshape(-1, 1, 1, 1)
    return np.tanh(0.7 * z + c) * np.cos(time) + z * 0.2 * np.sin(time + c)


# --- progressive distillation

def softplus(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def logsnr_at(t):
    """Of timesteps; a clean sample, -1, has that of the paper's schedule, 20 at most, made larger."""
    a = np.where(t < 0, 0.5, ALPHAS_CUMPROD[np.maximum(t, 0)])
    return np.where(t < 0, 200.0, np.log(a) - np.log1p(-a)).reshape(-1, 1, 1, 1)


def x_and_eps(kind, output, z, logsnr):
    alpha, sigma = np.sqrt(sigmoid(logsnr)), np.sqrt(sigmoid(-logsnr))
    if kind == "epsilon":
        return (z - sigma * output) / alpha, output
    x = alpha * z - sigma * output
    return x, (z - alpha * x) / sigma


def ddim(x, eps, logsnr):
    return np.sqrt(sigmoid(logsnr)) * x + np.sqrt(sigmoid(-logsnr)) * eps


def progressive(kind, steps, seed):
    random = np.random.default_rng(seed)
    i = np.array([0, 1, steps // 2, steps - 1]) if steps > 1 else np.array([0, 0])
    z = random.standard_normal((len(i), *SHAPE))
    output = random.standard_normal((len(i), *SHAPE))  # the student's
    t = np.round(T * (i + 1) / steps).astype(int) - 1
    t_mid = np.round(T * (2 * i + 1) / (2 * steps)).astype(int) - 1
    t_end = np.round(T * i / steps).astype(int) - 1
    logsnr, mid, end = logsnr_at(t), logsnr_at(t_mid), logsnr_at(t_end)
    x1, eps1 = x_and_eps(kind, network(z, t, 0.3), z, logsnr)
    z_mid = ddim(x1, eps1, mid)
    x2, eps2 = x_and_eps(kind, network(z_mid, t_mid, 0.3), z_mid, mid)
    landed = ddim(x2, eps2, end)
    # dpm.py: the x that gives `landed` in one step of DDIM.
    r = np.exp(0.5 * (softplus(logsnr) - softplus(end)))
    x_target = (landed - r * z) / (np.sqrt(sigmoid(end)) - r * np.sqrt(sigmoid(logsnr)))
    x_target = np.where((i == 0).reshape(-1, 1, 1, 1), x2, x_target)
    alpha, sigma = np.sqrt(sigmoid(logsnr)), np.sqrt(sigmoid(-logsnr))
    eps_target = (z - alpha * x_target) / sigma
    v_target = alpha * eps_target - sigma * x_target
    x, eps = x_and_eps(kind, output, z, logsnr)
    v = alpha * eps - sigma * x

    def mse(a, b):
        return ((a - b) ** 2).reshape(len(i), -1).mean(1)

    return {"index": i, "z": z, "output": output, "from": t, "middle": t_mid, "to": t_end,
            "landed": landed, "x": x_target, "eps": eps_target, "v": v_target,
            "snr": mse(eps, eps_target).mean(),
            "snr_trunc": np.maximum(mse(x, x_target), mse(eps, eps_target)).mean(),
            "v_mse": mse(v, v_target).mean()}


# --- latent consistency

def predicted(kind, output, t, z):
    a = torch.from_numpy(ALPHAS_CUMPROD)[t].reshape(-1, 1, 1, 1)
    alpha, sigma = a.sqrt(), (1 - a).sqrt()
    if kind == "epsilon":
        return (z - sigma * output) / alpha, output
    return alpha * z - sigma * output, alpha * output + sigma * z


def boundary(t, sigma_data=0.5, timestep_scaling=10.0):
    scaled = timestep_scaling * t.double()
    c_skip = sigma_data ** 2 / (scaled ** 2 + sigma_data ** 2)
    c_out = scaled / (scaled ** 2 + sigma_data ** 2) ** 0.5
    return c_skip.reshape(-1, 1, 1, 1), c_out.reshape(-1, 1, 1, 1)


def consistency(kind, seed):
    generator = torch.Generator().manual_seed(seed)
    index = torch.tensor([0, 1, 24, 49])
    x0, noise = (torch.randn((4, *SHAPE), generator=generator, dtype=torch.float64)
                 for _ in range(2))
    w = (15 - 5) * torch.rand((4, 1, 1, 1), generator=generator, dtype=torch.float64) + 5
    ddim_timesteps = torch.arange(1, 51) * (T // 50) - 1
    all_alphas = torch.from_numpy(ALPHAS_CUMPROD)
    prev_alphas = torch.cat([all_alphas[:1], all_alphas[ddim_timesteps[:-1]]])
    start = ddim_timesteps[index]
    timesteps = (start - T // 50).clamp_min(0)
    a = all_alphas[start].reshape(-1, 1, 1, 1)
    z = a.sqrt() * x0 + (1 - a).sqrt() * noise

    def net(z, t, c):
        return torch.from_numpy(network(z.numpy(), t.numpy(), c))

    def student(z, t):
        c_skip, c_out = boundary(t)
        return c_skip * z + c_out * predicted(kind, net(z, t, 0.1), t, z)[0]

    cond_x, cond_eps = predicted(kind, net(z, start, 0.3), start, z)
    uncond_x, uncond_eps = predicted(kind, net(z, start, -0.4), start, z)
    x, eps = cond_x + w * (cond_x - uncond_x), cond_eps + w * (cond_eps - uncond_eps)
    a_prev = prev_alphas[index].reshape(-1, 1, 1, 1)
    x_prev = a_prev.sqrt() * x + (1.0 - a_prev).sqrt() * eps
    found, target = student(z, start), student(x_prev, timesteps)
    huber = torch.mean(torch.sqrt((found - target) ** 2 + 1e-3 ** 2) - 1e-3)
    return {"index": index, "x0": x0, "noise": noise, "w": w, "from": start, "to": timesteps,
            "z": z, "x_prev": x_prev, "found": found, "target": target, "huber": huber}


def main():
    tensors = {}
    for kind in ("epsilon", "v_prediction"):
        for steps in (1, 4, 8):
            for key, value in progressive(kind, steps, steps).items():
                tensors[f"{kind}.{steps}.{key}"] = torch.as_tensor(np.asarray(value))
        for key, value in consistency(kind, 5).items():
            tensors[f"{kind}.consistency.{key}"] = value
    save_file({k: v.contiguous() for k, v in tensors.items()}, HERE / "distil.safetensors")


if __name__ == "__main__":
    main()
