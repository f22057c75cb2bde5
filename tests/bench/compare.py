#!/usr/bin/env python3
"""Keepsake beside diffusers: the same parts, the same weights, the same number of threads, one run.

Usage: tests/bench/compare.py [--pairs 5] [--threads N] [--model PATH] [--python PATH] [--parts A,B]

Both programs stay up and are asked by turns (ours, peer, peer, ours, ...), so that whatever else the
machine does falls on both. A part is repeated until one measurement takes about --seconds. Printed:
the median of each side in milliseconds, the range, the median and range of the pairs' ratios
(peer / ours: above 1, Keepsake is faster), and the peak memory of fresh processes that do one job.

The peer runs in the Python of --python, which needs tests/goldens/requirements.txt; without it,
build/bench-venv is made from that file (a download of some 250 MB with PyTorch's CPU build).
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = [
    "load", "unet-1", "unet-2", "train-embedding", "train-all", "vae-encode", "vae-decode", "generate",
]
# Peak memory is that of a whole process, so each of these gets a process of its own.
MEMORY_PARTS = ["load", "generate", "train-embedding", "train-all"]


class Program:
    """One of the two programs, waiting for its next line."""

    def __init__(self, command, environment):
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def time(self, part, iterations):
        self.process.stdin.write(f"{part} {iterations}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.command[0]}: ended with status {self.process.wait()} at '{part}'")
        return float(answer)

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def peer_python(given):
    if given:
        return given
    venv = ROOT / "build" / "bench-venv"
    python = venv / "bin" / "python"
    done = venv / "complete"
    if not done.exists():
        print(f"making {venv} for the peer", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        requirements = ROOT / "tests" / "goldens" / "requirements.txt"
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", requirements]
        index = os.environ.get("KEEPSAKE_TORCH_INDEX")
        if index:
            install += ["--extra-index-url", index]
        subprocess.run(install, check=True)
        done.touch()
    return str(python)


def measure(ours, peer, part, options):
    """Seconds of each side, one entry a pair."""
    for program in (ours, peer):
        program.time(part, 1)  # first call: allocations, page faults, oneDNN's choice of kernels
    slower = max(ours.time(part, 1), peer.time(part, 1))
    iterations = max(1, round(options.seconds / slower))
    pairs = []
    for index in range(options.pairs):
        order = (ours, peer) if index % 2 == 0 else (peer, ours)
        seconds = {program: program.time(part, iterations) for program in order}
        pairs.append((seconds[ours], seconds[peer]))
    return iterations, pairs


def describe(part, iterations, pairs):
    ours = [pair[0] * 1e3 for pair in pairs]
    peer = [pair[1] * 1e3 for pair in pairs]
    ratios = [b / a for a, b in pairs]
    return "| {} | {:.1f} ({:.1f} to {:.1f}) | {:.1f} ({:.1f} to {:.1f}) | {:.2f} ({:.2f} to {:.2f}) | {} x {} |".format(
        part, statistics.median(ours), min(ours), max(ours), statistics.median(peer), min(peer),
        max(peer), statistics.median(ratios), min(ratios), max(ratios), len(pairs), iterations,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--model", default=str(ROOT / "assets" / "models" / "flowers"))
    parser.add_argument("--python", help="a Python that has tests/goldens/requirements.txt")
    parser.add_argument("--bench", default=str(ROOT / "build" / "release" / "tests" / "keepsake_bench"))
    parser.add_argument("--parts", default=",".join(PARTS))
    options = parser.parse_args()
    parts = options.parts.split(",")
    for part in parts:
        if part not in PARTS:
            parser.error(f"--parts: '{part}' is none of {', '.join(PARTS)}")
    if not pathlib.Path(options.bench).exists():
        sys.exit(f"{options.bench}: not built; run cmake --build build/release --target keepsake_bench")

    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
    arguments = [options.model, str(options.threads)]
    commands = [
        [options.bench, *arguments],
        [peer_python(options.python), str(ROOT / "tests" / "bench" / "peer.py"), *arguments],
    ]

    print(f"float32, {options.threads} threads, {options.model}")
    print("| part | Keepsake, ms | diffusers, ms | diffusers / Keepsake | pairs x calls |")
    print("| --- | --- | --- | --- | --- |")
    ours, peer = (Program(command, environment) for command in commands)
    for part in parts:
        print(describe(part, *measure(ours, peer, part, options)), flush=True)
    ours.close()
    peer.close()

    print("\n| job of a fresh process | Keepsake, peak MiB | diffusers, peak MiB | diffusers / Keepsake |")
    print("| --- | --- | --- | --- |")
    for part in (part for part in MEMORY_PARTS if part in parts):
        peaks = []
        for command in commands:
            program = Program(command, environment)
            program.time(part, 1)
            peaks.append(program.peak_mib())
            program.close()
        print(f"| {part} | {peaks[0]:.0f} | {peaks[1]:.0f} | {peaks[1] / peaks[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
