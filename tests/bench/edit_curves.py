#!/usr/bin/env python3
"""The fast mode beside the paper mode: ten photos, two texts each, over the whole range of eta.

Usage: tests/bench/edit_curves.py --out FOLDER [--keepsake PATH] [--only N] [--modes fast]

Writes FOLDER/table.md and FOLDER/fast-mode.png, and as it goes FOLDER/results/*.json, one for each
edit and mode; what is there already is not done again. With one mode: only its results. Needs
numpy, Pillow and matplotlib (tests/bench/requirements.txt).

Per edit and mode: the evaluation loss after tuning; PSNR of the reconstruction (eta 0) with the
photo; and for eta 0, 0.2 ... 2 two numbers, on the model's own square:
  colour     the share of pixels of the asked-for colour (hue within 25 degrees, saturation above
             0.3, value above 0.2), less that share in the photo
  structure  the correlation of brightness with the photo's in windows of 9x9 pixels (the structure
             term of SSIM, Wang et al. 2004, of either sign), weighted by the photo's contrast
Colour at equal structure: the most colour of any eta whose structure is at least a level, averaged
over the levels 0.45, 0.5 ... 0.7.
"""

import argparse
import json
import pathlib
import statistics
import subprocess

import numpy as np
from edits import EDITS, texts
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
HUES = {"red": 0, "yellow": 52, "blue": 225, "purple": 270, "pink": 330}
LEVELS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
MODES = ("paper", "fast")


def share_of_colour(image, hue):
    red, green, blue = (image[..., i] for i in range(3))
    high, low = image.max(-1), image.min(-1)
    range_ = high - low + 1e-6
    sector = np.where(
        high == red, ((green - blue) / range_) % 6,
        np.where(high == green, (blue - red) / range_ + 2, (red - green) / range_ + 4),
    )
    distance = np.abs((sector * 60 - hue + 180) % 360 - 180)
    return float(((distance < 25) & (range_ / (high + 1e-6) > 0.3) & (high > 0.2)).mean())


def box(x, size=9):
    sums = np.cumsum(np.cumsum(np.pad(x, ((1, 0), (1, 0))), 0), 1)
    return (sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]) / size**2


def structure(image, photo):
    weights = np.array([0.299, 0.587, 0.114])
    a, b = image @ weights, photo @ weights
    deviation = lambda x: np.sqrt(np.maximum(box(x * x) - box(x) ** 2, 0))
    covariance, of_a, of_b = box(a * b) - box(a) * box(b), deviation(a), deviation(b)
    term = (np.abs(covariance) + 4.5e-4) / (of_a * of_b + 4.5e-4)
    return float((term * of_b).sum() / of_b.sum())


def pixels(path, size=None):
    image = Image.open(path).convert("RGB")
    if size and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float64) / 255


def run_edit(options, photo, text, mode):
    name = f"{photo.stem}-{text.split()[-2]}-{mode}"
    command = [
        options.keepsake, "edit", photo, text, "--mode", mode, "--way", "line", "--eta", "0:2:11", "--no-full", "--json",
        "--quiet", "--session", options.out / f"{name}.keepsake", "--out", options.out / name,
    ]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines]


def measure(options, photo, text, mode):
    saved = options.out / "results" / f"{photo.stem}-{text.split()[-2]}-{mode}.json"
    if saved.exists():
        return json.loads(saved.read_text())
    result = measure_anew(options, photo, text, mode)
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(json.dumps(result, indent=1))
    return result


def measure_anew(options, photo, text, mode):
    results = run_edit(options, photo, text, mode)
    first = pixels(results[0]["file"])
    reference = pixels(photo, first.shape[0])
    hue = HUES[text.split()[-2]]
    before = share_of_colour(reference, hue)
    points = []
    for result in results:
        image = pixels(result["file"])
        points.append((result["eta"], share_of_colour(image, hue) - before, structure(image, reference)))
    seconds = results[0]["seconds"]
    return {
        "photo": photo.stem, "text": text, "mode": mode,
        "loss": results[0]["loss"]["finetune"]["after"],
        "psnr": -10 * float(np.log10(((first - reference) ** 2).mean())),
        "tuning_seconds": seconds["embedding"] + seconds["finetune"],
        "points": points,
    }


def at_equal_structure(points):
    return statistics.mean(
        max([colour for _, colour, kept in points if kept >= level] + [0]) for level in LEVELS
    )


def write_table(edits, path):
    lines = [
        "| photo | text | loss, paper | loss, fast | PSNR, paper | PSNR, fast | colour, paper | colour, fast |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    columns = {"loss": [], "psnr": [], "colour": []}
    for paper, fast in edits:
        values = {key: (paper[key], fast[key]) for key in ("loss", "psnr")}
        values["colour"] = tuple(at_equal_structure(run["points"]) for run in (paper, fast))
        for key, pair in values.items():
            columns[key].append(pair)
        lines.append(
            "| {} | {} | {:.3f} | {:.3f} | {:.2f} | {:.2f} | {:.3f} | {:.3f} |".format(
                paper["photo"], paper["text"], *values["loss"], *values["psnr"], *values["colour"]
            )
        )
    means = [statistics.mean(pair[i] for pair in columns[key]) for key in columns for i in (0, 1)]
    lines.append("| mean | | {:.3f} | {:.3f} | {:.2f} | {:.2f} | {:.3f} | {:.3f} |".format(*means))
    better = {
        "loss": sum(fast <= paper for paper, fast in columns["loss"]),
        "psnr": sum(fast >= paper for paper, fast in columns["psnr"]),
        "colour": sum(fast >= paper for paper, fast in columns["colour"]),
    }
    lines.append(f"\nOf {len(edits)} edits, fast is as good or better in loss {better['loss']}, in PSNR "
                 f"{better['psnr']}, in colour at equal structure {better['colour']} times.")
    path.write_text("\n".join(lines) + "\n")
    print(path.read_text())


def plot(edits, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 5
    rows = (len(edits) + columns - 1) // columns
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 2.5 * rows), squeeze=False)
    for axis, (paper, fast) in zip(axes.flat, edits):
        for run, style in ((paper, "o-"), (fast, "s-")):
            _, colour, kept = zip(*run["points"])
            axis.plot(kept, colour, style, markersize=3, label=run["mode"])
        axis.set_title(f"{paper['photo'].split('-')[0]} {paper['photo'].split('-')[-1]}: "
                       f"{paper['text'].split()[-2]}", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("structure kept")
    for axis in axes[:, 0]:
        axis.set_ylabel("asked-for colour")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=70)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--keepsake", default=str(ROOT / "build" / "release" / "editor" / "keepsake"))
    parser.add_argument("--only", type=int, default=len(EDITS), help="the first N photos")
    parser.add_argument("--modes", default=",".join(MODES))
    options = parser.parse_args()
    modes = options.modes.split(",")
    options.out.mkdir(parents=True, exist_ok=True)
    edits = []
    for photo, flower, colours in EDITS[: options.only]:
        for text in texts(flower, colours):
            edits.append([measure(options, photo, text, mode) for mode in modes])
            print(photo.stem, text, [round(run["loss"], 3) for run in edits[-1]], flush=True)
    if modes != list(MODES):
        return
    write_table(edits, options.out / "table.md")
    plot(edits, options.out / "fast-mode.png")


if __name__ == "__main__":
    main()
