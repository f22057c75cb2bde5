"""What this processor reaches in torch, and the versions. Usage: python peaks.py THREADS

One JSON line: gemm and conv in GFLOP/s, the best of several runs (a peak, not a mean): a product of
two 1024 x 1024 matrices, and a 3x3 convolution of 2 x 320 x 64 x 64 (Stable Diffusion's first
level) in channels_last.
"""

import importlib.metadata
import json
import sys
import time

import torch


def best_seconds(call, seconds=1.5):
    call()
    best, begin = float("inf"), time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def main():
    torch.set_num_threads(int(sys.argv[1]))
    n = 1024
    a, b = torch.randn(n, n), torch.randn(n, n)
    x = torch.randn(2, 320, 64, 64).contiguous(memory_format=torch.channels_last)
    w = torch.randn(320, 320, 3, 3).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        gemm = 2 * n**3 / best_seconds(lambda: torch.mm(a, b))
        operations = 2 * x.numel() * 320 * 9
        conv = operations / best_seconds(lambda: torch.nn.functional.conv2d(x, w, padding=1))
    names = ["torch", "diffusers", "transformers", "peft", "openvino"]
    print(json.dumps({
        "gemm": gemm / 1e9, "conv": conv / 1e9,
        "torch_isa": torch.backends.cpu.get_cpu_capability(),
        "versions": {name: version(name) for name in names},
    }))


if __name__ == "__main__":
    main()
