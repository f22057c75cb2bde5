#!/usr/bin/env python3
"""Increments of torchsde's Brownian tree, and the seeds that numpy's SeedSequence gives it.

Usage: python make_brownian_goldens.py        (packages: requirements.txt, and torchsde 0.2.6)

Writes brownian.json beside this file: for each tree its ends, entropy and the increments between
times of Karras' schedule, in the order in which k-diffusion's DPM++ SDE asks for them, with noise of
torch's generator on the CPU in shape (2, 3).
"""

import json
import pathlib

import numpy
import torch
import torchsde

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = [(0, []), (5, []), (2**32 + 7, []), (5, [0, 0]), (5, [3, 2]), (123456789012, [2**33 + 1, 34])]
TREES = [(0.0292, 14.6146, 5), (0.0292, 14.6146, 123456789012), (0.5, 1.0, 0)]


def sigmas(low, high, count=6):
    ramp = torch.linspace(0, 1, count, dtype=torch.float64)
    return ((high ** (1 / 7) + ramp * (low ** (1 / 7) - high ** (1 / 7))) ** 7).float().double().tolist()


def main():
    seeds = [{"entropy": entropy, "spawn_key": key,
              "state": numpy.random.SeedSequence(entropy, spawn_key=key, pool_size=24).generate_state(4).tolist()}
             for entropy, key in SEEDS]
    trees = []
    for t0, t1, entropy in TREES:
        tree = torchsde.BrownianTree(t0, torch.zeros(2, 3), t1, entropy=entropy)
        asked, values = [], sigmas(t0, t1)
        for high, low in zip(values, values[1:]):
            middle = (high * low) ** 0.5
            asked += [(middle, high), (low, high)]
        asked += [(t0 - 1, t1 + 1), (values[2], values[2] + 1e-9)]
        increments = [tree(max(a, t0), min(b, t1)).flatten().tolist() for a, b in asked]
        trees.append({"t0": t0, "t1": t1, "entropy": entropy,
                      "increments": [{"from": a, "to": b, "w": w} for (a, b), w in zip(asked, increments)]})
    (HERE / "brownian.json").write_text(json.dumps({"seeds": seeds, "trees": trees}, indent=1) + "\n")


if __name__ == "__main__":
    main()
