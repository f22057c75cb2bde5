#!/usr/bin/env python3
"""The loss after stage B over its learning rate, of one model, beside the rate that is found by
trying (optimize/imagic/rate_trial.h): the table of docs/fast-mode.md.

Usage: python rates.py KEEPSAKE MODEL [--photo P] [--text T] [--size N] [--rates 2e-3,4e-3] [...]

Every row is one `keepsake edit` in fast mode on the same photo, text and seed; the loss is that on
the fixed evaluation pairs. Any option that is not known here goes to the program.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def stage_b(arguments, rest, rate):
    """What is printed of one edit, and the rate that it learned with."""
    with tempfile.TemporaryDirectory() as folder:
        session = pathlib.Path(folder) / "session"
        command = [
            arguments.keepsake, "edit", arguments.photo, arguments.text, "--model", arguments.model,
            "--session", session, "--out", folder, "--mode", "fast", "--finetune-lr", repr(rate),
            "--eta", "1", "--steps", "1", "--json", "--quiet", *rest,
        ]
        if arguments.size:
            command += ["--size", str(arguments.size)]
        run = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if run.returncode:
            return None, run.stderr.strip().splitlines()[-1]
        losses = json.loads((session / "losses.json").read_text())["finetune"]
        return json.loads(run.stdout.splitlines()[-1]), losses


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("keepsake")
    parser.add_argument("model")
    parser.add_argument("--photo", default=ROOT / "assets/photos/daisy-19813618946.jpg")
    parser.add_argument("--text", default="a photo of a red daisy")
    parser.add_argument("--size", type=int)
    parser.add_argument("--rates", default="5e-4,1e-3,2e-3,4.5e-3,6.5e-3,9e-3,1.3e-2,1.8e-2")
    arguments, rest = parser.parse_known_args()
    print("| rate | loss before | after | over the best | seconds of stage B |\n| --- " + "| --- " * 4 + "|")
    rows = []
    for rate in [*map(float, arguments.rates.split(",")), 0.0]:
        line, losses = stage_b(arguments, rest, rate)
        if line is None:
            print(f"| {rate:g} | | {losses} | | |", flush=True)
            continue
        rows.append((rate, losses["after"]))
        best = min(loss for given, loss in rows if given > 0) if rate == 0 else None
        name = f"found: {losses['rate']:g}" if rate == 0 else f"{rate:g}"
        over = f"{100 * (losses['after'] / best - 1):+.1f} %" if best else ""
        print(f"| {name} | {losses['before']:.3f} | {losses['after']:.3f} | {over} | "
              f"{line['seconds']['finetune']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
