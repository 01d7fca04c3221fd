"""How often D_sync takes a matched pair of a frame and its speech for more real than a mismatched one.

python benchmarks/sync_pairs.py RUN [--pairs 16]

Takes the lip-sync expert (`sync_expert`) of a finished run as it was when `compose` began and as it was
when `compose` ended, and shows it real pairs of held-out clips; a mismatched one has speech of another
time of the same clip, five frames away or more. Prints the AUC over all matched and all mismatched pairs
of a split: 0.5 is guessing. A run's own log has it too, of fewer pairs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from measuring import print_table
from rich.console import Console
from s2vkit_discriminators.log_mel import log_mel
from torch import Tensor

from s2vkit.benchmark.measure import opened
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.discriminator import Discriminator
from s2vkit.interfaces.pixels import to_images
from s2vkit.plugins import registry
from s2vkit.tensors import load_modules

SYNC = "discriminator.sync"
RATE = 16000
GAP = 5  # frames between a time and a mismatch, at least
WHEN = {"compose begins": "pretrain_sync", "compose has ended": "compose"}  # whose weights it has then


def main() -> None:
    """Print the AUC of both splits at both times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--pairs", type=int, default=16, help="of each clip")
    given = parser.parse_args()
    rows = []
    with opened(given.run, Console(stderr=True), registry(), device="cpu") as run, torch.no_grad():
        expert = run.graph.discriminators["sync"]
        for when, stage in WHEN.items():
            load_modules(given.run / "stages" / stage / "weights.safetensors", {SYNC: expert})
            for split in ("val", "test"):
                matched, other = scores(expert, run.store, split, given.pairs)
                rows.append((when, split, str(len(matched)), f"{auc(matched, other):.3f}"))
    print_table(("when", "split", "pairs", "AUC"), rows)


def scores(expert: Discriminator, store: ClipStore, split: str, pairs: int) -> tuple[Tensor, Tensor]:
    """Score the pairs of every clip of a split: matched (N,) and mismatched (N,)."""
    (field,) = expert.fields
    random, fps, found = np.random.default_rng(0), store.index.fps, []
    for clip in store.split(split):
        at = random.integers(0, store.clips[clip].frames, pairs)
        frames = to_images(torch.from_numpy(store.frames(clip, at))).unsqueeze(1)
        spectrum = log_mel(store, clip, RATE, field.n_mels)
        wrong = np.array([random.choice(far_from(one, store.clips[clip].frames)) for one in at])
        found.append([expert(frames, field.cut(spectrum, times, fps))[:, 0] for times in (at, wrong)])
    matched, other = (torch.cat(kind) for kind in zip(*found, strict=True))
    return matched, other


def far_from(time: int, frames: int) -> np.ndarray:
    """Return the times of a clip that are no match for one of them."""
    times = np.arange(frames)
    return times[abs(times - time) >= GAP]


def auc(matched: Tensor, other: Tensor) -> float:
    """Return the share of pairs of pairs that are ordered right; the scores of real pairs are low (Eq. 6)."""
    return float((matched[:, None] < other).float().mean())


if __name__ == "__main__":
    main()
