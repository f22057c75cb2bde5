#!/usr/bin/env python3
"""Training by several processes: measured on this machine, and reckoned for many.

Usage: python many_machines.py --keepsake PROGRAM PICTURES     measures (docs/many-machines.md)
       python many_machines.py --reckon                        prints the table of many machines

Measured: seconds a step of `keepsake train unet` with the bundled model's build, at the same batch,
of one process of one thread, one of two threads, and two processes of one thread each over MPI, by
turns. A step's time is that of a longer run less that of a shorter one, so that what comes before
the first step and after the last does not count. PICTURES: a folder with captions.
Python's own library only.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

WAYS = [("1 process of 1 thread", 1, 1), ("1 process of 2 threads", 1, 2),
        ("2 processes of 1 thread", 2, 1)]


def seconds(options, processes, threads, steps):
    """Of learning alone, as the program says it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.keepsake, "train", "unet", options.pictures, "--out", folder + "/run",
                   "--batch", options.batch, f"--tune={steps}", "--every", 0, "--threads", threads,
                   "--quiet", "--json"]
        if processes > 1:
            command = ["mpirun", "--bind-to", "none", "--oversubscribe", "-n", processes, *command]
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1",
                           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                           OMPI_MCA_btl_vader_single_copy_mechanism="none")
        done = subprocess.run([str(word) for word in command], env=environment, text=True,
                              stdout=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: ended with status {done.returncode}")
        return json.loads(done.stdout)["seconds"]


def measure(options):
    print(f"load average: {os.getloadavg()[0]:.2f}; batch {options.batch}")
    short, long = 2, 2 + options.steps
    times = {name: [] for name, _, _ in WAYS}
    for _ in range(options.rounds):
        for name, processes, threads in WAYS:
            took = [seconds(options, processes, threads, steps) for steps in (short, long)]
            times[name].append((took[1] - took[0]) / (long - short))
    first = statistics.median(times[WAYS[0][0]])
    print("| | seconds a step | times as fast as one thread |\n| --- | --- | --- |")
    for name, all_times in times.items():
        middle = statistics.median(all_times)
        print(f"| {name} | {middle:.3f} ({min(all_times):.3f} to {max(all_times):.3f}) "
              f"| {first / middle:.2f} |")


BUCKET = 25 << 20  # optimize/training/ranks.cpp


# What rings take (Patarasu & Yuan 2009), a bucket after the other: each process sends 2 (N - 1)
# pieces of 1 / N of a bucket, one after the other.
def travel(processes, size, bandwidth, latency):
    buckets = math.ceil(size / BUCKET)
    return 2 * (processes - 1) * (buckets * latency + size / processes / bandwidth)


NETWORKS = [("1 Gbit/s Ethernet", 0.11e9, 50e-6), ("10 Gbit/s Ethernet", 1.1e9, 30e-6),
            ("100 Gbit/s InfiniBand", 11e9, 3e-6)]
# Of Stable Diffusion 1.5's U-Net: its parameters, and those of a LoRA on its transformers.
SIZES = [("all weights, 3.44 GB", 859_520_964 * 4), ("LoRA of rank 16, 27 MB", 6_782_976 * 4)]


def reckon(options):
    counts = [8, 32, 128, 1024]
    work = options.samples * options.sample_seconds
    print(f"{options.samples} samples a process and step, {options.sample_seconds:g} s each")
    print("| what learns | network | " + " | ".join(f"{n} processes" for n in counts) +
          " | samples for 80 % at 1024 |")
    print("| --- | --- |" + " --- |" * (len(counts) + 1))
    for what, size in SIZES:
        for network, bandwidth, latency in NETWORKS:
            cells = []
            for n in counts:
                extra = travel(n, size, bandwidth, latency)
                cells.append(f"{extra:.3g} s, {100 * work / (work + extra):.0f} %")
            enough = math.ceil(4 * travel(1024, size, bandwidth, latency) / options.sample_seconds)
            print(f"| {what} | {network} | " + " | ".join(cells) + f" | {max(1, enough)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="?", type=pathlib.Path)
    parser.add_argument("--keepsake", type=pathlib.Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reckon", action="store_true")
    parser.add_argument("--samples", type=int, default=4, help="a process and step")
    parser.add_argument("--sample-seconds", type=float, default=1.0, help="of one of them")
    options = parser.parse_args()
    if options.reckon:
        return reckon(options)
    if not (options.keepsake and options.pictures):
        parser.error("give --keepsake and PICTURES, or --reckon")
    options.keepsake, options.pictures = options.keepsake.resolve(), options.pictures.resolve()
    return measure(options)


if __name__ == "__main__":
    sys.exit(main())
