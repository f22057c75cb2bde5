#!/usr/bin/env python3
"""How far previews are from the exact pictures (docs/few-steps.md).

Usage: tests/bench/previews.py KEEPSAKE OUT [RENDER_OPTION]...

Learns four fast sessions into OUT, draws each exactly and with `--preview` and the options given, at
strengths 0.4, 0.7 and 1, seed 0, and prints the mean and the worst of the mean colour difference
(CIE76) and of the PSNR over the model's square. What is exact and in OUT already is used again.
Needs numpy, opencv-python-headless and scikit-image.
"""

import pathlib
import subprocess
import sys

import cv2
import numpy as np

from forty_edits import ROOT, colour_difference

EDITS = (("assets/photos/daisy-19813618946.jpg", "a photo of a red daisy"),
         ("assets/photos/rose-394990940.jpg", "a photo of a yellow rose"),
         ("assets/photos/pink-tulip-480228053.jpg", "a photo of a yellow tulip"),
         ("assets/photos/sunflower-14925397651.jpg", "a photo of a sunflower at night"))
ETAS = "0.4:1:3"


def run(*command):
    subprocess.run([*map(str, command), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def difference(a, b):
    error = np.square(a.astype(float) - b).mean()
    return colour_difference(a, b).mean(), 10 * np.log10(255**2 / max(error, 1e-9))


def main():
    keepsake, out, options = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for photo, text in EDITS:
        name = pathlib.Path(photo).stem
        session, exact, preview = (out / f"{name}.{kind}" for kind in ("keepsake", "exact", "preview"))
        if not exact.exists():
            run(keepsake, "edit", ROOT / photo, text, "--eta", ETAS, "--no-full",
                "--session", session, "--out", exact)
        run(keepsake, "render", session, "--preview", "--eta", ETAS, "--no-full",
            "--out", preview, *options)
        for pair in zip(*(sorted(folder.glob("*-eta*.png")) for folder in (exact, preview)), strict=True):
            found.append(difference(*(cv2.imread(str(path)) for path in pair)))
    colour, psnr = np.array(found).T
    print(f"| {colour.mean():.1f} | {colour.max():.1f} | {psnr.mean():.1f} | {psnr.min():.1f} |")


if __name__ == "__main__":
    main()
