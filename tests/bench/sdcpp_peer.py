"""One picture by stable-diffusion.cpp, from the start of the process to its end; large_rows.py
starts it.

Usage: python sdcpp_peer.py CHECKPOINT OUT TEXT STEPS THREADS

stable-diffusion-cpp-python, which is built from source for the processor at hand when it is
installed: pip install --no-binary stable-diffusion-cpp-python stable-diffusion-cpp-python
"""

import sys

from stable_diffusion_cpp import StableDiffusion


def main():
    checkpoint, out, text, steps, threads = sys.argv[1:]
    model = StableDiffusion(model_path=checkpoint, n_threads=int(threads), verbose=False)
    pictures = model.generate_image(
        prompt=text, width=512, height=512, sample_steps=int(steps), cfg_scale=7.5, seed=1,
        sample_method="euler",
    )
    pictures[0].save(out)


if __name__ == "__main__":
    main()
