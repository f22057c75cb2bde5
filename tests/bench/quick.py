"""The same numbers out of Keepsake, diffusers and OpenVINO? No time is judged here.

Usage: python quick.py --bench KEEPSAKE_BENCH --model PATH --threads N    (compare.py --quick)

Makes inputs, has `keepsake_bench --dump` compute from them (see dump.h), computes the same with
diffusers, the U-Net also with OpenVINO, and prints how far they are apart. Exit status 0: all
within BOUNDS.
"""

import argparse
import importlib.util
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import DPMSolverMultistepScheduler
from peer import TEXT, be_quiet, load, target
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "goldens"))
from keepsake_draws import draw  # noqa: E402

# The largest difference, as a part of the reference's largest value. One forward pass in float32
# differs by rounding alone; 20 steps of sampling with guidance and steps of Adam (whose first ones
# are the rate times a gradient's sign) let it grow.
BOUNDS = {
    "unet": 2e-5,
    "unet, OpenVINO": 2e-5,
    "text": 2e-5,
    "encoded": 2e-5,
    "decoded": 2e-5,
    "picture": 1e-3,
    "embedding_losses": 2e-5,
    "embedding": 1e-3,
    "finetune_losses": 1e-4,
    "lora_losses": 1e-4,
}
LORA_RANK = 4


def lora_layers(unet):
    """Matrices and convolutions but the first, the last and those of the time embedding."""
    for name, module in unet.named_modules():
        weighty = isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
        if weighty and name not in ("conv_in", "conv_out") and "time_emb" not in name:
            yield name, module.weight


def make_inputs(pipe):
    generator = torch.Generator().manual_seed(5)
    side, width = pipe.unet.config.sample_size, pipe.unet.config.cross_attention_dim
    channels, size = pipe.unet.config.in_channels, side * pipe.vae_scale_factor

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    with torch.no_grad():
        cond, uncond = pipe.encode_prompt(TEXT, "cpu", 1, True, "")
    # A smooth image: the autoencoder was made for pictures, not for noise.
    image = torch.nn.functional.interpolate(randn(1, 3, 8, 8), size=(size, size), mode="bicubic")
    inputs = {
        "sample": randn(2, channels, side, side), "timestep": torch.tensor([801, 40]),
        "context": torch.cat([cond, uncond]), "image": image.clamp(-1, 1),
        "noise": randn(1, channels, side, side), "cond": cond, "uncond": uncond,
    }
    with torch.no_grad():
        latents = pipe.vae.encode(inputs["image"]).latent_dist.mean
    inputs["latents"] = latents * pipe.vae.config.scaling_factor
    for name, weight in lora_layers(pipe.unet):
        down = list(weight.shape)
        down[0] = LORA_RANK
        up = [weight.shape[0], LORA_RANK] + [1] * (weight.dim() - 2)
        inputs[f"lora/{name}.lora_down.weight"] = randn(*down) / weight[0].numel() ** 0.5
        # Not zero, as it is when a training starts: the gradient of `down` would be nothing but
        # rounding, which Adam turns into whole steps.
        inputs[f"lora/{name}.lora_up.weight"] = 0.02 * randn(*up)
    return {name: value.contiguous() for name, value in inputs.items()}


def forward_outputs(pipe, inputs):
    scale = pipe.vae.config.scaling_factor

    def to_picture(latents):
        return (pipe.vae.decode(latents / scale).sample / 2 + 0.5).clamp(0, 1)

    outputs = {
        "unet": pipe.unet(inputs["sample"], inputs["timestep"], inputs["context"]).sample,
        "encoded": pipe.vae.encode(inputs["image"]).latent_dist.mean * scale,
        "decoded": to_picture(inputs["latents"]),
        "text": pipe.encode_prompt(TEXT, "cpu", 1, False)[0],
    }
    scheduler = pipe.scheduler
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(scheduler.config)
    latents = pipe(
        prompt_embeds=inputs["cond"], negative_prompt_embeds=inputs["uncond"],
        latents=inputs["noise"].clone(), num_inference_steps=20, guidance_scale=3,
        output_type="latent",
    ).images
    pipe.scheduler = scheduler
    outputs["picture"] = to_picture(latents)
    return outputs


def train(pipe, inputs, embedding, learns, stage, rate, batch):
    """The losses of 4 steps."""
    optimiser = torch.optim.Adam(learns, lr=rate)
    losses = []
    for step in range(4):
        timesteps, noise = draw(stage, step, batch, inputs["latents"].shape[1:])
        latents = inputs["latents"].expand_as(noise)
        noisy = pipe.scheduler.add_noise(latents, noise, timesteps)
        prediction = pipe.unet(noisy, timesteps, embedding.expand(batch, -1, -1)).sample
        wanted = target(pipe.scheduler, latents, noise, timesteps)
        loss = torch.nn.functional.mse_loss(prediction, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64)


def training_outputs(pipe, inputs):
    from peft import LoraConfig

    unet = pipe.unet.requires_grad_(False)
    state = {name: value.clone() for name, value in unet.state_dict().items()}
    embedding = inputs["cond"].clone().requires_grad_(True)
    outputs = {"embedding_losses": train(pipe, inputs, embedding, [embedding], 1, 5e-3, 2)}
    embedding = outputs["embedding"] = embedding.detach()

    unet.requires_grad_(True)
    outputs["finetune_losses"] = train(pipe, inputs, embedding, list(unet.parameters()), 2, 1e-4, 1)
    unet.load_state_dict(state)
    unet.requires_grad_(False)

    layers = [name for name, _ in lora_layers(unet)]
    unet.add_adapter(LoraConfig(r=LORA_RANK, lora_alpha=LORA_RANK, target_modules=layers), "quick")
    with torch.no_grad():
        for name in layers:
            module = unet.get_submodule(name)
            module.lora_A["quick"].weight.copy_(inputs[f"lora/{name}.lora_down.weight"])
            module.lora_B["quick"].weight.copy_(inputs[f"lora/{name}.lora_up.weight"])
    learns = [value for value in unet.parameters() if value.requires_grad]
    outputs["lora_losses"] = train(pipe, inputs, embedding, learns, 2, 1e-3, 1)
    return outputs


def openvino_output(options, inputs):
    import openvino_peer

    call, _ = openvino_peer.compile_unet(options.model, 2, options.threads, timesteps=2)
    names = ("sample", "timestep", "context")
    return torch.from_numpy(call(*(inputs[name].float() for name in names)).copy())


def compare(references, ours):
    """Prints a line for each, returns whether all are within their bounds."""
    good = True
    for name, reference in references.items():
        mine = ours[name.split(",")[0]]
        if mine.shape != reference.shape:
            print(f"{name}: shape {tuple(mine.shape)}, the reference has {tuple(reference.shape)}")
            good = False
            continue
        apart = (mine.double() - reference.double()).abs().max() / reference.double().abs().max()
        within = bool(apart <= BOUNDS[name])  # not a number is not within
        print(f"{name}: apart by {apart:.2e} of the largest value, bound {BOUNDS[name]:.0e}: "
              f"{'ok' if within else 'TOO FAR'}")
        good = good and within
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--bench", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    be_quiet()
    pipe = load(options.model)
    inputs = make_inputs(pipe)
    with tempfile.TemporaryDirectory() as folder:
        given, computed = (pathlib.Path(folder) / f"{x}.safetensors" for x in ("in", "out"))
        save_file(inputs, given)
        subprocess.run([options.bench, options.model, str(options.threads), "--dump", given,
                        computed], check=True)
        ours = load_file(computed)
    with torch.no_grad():
        references = forward_outputs(pipe, inputs)
    references |= training_outputs(pipe, inputs)
    if importlib.util.find_spec("openvino"):
        references["unet, OpenVINO"] = openvino_output(options, inputs)
    else:
        print("unet, OpenVINO: left out, this Python has no openvino")
    sys.exit(0 if compare(references, ours) else 1)


if __name__ == "__main__":
    main()
