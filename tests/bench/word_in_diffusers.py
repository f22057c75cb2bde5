#!/usr/bin/env python3
"""An edit's files for elsewhere (`keepsake edit --as-word`), loaded and rendered by diffusers: is it
the same picture?

Usage: python word_in_diffusers.py --keepsake PROGRAM [--model PATH]
       (environment: requirements.txt beside this file; compare.py --quick runs it)

Does in diffusers what elsewhere/how-to-use.txt says: the word's file and the LoRA's are loaded, both
texts are encoded and mixed, and the same noise is sampled. Exit status 0: the picture agrees with
that of `keepsake render` as lora_in_diffusers.py asks for it, and neither file could be left out.
"""

import pathlib
import subprocess
import sys
import tempfile

import torch

import in_diffusers
from in_diffusers import ROOT

TEXT, WORD, ETA, STEPS, GUIDANCE, SEED = "a photo of a red daisy", "kept-photo", 0.4, 12, 3.0, 3


def run(command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)


def make_ours(options, folder):
    """The session, and its picture as 0 to 255."""
    session, picture = folder / "daisy.keepsake", folder / "ours.png"
    run([options.keepsake, "edit", ROOT / "assets/photos/daisy-19813618946.jpg", TEXT, "--as-word",
         WORD, "--embedding-steps", 20, "--finetune-steps", 8, "--model", options.model, "--session",
         session, "--way", "line", "--noise-share", 1, "--eta", ETA, "--seed", SEED, "--sampler",
         "dpmpp_2m", "--steps", STEPS, "--guidance", GUIDANCE, "--no-full", "--out", picture,
         "--quiet"])
    return session, in_diffusers.read_picture(picture)


def render(pipe, photo_prompt):
    with torch.no_grad():
        text, _ = pipe.encode_prompt(TEXT, "cpu", 1, False)
        photo, _ = pipe.encode_prompt(photo_prompt, "cpu", 1, False)
    return in_diffusers.draw(pipe, SEED, prompt_embeds=ETA * text + (1 - ETA) * photo,
                             negative_prompt="", num_inference_steps=STEPS, guidance_scale=GUIDANCE)


def main():
    options = in_diffusers.parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        session, ours = make_ours(options, pathlib.Path(scratch))
        pipe = in_diffusers.open_pipe(options.model)
        pipe.load_textual_inversion(str(session / f"elsewhere/{WORD}.safetensors"), token=WORD)
        without_lora = render(pipe, WORD)
        pipe.load_lora_weights(str(session / f"elsewhere/{WORD}-lora.safetensors"))
        theirs = render(pipe, WORD)
        # The word starts as the text: this is the picture if it had stayed that.
        without_word = render(pipe, TEXT)
    same = in_diffusers.judge("word and LoRA in diffusers", ours, theirs, LoRA=without_lora,
                              word=without_word)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
