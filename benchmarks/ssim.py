"""How much faster than torchmetrics our SSIM is, with the same result, in one run on the CPU.

python benchmarks/ssim.py [--frames 64] [--size 64 128 256]

Both measure RGB frames in [0, 1] with Wang's Gaussian window (11x11, sigma 1.5) at every pixel,
ends reflected, as torchmetrics' `structural_similarity_index_measure` does. What is compared:
seconds for a clip of so many frames, the best of several taken in turns.
"""

from __future__ import annotations

import argparse

import torch
from measuring import best_of, machine
from s2vkit_metrics import SsimOptions
from s2vkit_metrics.likeness import Ssim
from torchmetrics.functional.image import structural_similarity_index_measure as theirs

PROMISED = 5.0


def main() -> None:
    """Print a line for each size, and whether the promise is kept for every one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(machine())
    ratios = [_line(given.frames, size, given.rounds) for size in given.size]
    kept = min(ratios) >= PROMISED
    print(f"at least {PROMISED:g} times as fast: {'yes' if kept else 'NO'} ({min(ratios):.1f})")
    raise SystemExit(0 if kept else 1)


def _line(frames: int, size: int, rounds: int) -> float:
    torch.manual_seed(0)
    true = torch.rand(frames, 3, size, size)
    made = (true + 0.1 * torch.randn_like(true)).clamp(0, 1)
    metric = Ssim(SsimOptions(borders="reflect"))
    apart = abs(metric.mean(made, true) - float(theirs(made, true, data_range=1.0)))
    best = best_of(
        {"ours": lambda: metric.mean(made, true), "torchmetrics": lambda: theirs(made, true, data_range=1.0)},
        rounds,
    )
    ratio = best["torchmetrics"] / best["ours"]
    print(
        f"{frames} frames of {size} px: ours {best['ours'] * 1e3:.1f} ms, torchmetrics "
        f"{best['torchmetrics'] * 1e3:.1f} ms, {ratio:.1f} times; results {apart:.1e} apart"
    )
    return ratio


if __name__ == "__main__":
    main()
