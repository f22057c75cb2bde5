#!/usr/bin/env python3
"""Keepsake beside diffusers, OpenVINO and stable-diffusion.cpp: same weights, photo and threads.

Usage: tests/bench/compare.py --all | --rows A,B | --quick   [options, see --help]

--all, --rows   Print one table: ours, the reference, the ratio, the bar and whether it holds. Both
                sides are asked by turns, so that whatever else the machine does falls on both.
                Medians, ranges in brackets; above 1 x, Keepsake is faster or smaller.
--quick         No time is judged: both sides compute the same things, and the numbers must agree;
                a LoRA of ours is loaded and rendered by diffusers. Exit status 1 where they differ,
                77 where there is no Python with the references and none can be made.

The references run in the Python of --python: see environment.py. --all takes about an hour on two
cores, a third of it for the rows of Stable Diffusion 1.5's size, whose model of random weights is
written to build/bench-sd15 (2.1 GB). Leave the machine alone meanwhile.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import environment
from edit_rows import DOCUMENTED_STEPS, Edits
from environment import ROOT
from large_rows import Large
from part_rows import PARTS, Parts
from programs import HEADER

SKIPPED = 77  # what CTest takes for "skipped"
EDIT_ROWS = ["edit", "edit-again"]
# The one that needs most of the machine comes last, when all other programs have ended.
LARGE_ROWS = ["sd15-unet", "sd15-unet-bfloat16", "sd15-cpp", "sd15-lora", "sd15-render",
              "sd15-full"]
ROWS = [*PARTS, "recomputed", "memory", *EDIT_ROWS, *LARGE_ROWS]


def parse_arguments():
    release = ROOT / "build" / "release"
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="every row")
    parser.add_argument("--rows", default="", help="some of them: " + ", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="compare numbers, not times")
    parser.add_argument("--make-python", action="store_true",
                        help="only make build/bench-venv, if there is none and none is given")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", default=str(ROOT / "assets" / "models" / "flowers"))
    parser.add_argument("--python", help="a Python that has tests/bench/requirements.txt")
    parser.add_argument("--bench", default=str(release / "tests" / "keepsake_bench"))
    parser.add_argument("--keepsake", default=str(release / "editor" / "keepsake"))
    parser.add_argument("--community", help="examples/community/imagic_stable_diffusion.py of "
                        "diffusers' repository; default: downloaded, as diffusers does it")
    parser.add_argument("--community-steps", default=",".join(map(str, DOCUMENTED_STEPS)),
                        help="other steps than the documented ones, to try this program out; the "
                        "row then says so and judges nothing")
    options = parser.parse_args()
    options.rows = ROWS if options.all else [name for name in options.rows.split(",") if name]
    for name in options.rows:
        if name not in ROWS:
            parser.error(f"--rows: '{name}' is none of {', '.join(ROWS)}")
    if not (options.rows or options.quick or options.make_python):
        parser.error("one of --all, --rows, --quick")
    options.community_steps = [int(steps) for steps in options.community_steps.split(",")]
    options.environment = os.environ | {
        "OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1",
    }
    for program in (options.bench, options.keepsake):
        if not (pathlib.Path(program).exists() or options.make_python):
            sys.exit(f"{program}: not built; run cmake --build build/release --target "
                     "keepsake keepsake_bench")
    return options


def print_rows(rows):
    for row in rows:
        print(row, flush=True)


def print_part_rows(options, python):
    wanted = [name for name in PARTS if name in options.rows]
    parts = Parts(options, python)
    for name in wanted:
        print_rows(parts.rows(name))
    if "recomputed" in options.rows:
        print_rows(parts.recomputed_rows())
    parts.close()
    if "memory" in options.rows:
        print_rows(parts.memory_rows())


def print_edit_rows(options, python):
    edits = Edits(options, python)
    if "edit" in options.rows:
        print_rows(edits.rows())
    if "edit-again" in options.rows:
        print_rows(edits.second_rows())
    edits.close()


def print_large_rows(options, python):
    large = Large(options, python)
    for name, rows in zip(LARGE_ROWS, (large.unet_rows, large.rounded_unet_rows, large.sdcpp_rows,
                                       large.lora_rows, large.render_rows, large.full_rows)):
        if name in options.rows:
            print_rows(rows())
    large.close()


def print_machine(options, python, load):
    peaks = environment.peaks(python, options.threads, options.environment)
    versions = ", ".join(f"{name} {version}" for name, version in peaks["versions"].items())
    print(f"\nMachine: {environment.processor()}, load average {load:.2f} when this run began "
          f"(a quiet machine: near 0); torch uses {peaks['torch_isa']}; "
          f"{options.threads} threads, float32 unless a row says otherwise. Its peaks in this run, by torch: "
          f"{peaks['gemm']:.0f} GFLOP/s for a 1024x1024 product, {peaks['conv']:.0f} for a 3x3 "
          f"convolution of 320 channels at 64x64, channels_last. Keepsake {environment.commit()}; "
          f"{versions}.")
    if "edit" in options.rows:
        print("The community pipeline's file is used with two corrections and no other change: it "
              "regresses the noise, and the bundled model predicts v; it scales latents by "
              "0.18215, and the bundled VAE has a factor of its own. The run with the lower "
              "evaluation loss counts.")


def compare(options, python):
    load = os.getloadavg()[0]
    print(f"Times: median (range); N x M is N measurements of M calls. "
          f"Model, unless said otherwise: {pathlib.Path(options.model).name}\n")
    print(HEADER, flush=True)
    if any(name in PARTS or name in ("recomputed", "memory") for name in options.rows):
        print_part_rows(options, python)
    if any(name in EDIT_ROWS for name in options.rows):
        print_edit_rows(options, python)
    if any(name in LARGE_ROWS for name in options.rows):
        print_large_rows(options, python)
    print_machine(options, python, load)


def quick(options, python):
    """The exit status."""
    commands = [
        ["quick.py", "--bench", options.bench, "--model", options.model, "--threads",
         str(options.threads)],
        ["lora_in_diffusers.py", "--keepsake", options.keepsake, "--model", options.model],
        ["word_in_diffusers.py", "--keepsake", options.keepsake, "--model", options.model],
    ]
    results = [
        subprocess.run([python, environment.BENCH / script, *arguments], env=options.environment)
        for script, *arguments in commands
    ]
    return 0 if all(result.returncode == 0 for result in results) else 1


def main():
    options = parse_arguments()
    try:
        python = environment.bench_python(options.python)
    except environment.NoPython as why:
        print(f"bench: skipped: {why}", file=sys.stderr)
        sys.exit(SKIPPED)
    if options.quick:
        sys.exit(quick(options, python))
    if not options.make_python:
        compare(options, python)


if __name__ == "__main__":
    main()
