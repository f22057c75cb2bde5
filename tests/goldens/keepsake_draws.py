"""What Keepsake's tuning draws: timesteps and noise of step k of a stage, by (seed, stage, k) alone.

The counterpart of `draw_pairs` in optimize/training/draws.cpp, for scripts that tune with the reference library.
"""

import torch

MASK = (1 << 64) - 1
SEED = 42


def mix(z):
    """SplitMix64's finaliser."""
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draw(stage, step, batch, shape):
    """shape: of one picture's latents. -> timesteps (batch), noise (batch, *shape)."""
    generator = torch.Generator("cpu").manual_seed(mix((mix((mix(SEED) + stage) & MASK) + step) & MASK))
    timesteps = torch.randint(1000, (batch,), generator=generator)
    return timesteps, torch.randn((batch, *shape), generator=generator)
