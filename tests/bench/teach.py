#!/usr/bin/env python3
"""What the bundled model learns of a subject, with and without prior preservation, and of a look: docs/learn.md; and
the pictures of a word: docs/words.md.

Usage: tests/bench/teach.py subject|look|word|readme PHOTOS OUT [--keepsake PATH] [--sheet FILE.jpg]

PHOTOS: the folder of the "Flowers" data set (daisy/, dandelion/, roses/, sunflowers/, tulips/). OUT: a folder for the
pictures, runs and drawings; what is there is not made again. Prints Markdown, and writes a sheet. Needs torch and
diffusers (tests/bench/requirements.txt), for `subject` alone, and Pillow. One thread.

subject: five photos of yellow roses with pink edges, learned for 400 steps of 4 by a LoRA, alone and beside 60 pictures
of the class "a rose" that the model drew. Similarity to the five is that of docs/words.md: the cosine of features of
the bundled U-Net without text (the first block on the way up at timestep 200, mean and deviation of each channel over
the picture, less the mean and by the deviation of 60 photos of all kinds). Drift is the root of the mean squared
difference of pixels, of 255, between pictures of the same text and seed before and after.

word: five photos of Cape daisies, a word of three vectors from "white purple daisy", 1000 steps of 4; its pictures in
five contexts beside those of "white daisy".

readme: README's picture, of what the two others left in OUT/subject and OUT/look.

look: 200 photos, forty of each flower, made a duotone by image processing (luminance becomes a colour between indigo
and cream) with captions such as "a duotone photo of a rose", learned for 1000 steps of 4; once these alone, and once
beside 200 other photos as they are with "a photo of a rose". How far a picture is from the look is the mean distance of
its pixels, of 255 a channel, to the nearest colour that the duotone has.
"""

import argparse
import json
import pathlib
import shutil
import subprocess

import numpy as np
from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "assets/models/flowers"
SUBJECT = ["1793211631_68c31a74dc", "17990320484_93bba345d2_m", "19271410704_932d1f2c97_n", "2423565102_2f1a00bb1b_n",
           "3742168238_d961937e68_n"]
WORD = ["10466558316_a7198b87e2", "10770585085_4742b9dac3_n", "10993710036_2033222c91", "1265350143_6e2b276ec9",
        "3957488431_52a447c0e8_m"]
FOLDERS = {"daisy": "daisy", "dandelion": "dandelion", "rose": "roses", "sunflower": "sunflowers", "tulip": "tulips"}
SHADOWS, LIGHTS = np.array([38, 20, 110.0]), np.array([255, 238, 190.0])  # indigo, cream
SEEDS = 8


def keepsake(options, *arguments):
    command = [options.keepsake, *map(str, arguments), "--threads", "1", "--quiet"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def draw(options, name, text, lora=None, word=None):
    """SEEDS pictures of a text."""
    folder = options.out / "drawn" / name / text.replace(" ", "-")
    if not (folder / "done.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        more = ["--lora", lora] if lora else ["--embedding", word] if word else []
        told = keepsake(options, "generate", text, "--seed", ",".join(map(str, range(SEEDS))), "--out",
                        folder / "seed.png", "--json", *more)
        (folder / "done.json").write_text(told)
    lines = (folder / "done.json").read_text().splitlines()
    return [photo(json.loads(line)["file"]) for line in lines]


def learn(options, name, *arguments):
    run = options.out / name
    if not (run / "done.json").exists():
        told = keepsake(options, "learn", *arguments, "--out", run, "--name", name, "--every", "0", "--json")
        (run / "done.json").write_text(told)
    done = json.loads((run / "done.json").read_text())
    return pathlib.Path(done["file"]), done["seconds"]


def drift(before, after):
    return np.mean([np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(before, after)])


def write_sheet(path, rows, side=96):
    """rows: of one or more groups (label, pictures) side by side."""
    gap, above = 4, 20
    width = max(sum(len(pictures) for _, pictures in row) for row in rows) * (side + gap) + gap
    sheet = Image.new("RGB", (width, len(rows) * (side + above) + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top, left = number * (side + above), gap
        for label, pictures in row:
            pen.text((left, top + gap), label, fill="black")
            for picture in pictures:
                pixels = Image.fromarray(np.uint8(np.clip(picture, 0, 255)))
                sheet.paste(pixels.resize((side, side), Image.Resampling.LANCZOS), (left, top + above - 2))
                left += side + gap
    sheet.save(path, quality=84, optimize=True)


def photo(path):
    return np.asarray(Image.open(path).convert("RGB"), dtype=float)


class Features:
    """The measure of docs/words.md."""

    def __init__(self, photos):
        import torch
        from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        torch.set_num_threads(1)
        self.torch = torch
        self.vae = AutoencoderKL.from_pretrained(MODEL / "vae").float()
        self.unet = UNet2DConditionModel.from_pretrained(MODEL / "unet").float()
        self.schedule = DDIMScheduler.from_pretrained(MODEL / "scheduler")
        tokens = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")("", padding="max_length", max_length=77,
                                                                   return_tensors="pt").input_ids
        with torch.no_grad():
            self.text = CLIPTextModel.from_pretrained(MODEL / "text_encoder").float()(tokens)[0]
        self.unet.up_blocks[0].register_forward_hook(lambda *it: setattr(self, "seen", it[2]))
        others = []
        for folder in FOLDERS.values():
            others += [self.raw(photo(path)) for path in sorted((photos / folder).glob("*.jpg"))[:240:20]]
        self.mean, self.deviation = np.mean(others, axis=0), np.std(others, axis=0)

    def raw(self, picture):
        torch = self.torch
        small = Image.fromarray(np.uint8(picture)).resize((128, 128), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(np.asarray(small, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
        with torch.no_grad():
            latents = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
            noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
            step = torch.tensor([200])
            self.unet(self.schedule.add_noise(latents, noise, step), step, self.text)
        seen = self.seen[0].flatten(1)
        return torch.cat([seen.mean(1), seen.std(1)]).numpy()

    def __call__(self, pictures):
        features = [(self.raw(picture) - self.mean) / self.deviation for picture in pictures]
        return np.array([f / np.linalg.norm(f) for f in features])


def subject(options):
    five = options.out / "subject"
    five.mkdir(parents=True, exist_ok=True)
    for name in SUBJECT:
        shutil.copy(options.photos / "roses" / f"{name}.jpg", five)
    photos = [photo(five / f"{name}.jpg") for name in SUBJECT]
    common = ["subject", five, "--token", "a sks rose", "--tune", options.tune or 400, "--batch", 4, "--learning-rate",
              5e-4]
    runs = {"without prior": learn(options, "alone", *common),
            "with prior": learn(options, "prior", *common, "--class", "a rose", "--class-pictures", 60)}
    texts = ["a photo of a sks rose", "a photo of a sks rose on a black background", "a photo of a rose",
             "a photo of a red rose", "a photo of a tulip"]
    drawn = {"before": {text: draw(options, "before", text) for text in texts}}
    for name, (file, _) in runs.items():
        drawn[name] = {text: draw(options, name.replace(" ", "-"), text, file) for text in texts}
    features = Features(options.photos)
    own = features(photos)

    def similarity(pictures):
        return float(np.mean(features(pictures) @ own.T))

    among = (own @ own.T)[~np.eye(len(own), dtype=bool)].mean()
    print(f"The five among themselves: {among:.3f}. Seconds: " +
          ", ".join(f"{name} {seconds:.0f}" for name, (_, seconds) in runs.items()) + "\n")
    print("| text | similarity before | without prior | with prior | drift without prior | with prior |")
    print("| --- | --- | --- | --- | --- | --- |")
    for text in texts:
        like = [similarity(drawn[name][text]) for name in drawn]
        moved = [drift(drawn["before"][text], drawn[name][text]) for name in runs]
        print(f"| {text} | " + " | ".join([f"{x:.3f}" for x in like] + [f"{x:.1f}" for x in moved]) + " |")
    rows = [[("the five photos", photos)]]
    for text in [texts[0], texts[2]]:
        rows += [[(f"{text}: {name}", drawn[name][text][:6])] for name in drawn]
    write_sheet(options.sheet or options.out / "subject.jpg", rows)


def duotone(pixels):
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    low, high = np.percentile(grey, [1, 99])
    grey = np.clip((grey - low) / max(high - low, 1), 0, 1)[..., None]
    return SHADOWS + grey * (LIGHTS - SHADOWS)


def from_look(pictures):
    line = LIGHTS - SHADOWS
    distances = []
    for pixels in pictures:
        along = np.clip((pixels - SHADOWS) @ line / (line @ line), 0, 1)[..., None]
        distances.append(np.linalg.norm(pixels - SHADOWS - along * line, axis=-1).mean())
    return float(np.mean(distances))


def make_set(options, name, plain_too):
    folder = options.out / name
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    lines = []
    for flower, source in FOLDERS.items():
        for i, path in enumerate(sorted((options.photos / source).glob("*.jpg"))[:80 if plain_too else 40]):
            styled = i < 40
            pixels = duotone(photo(path)) if styled else photo(path)
            Image.fromarray(np.uint8(np.round(pixels))).save(folder / path.name, quality=95)
            text = ("a duotone photo of a " if styled else "a photo of a ") + flower
            lines.append(json.dumps({"file_name": path.name, "text": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def look(options):
    common = ["captions", "--tune", options.tune or 1000, "--batch", 4, "--learning-rate", 5e-4]
    runs = {"the 200 alone": learn(options, "duotone", *common, make_set(options, "set-duotone", False)),
            "beside 200 plain": learn(options, "duotone-plain", *common, make_set(options, "set-both", True))}
    pairs = [("a duotone photo of a rose", "a photo of a rose"),
             ("a duotone photo of a tulip in the grass", "a photo of a tulip in the grass"),
             ("a duotone photo of a red daisy", "a photo of a red daisy"),
             ("a duotone photo of a sunflower against a blue sky", "a photo of a sunflower against a blue sky")]
    drawn = {"before": {text: draw(options, "before", text) for pair in pairs for text in pair}}
    for name, (file, _) in runs.items():
        drawn[name] = {text: draw(options, name.replace(" ", "-"), text, file) for pair in pairs for text in pair}
    styled = [photo(path) for path in sorted((options.out / "set-duotone").glob("*.jpg"))]
    print(f"The 200 photos are {from_look(styled):.1f} from the look. Seconds: " +
          ", ".join(f"{name} {seconds:.0f}" for name, (_, seconds) in runs.items()) + "\n")
    print("| text | from the look before | the 200 alone | beside 200 plain | drift, the 200 alone | beside 200 plain |")
    print("| --- | --- | --- | --- | --- | --- |")
    for pair in pairs:
        for text in pair:
            away = [from_look(drawn[name][text]) for name in drawn]
            moved = [drift(drawn["before"][text], drawn[name][text]) for name in runs]
            print(f"| {text} | " + " | ".join(f"{x:.1f}" for x in away + moved) + " |")
    rows = [[("six of the 200 photos", styled[::35][:6])]]
    for text in pairs[0]:
        rows += [[(f"{text}: {name}", drawn[name][text][:6])] for name in drawn]
    write_sheet(options.sheet or options.out / "look.jpg", rows)


def word(options):
    five = options.out / "word"
    five.mkdir(parents=True, exist_ok=True)
    for name in WORD:
        shutil.copy(options.photos / "daisy" / f"{name}.jpg", five)
    run = options.out / "run"
    file = run / "cape-daisy.safetensors"
    if not file.exists():
        keepsake(options, "learn", "word", five, "--token", "<cape-daisy>", "--init", "white purple daisy", "--tune",
                 options.tune or 1000, "--batch", 4, "--learning-rate", 5e-3, "--every", 0, "--out", run)
    rows = [[("the five photos", [photo(five / f"{name}.jpg") for name in WORD])]]
    for text in ["a photo of a {}", "a photo of a {} in the grass", "a photo of a {} on a black background",
                 "a photo of a {} at night", "a watercolor painting of a {}"]:
        learned = draw(options, "word", text.format("<cape-daisy>"), word=file)
        known = draw(options, "known", text.format("white daisy"))
        rows.append([(text.format("<cape-daisy>"), learned[:4]), (text.format("white daisy"), known[:4])])
    write_sheet(options.sheet or options.out / "word.jpg", rows)


def readme(options):
    """The picture of README.md, of what the two others have drawn."""
    rows = []
    for what, name, word, without in [
            ("subject", "with-prior", "a photo of a sks rose", "a photo of a rose"),
            ("look", "beside-200-plain", "a duotone photo of a rose", "a photo of a rose")]:
        inside = argparse.Namespace(**vars(options) | {"out": options.out / what})
        files = sorted((inside.out / ("subject" if what == "subject" else "set-duotone")).glob("*.jpg"))
        files = files[1:4] if what == "subject" else [files[0], files[105], files[140]]
        rows.append([("of these photos", [photo(file) for file in files]),
                     (word, draw(inside, name, word)[1:4]), (without, draw(inside, name, without)[1:3])])
    write_sheet(options.sheet or options.out / "readme.jpg", rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["subject", "look", "word", "readme"])
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--keepsake", default=ROOT / "build/release/editor/keepsake")
    parser.add_argument("--tune", type=int, help="steps, for a first look")
    parser.add_argument("--sheet", type=pathlib.Path)
    options = parser.parse_args()
    options.out = options.out.resolve()
    {"subject": subject, "look": look, "word": word, "readme": readme}[options.what](options)


if __name__ == "__main__":
    main()
