#!/usr/bin/env python3
"""Real photos through `keepsake edit` at their own size: does an edit of nothing (eta 0) export the
photo bit for bit, and is a colour edit sharper and nearer to the photo's structure than the model's
picture made larger?

    tests/bench/twenty_photos.py FOLDER [--out OUT] [--only NAME,...]

FOLDER has the unpacked Debian packages named in PHOTOS (apt-get download, dpkg -x). Needs the
release build of keepsake and full_resolution_bench, ImageMagick, exiftool and numpy. What is there
already in OUT is not made again. Prints two Markdown tables; tests/bench/README.md has them."""
import argparse
import os
import subprocess
from pathlib import Path

import numpy

ROOT = Path(__file__).resolve().parents[2]

# name: (file, source format, orientation, text, eta). The photos are JPEGs; some are first made into
# another format by ImageMagick, at their full size, and two are turned by their EXIF orientation.
PHOTOS = {
    "fresh-flower": ("mate/nature/FreshFlower.jpg", "webp", 1, "a photo of a red tulip", 0.6),
    "yellow-flower": ("mate/nature/YellowFlower.jpg", "jpg", 1, "a photo of a red daisy", 0.6),
    "ladybird": ("mate/nature/LadyBird.jpg", "png16", 1, "a photo of a purple daisy", 0.6),
    "garden": ("mate/nature/Garden.jpg", "tif", 1, "a photo of a red sunflower", 0.6),
    "meadow": ("mate/nature/GreenMeadow.jpg", "png", 1, "a photo of a yellow dandelion", 0.6),
    "rain": ("mate/nature/RainDrops.jpg", "tif16", 1, "a photo of a purple tulip", 0.6),
    "storm": ("mate/nature/Storm.jpg", "webp", 1, "a photo of a red rose", 0.6),
    "dune": ("mate/nature/Dune.jpg", "jpg", 1, "a photo of a pink rose", 0.6),
    "wood": ("mate/nature/Wood.jpg", "jpg", 8, "a photo of a red rose", 0.6),
    "elephants": ("mate/abstract/Elephants_5640x3172.jpg", "jpg", 1, "a photo of a red rose", 0.6),
    "seed-head": ("seeding_by_Clements_Engelhardt.jpg", "jpg", 1, "a photo of a red dandelion", 0.6),
    "dragonfly": ("Dragonfly_by_Bolly.jpg", "jpg", 1, "a photo of a pink tulip", 0.6),
    "wine": ("Wine_by_Jakkub_Mede.jpg", "jpg", 1, "a photo of a white rose", 0.6),
    "friends": ("friends_by_Aitzol_Berasategi.jpg", "jpg", 6, "a photo of a yellow rose", 0.6),
    "sunset": ("sunset_by_Aitzol_Berasategi.jpg", "jpg", 1, "a photo of a purple rose", 0.6),
    "nuthatch": ("Kleiber_by_Lukas_Baubkus.jpg", "jpg", 1, "a photo of a yellow sunflower", 0.6),
    "leaf": ("FallenLeaf/contents/images/2560x1600.jpg", "tif", 1, "a photo of a red rose", 0.6),
    "one-apart": ("OneStandsOut/contents/images/2560x1600.jpg", "png", 1,
                  "a photo of a yellow tulip", 0.6),
    "cups": ("ColorfulCups/contents/images/2560x1600.jpg", "jpg", 1, "a photo of a white rose", 0.6),
    "water": ("BytheWater/contents/images/2560x1600.jpg", "jpg", 1, "a photo of a pink rose", 0.6),
}


def run(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE,
                          text=True, **more).stdout


def source_of(folder, out, name):
    """The photo as the program is given it, and the file that it was made from."""
    file, kind, orientation, _, _ = PHOTOS[name]
    found = sorted(folder.rglob("*/" + file))
    if not found:
        raise SystemExit(f"{file}: not in {folder}")
    extension = {"jpg": "jpg", "png": "png", "png16": "png", "tif": "tif", "tif16": "tif",
                 "webp": "webp"}[kind]
    source = out / f"{name}.{extension}"
    if not source.exists():
        if kind == "jpg":
            source.write_bytes(found[0].read_bytes())
        else:
            more = ["-define", "webp:lossless=true", "-define", "webp:method=1"]
            if kind.endswith("16"):  # 16 bits that are not 8 bits widened
                more = ["-depth", "16", "-evaluate", "multiply", "0.97"]
            run("convert", found[0], *more, source)
        if orientation != 1:
            run("exiftool", "-q", "-m", "-overwrite_original", f"-IFD0:Orientation#={orientation}",
                source)
    return source, found[0]


def samples(path, extra=()):
    """The pixels as ImageMagick decodes them, upright, 16 bits a sample."""
    command = ["convert", str(path), "-auto-orient", *extra, "-depth", "16", "rgb:-"]
    return numpy.frombuffer(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout,
                            "<u2")


def tag(path, name):
    return run("exiftool", "-s3", "-" + name, path).strip()


def tune(keepsake, source, name, out, threads):
    """The model's two squares, eta 0 and the edit; the session beside them."""
    _, _, _, text, eta = PHOTOS[name]
    pair = [out / name / f"{name}-eta{value:.2f}-seed0.png" for value in (0, eta)]
    if not all(file.exists() for file in pair):
        run(keepsake, "edit", source, text, "--eta", f"0:{eta}:2", "--no-full", "--quiet", *threads,
            "--session", out / f"{name}.keepsake", "--out", out / name)
    return pair


def check_nothing(keepsake, source, name, out):
    """Exports eta 0 and says how many samples differ from the photo's, and what was compared."""
    kind = PHOTOS[name][1]
    if kind == "jpg":
        # The encoder is lossy: what is handed to it is seen in a lossless export. The other side is
        # ImageMagick's decoding of the JPEG.
        exported = out / f"{name}-nothing.png"
    else:
        exported = out / f"{name}-nothing{source.suffix}"
    if not exported.exists():
        run(keepsake, "render", out / f"{name}.keepsake", "--eta", "0", "--quiet", "--out", exported)
    before, after = samples(source), samples(exported)
    if before.shape != after.shape:
        return "another size"
    different = numpy.count_nonzero(before != after)
    if different == 0:
        return "all samples equal"
    most = numpy.abs(before.astype("i4") - after.astype("i4")).max() / 257
    return f"{different} of {before.size} differ, by {most:.1f} of 255 at most"


def compare(bench, source, pair, name, out):
    size = run("identify", "-format", "%w %h", f"{source}[0]").split()
    width, height = (int(value) for value in size)
    if PHOTOS[name][2] in (6, 8):
        width, height = height, width
    side = min(width, height)
    place = f"{(width - side) // 2},{(height - side) // 2},{side}"
    text = run(bench, "edit", out / "pictures", name, source, place, *pair,
               env=dict(os.environ, METHODS="upscaled,Keepsake"))
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()]
    return (width, height), {row[0]: row[1:] for row in rows[2:]}, rows[0][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "twenty")
    parser.add_argument("--only", default=",".join(PHOTOS))
    parser.add_argument("--keepsake", default=ROOT / "build/release/editor/keepsake")
    parser.add_argument("--bench", default=ROOT / "build/release/tests/full_resolution_bench")
    parser.add_argument("--threads", help="of keepsake; none: its own choice")
    options = parser.parse_args()
    threads = ["--threads", options.threads] if options.threads else []
    options.out.mkdir(parents=True, exist_ok=True)
    print("| photo | camera | size | as | eta 0 | sharpness, upscaled / export "
          "| gradient SSIM, upscaled / export | change carried |\n" + "| --- " * 8 + "|")
    for name in options.only.split(","):
        source, original = source_of(options.folder, options.out, name)
        pair = tune(options.keepsake, source, name, options.out, threads)
        same = check_nothing(options.keepsake, source, name, options.out)
        size, rows, head = compare(options.bench, source, pair, name, options.out)
        up, ours = rows["upscaled"], rows["Keepsake"]
        camera = tag(original, "Model") or "not said"
        print(f"| {original.name if original.name[0].isalpha() else original.parts[-4]} | {camera} "
              f"| {size[0]}x{size[1]} | {PHOTOS[name][1]} | {same} | {up[0]} / {ours[0]} "
              f"| {up[1]} / {ours[1]} | {up[2]} / {ours[2]} |", flush=True)


if __name__ == "__main__":
    main()
