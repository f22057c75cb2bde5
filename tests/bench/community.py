#!/usr/bin/env python3
"""One edit by diffusers' community pipeline imagic_stable_diffusion, with its documented settings.

Usage: python community.py --model PATH --photo PHOTO --text TEXT --rates A,B --steps A,B
       [--threads N] [--community PATH]        (compare.py starts it)

--community: examples/community/imagic_stable_diffusion.py of diffusers' repository; without it the
file is downloaded as custom_pipeline="imagic_stable_diffusion" does. As documented: DDIM, the photo
resized to the model's square, alpha 1, guidance 7.5, 50 steps. What is changed in it, and nothing
else, is in CORRECTIONS. One JSON line: seconds (load, train, render; importing the libraries is not
counted), loss (Keepsake's evaluation loss, with the optimised embedding), psnr (of alpha 0).
"""

import argparse
import importlib.util
import json
import pathlib
import sys
import tempfile
import time

import numpy
import torch
from diffusers import DDIMScheduler
from peer import be_quiet, target, velocity
from PIL import Image

FILE = "imagic_stable_diffusion.py"
# (what is there, how often, what takes its place). The file regresses the noise whatever the model
# predicts, and has Stable Diffusion's scaling factor in it: both wrong for a model that predicts v
# and has another factor.
CORRECTIONS = [
    ("F.mse_loss(noise_pred, noise, ", 2,
     "F.mse_loss(noise_pred, velocity(self.scheduler, image_latents, noise, timesteps), "),
    ("0.18215", 2, "self.vae.config.scaling_factor"),
]


def find_file(given):
    if given:
        return pathlib.Path(given)
    from diffusers.utils.dynamic_modules_utils import get_cached_module_file

    module = get_cached_module_file("imagic_stable_diffusion", FILE)
    from diffusers.utils import HF_MODULES_CACHE

    return pathlib.Path(HF_MODULES_CACHE) / "diffusers_modules" / module


def corrected_pipeline(path, predicts_v):
    source = path.read_text()
    for wrong, times, right in CORRECTIONS if predicts_v else CORRECTIONS[1:]:
        if source.count(wrong) != times:
            sys.exit(f"{path}: '{wrong}' is there {source.count(wrong)} times, not {times}; "
                     "it is another version than the one that the corrections were made for")
        source = source.replace(wrong, right)
    with tempfile.TemporaryDirectory() as folder:
        corrected = pathlib.Path(folder) / FILE
        corrected.write_text(source)
        spec = importlib.util.spec_from_file_location("imagic_stable_diffusion", corrected)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    module.velocity = velocity
    return module.ImagicStableDiffusionPipeline


def square_of(path, size):
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.LANCZOS)


def evaluation_loss(pipe, square):
    """As optimize::evaluation_loss: 16 evenly spread timesteps, noise of a constant seed."""
    pixels = torch.from_numpy(numpy.asarray(square).astype(numpy.float32) / 127.5 - 1)
    with torch.no_grad():
        latents = pipe.vae.encode(pixels.permute(2, 0, 1)[None]).latent_dist.mean
        latents = (latents * pipe.vae.config.scaling_factor).expand(16, -1, -1, -1)
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(20220927))
        timesteps = ((torch.arange(16, dtype=torch.float64) + 0.5) * 1000 / 16).long()
        noisy = pipe.scheduler.add_noise(latents, noise, timesteps)
        embedding = pipe.text_embeddings.expand(16, -1, -1)
        prediction = pipe.unet(noisy, timesteps, embedding).sample
        wanted = target(pipe.scheduler, latents, noise, timesteps)
        return torch.nn.functional.mse_loss(prediction, wanted).item()


def psnr(picture, square):
    apart = numpy.asarray(picture).astype(float) - numpy.asarray(square).astype(float)
    return float(10 * numpy.log10(255**2 / (apart**2).mean()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--photo", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--rates", required=True)
    parser.add_argument("--steps", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--community")
    options = parser.parse_args()
    rates = [float(rate) for rate in options.rates.split(",")]
    steps = [int(count) for count in options.steps.split(",")]
    torch.set_num_threads(options.threads)
    be_quiet()

    scheduler = DDIMScheduler.from_pretrained(options.model, subfolder="scheduler")
    predicts_v = scheduler.config.prediction_type == "v_prediction"
    pipeline = corrected_pipeline(find_file(options.community), predicts_v)
    torch.manual_seed(0)
    clock = [time.perf_counter()]
    pipe = pipeline.from_pretrained(
        options.model, scheduler=scheduler, safety_checker=None, feature_extractor=None,
        local_files_only=True,
        dtype=torch.float32,
    )
    pipe.set_progress_bar_config(disable=True)
    size = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    square = square_of(options.photo, size)
    generator = torch.Generator().manual_seed(0)
    clock.append(time.perf_counter())
    pipe.train(
        options.text, image=square, height=size, width=size, generator=generator,
        embedding_learning_rate=rates[0], diffusion_model_learning_rate=rates[1],
        text_embedding_optimization_steps=steps[0], model_fine_tuning_optimization_steps=steps[1],
    )
    clock.append(time.perf_counter())
    render = {"height": size, "width": size, "guidance_scale": 7.5, "num_inference_steps": 50}
    pipe(alpha=1, **render)
    clock.append(time.perf_counter())
    reconstruction = pipe(alpha=0, generator=torch.Generator().manual_seed(0), **render).images[0]
    load, train, first = (b - a for a, b in zip(clock, clock[1:]))
    print(json.dumps({
        "seconds": {"load": load, "train": train, "render": first, "total": clock[3] - clock[0]},
        "rates": rates, "loss": evaluation_loss(pipe, square), "psnr": psnr(reconstruction, square),
    }))


if __name__ == "__main__":
    main()
