"""How sharp the synthetic corpus would be without its grain, which no generator can tell from speech.

python benchmarks/grain.py [--size 64 128] [--clips 24]

Draws clips of the corpus twice, as they are and with a camera that has no grain, and prints the metric
`sharpness` and SSIM of the second beside the first: the ceilings of a generator that draws every line right
and no grain.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from measuring import print_table
from s2vkit_metrics.detail import laplacian
from s2vkit_metrics.likeness import luma, unit
from s2vkit_metrics.structure import ssim
from s2vkit_synthetic import SyntheticOptions, corpus
from torch import Tensor

from s2vkit.interfaces.pixels import to_images
from s2vkit.nn import face_part

REGIONS = ("face", "mouth")
EVERY = 6  # of a clip's frames, one of so many is measured


def main() -> None:
    """Measure every size asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128], help="px")
    parser.add_argument("--clips", type=int, default=24)
    args = parser.parse_args()
    rows = [[f"{size} px", *(f"{share:.2f}" for share in measure(size, args.clips))] for size in args.size]
    print_table(("", *(f"sharpness, {region}" for region in REGIONS), "SSIM"), rows)


def measure(size: int, count: int) -> np.ndarray:
    """Return the sharpness of each region and SSIM, means over clips from all of the corpus."""
    clips = corpus.SyntheticCorpus(SyntheticOptions(size=size), seed=1234)
    return np.mean([_shares(clips, int(i)) for i in np.linspace(0, len(clips.clips()) - 1, count)], axis=0)


def _shares(clips: corpus.SyntheticCorpus, index: int) -> list[float]:
    true = _frames(clips, index)
    lighting = corpus.lighting
    with mock.patch.object(corpus, "lighting", lambda rng: replace(lighting(rng), grain=0.0)):
        clean = _frames(clips, index)
    shares = [_sharpness(clean, region) / _sharpness(true, region) for region in REGIONS]
    return [*shares, float(ssim(clean, true).mean())]


def _frames(clips: corpus.SyntheticCorpus, index: int) -> Tensor:
    frames = np.asarray(clips.load(index).frames)[::EVERY]
    return unit(to_images(torch.from_numpy(frames)))


def _sharpness(frames: Tensor, region: str) -> float:
    return float(laplacian(face_part(luma(frames), region)).abs().mean())


if __name__ == "__main__":
    main()
