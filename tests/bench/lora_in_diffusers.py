#!/usr/bin/env python3
"""A LoRA of ours, loaded and rendered by diffusers: does every layer arrive, is it the same picture?

Usage: python lora_in_diffusers.py --keepsake PROGRAM [--model PATH] [--session DIR]
       (environment: requirements.txt beside this file; compare.py --quick runs it)

Tunes a short fast session (or takes --session, a finished fast one), renders it with `keepsake
render`, then loads its lora.safetensors with StableDiffusionPipeline.load_lora_weights and renders
the same noise, embeddings, sampler and guidance there. Exit status 0: all layers are in use and the
pictures agree within MEAN_BOUND and WORST_BOUND, in steps of 8-bit pixels.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from diffusers import StableDiffusionPipeline
from diffusers.utils import convert_unet_state_dict_to_peft
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import safe_open
from safetensors.torch import load_file

import in_diffusers
from in_diffusers import ROOT

ETA = 0.9


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_session(options, folder):
    """A few steps at the fast mode's rates: far from a good edit, and far from the base model."""
    session = folder / "daisy.keepsake"
    run([options.keepsake, "edit", str(ROOT / "assets/photos/daisy-19813618946.jpg"),
         "a photo of a red daisy", "--mode", "fast", "--embedding-steps", "2", "--finetune-steps",
         "8", "--way", "line", "--model", options.model, "--session", str(session), "--eta", "1",
         "--out", str(folder / "first.png"), "--quiet"])
    return session


def layers_of(path):
    """The layers of a kohya file, each with its three tensors."""
    layers = {}
    with safe_open(path, "pt") as file:
        for key in file.keys():
            layer, _, part = key.partition(".")
            layers.setdefault(layer, {})[part] = file.get_tensor(key)
    for layer, parts in layers.items():
        if set(parts) != {"lora_down.weight", "lora_up.weight", "alpha"}:
            sys.exit(f"{path}: {layer} has {sorted(parts)}")
    return layers


def count_problems(unet, layers):
    """Compares the adapter in `unet` with the file, layer by layer; prints what differs."""
    loaded = {
        "lora_unet_" + name.replace(".", "_"): module
        for name, module in unet.named_modules() if isinstance(module, BaseTunerLayer)
    }
    problems = 0
    for layer in sorted(set(layers) ^ set(loaded)):
        side = "in the file, ignored by diffusers" if layer in layers else "in diffusers alone"
        print(f"{layer}: {side}")
        problems += 1
    for layer in sorted(set(layers) & set(loaded)):
        parts, module = layers[layer], loaded[layer]
        (adapter,) = module.lora_A.keys()
        rank = parts["lora_down.weight"].shape[0]
        same = (
            torch.equal(module.lora_A[adapter].weight.data, parts["lora_down.weight"])
            and torch.equal(module.lora_B[adapter].weight.data, parts["lora_up.weight"])
            and abs(module.scaling[adapter] - parts["alpha"].item() / rank) < 1e-6
        )
        if not same:
            print(f"{layer}: loaded with other values than the file's, or scale {module.scaling[adapter]}")
            problems += 1
    print(f"layers in the file {len(layers)}, in use in diffusers {len(loaded)}, problems {problems}")
    return problems


def count_wrong_names():
    """Stable Diffusion 1.5's layers, by names alone: does diffusers read each as the layer that
    Keepsake means? The bundled model has fewer kinds of blocks."""
    shapes = json.loads((ROOT / "tests/goldens/layout_sd15.json").read_text())["unet"]["shapes"]
    layers = {
        name.removesuffix(".weight") for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) > 1 and "time_emb" not in name
        and not name.startswith(("conv_in", "conv_out"))
    }
    kohya = {}
    for layer in layers:
        name = "lora_unet_" + layer.replace(".", "_")
        kohya[f"{name}.lora_down.weight"] = kohya[f"{name}.lora_up.weight"] = torch.zeros(1, 1)
        kohya[f"{name}.alpha"] = torch.tensor(1.0)
    state, _ = StableDiffusionPipeline.lora_state_dict(kohya)
    read = convert_unet_state_dict_to_peft({k.removeprefix("unet."): v for k, v in state.items()})
    for matrix in ("A", "B"):
        suffix = f".lora_{matrix}.weight"
        wrong = layers ^ {name.removesuffix(suffix) for name in read if name.endswith(suffix)}
        for layer in sorted(wrong):
            print(f"Stable Diffusion 1.5: {layer}: not the same name on both sides")
        if wrong:
            return len(wrong)
    print(f"Stable Diffusion 1.5's names: all {len(layers)} layers are read as meant")
    return 0


def render(pipe, session, seed):
    recipe = json.loads((session / "recipe.json").read_text())["keepsake"]["sample"]
    if recipe["sampler"] != "dpmpp_2m":
        sys.exit(f"{session}: sampled by {recipe['sampler']}; this test knows dpmpp_2m")
    embeddings = load_file(session / "embeddings.safetensors")
    embedding = ETA * embeddings["target"] + (1 - ETA) * embeddings["optimised"]
    with torch.no_grad():
        negative, _ = pipe.encode_prompt(recipe["negative_prompt"], "cpu", 1, False)
    return in_diffusers.draw(
        pipe, seed, prompt_embeds=embedding, negative_prompt_embeds=negative,
        num_inference_steps=recipe["steps"], guidance_scale=recipe["guidance_scale"],
    )


def main():
    parser = in_diffusers.parser(__doc__)
    parser.add_argument("--session", type=pathlib.Path)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        session = options.session or make_session(options, folder)
        picture = folder / "ours.png"
        run([options.keepsake, "render", str(session), "--eta", str(ETA), "--seed", "3", "--no-full", "--out",
             str(picture), "--quiet", "--model", options.model, "--noise-share", "1"])
        ours = in_diffusers.read_picture(picture)
        pipe = in_diffusers.open_pipe(options.model)
        without = render(pipe, session, 3)
        lora = session / "lora.safetensors"
        pipe.load_lora_weights(str(lora))
        problems = count_problems(pipe.unet, layers_of(lora)) + count_wrong_names()
        theirs = render(pipe, session, 3)
    same = in_diffusers.judge("LoRA in diffusers", ours, theirs, LoRA=without)
    sys.exit(0 if problems == 0 and same else 1)


if __name__ == "__main__":
    main()
