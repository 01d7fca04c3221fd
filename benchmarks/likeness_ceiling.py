"""How near to the synthetic corpus' frames a picture can come that knows all that speech can tell.

python benchmarks/likeness_ceiling.py runs/.cache/corpus-synthetic-*

For each held-out clip three pictures are taken that no network draws: the mean of the training
frames of the same speaker, of the same emotion besides, and of the same opening of the mouth too.
What is left is drawn by chance: how the head sways, how the clip is lit, blinks, grain. Prints SSIM
and PSNR.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from s2vkit_metrics.structure import ssim
from torch import Tensor

from s2vkit.data.store import ClipStore

OPENINGS = (0.05, 0.15, 0.3, 0.5, 0.75)  # edges between kinds of mouth
FRAMES = 8  # measured of each clip
Found = dict[str, list[tuple[float, float]]]


def main() -> None:
    """Measure every corpus given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", type=Path, nargs="+", help="prepared corpora, in a run's cache")
    for folder in parser.parse_args().corpora:
        store = ClipStore(folder)
        for name, pairs in measure(store).items():
            likeness, decibels = np.mean(pairs, axis=0)
            print(f"{store.index.size} px, {name}: SSIM {likeness:.3f}, PSNR {decibels:.1f} dB")


def measure(store: ClipStore) -> Found:
    """Return SSIM and PSNR of every held-out clip, for each kind of picture."""
    learnt: dict[tuple[str, str], list[int]] = defaultdict(list)
    for clip in store.split("train"):
        learnt[_who_and_how(store, clip)].append(clip)
    pictures = {key: _means(store, clips) for key, clips in learnt.items()}
    speakers: dict[str, list[Tensor]] = defaultdict(list)
    for (who, _), means in pictures.items():
        speakers[who].append(means[None])
    found: Found = defaultdict(list)
    for clip in store.split("test"):
        means = pictures[_who_and_how(store, clip)]
        person = torch.stack(speakers[store.clips[clip].labels["identity"]]).mean(0)
        at = np.linspace(0, store.clips[clip].frames - 1, FRAMES).round().astype(int)
        kinds = np.digitize(store.truth(clip)["mouth_aperture"][at], OPENINGS)
        true = _images(store.frames(clip, at))
        whole = means[None].expand_as(true)
        opened = torch.stack([means.get(int(kind), means[None]) for kind in kinds])
        found["speaker known"].append(_likeness(person.expand_as(true).contiguous(), true))
        found["and emotion"].append(_likeness(whole.contiguous(), true))
        found["and opening of the mouth"].append(_likeness(opened, true))
    return found


def _who_and_how(store: ClipStore, clip: int) -> tuple[str, str]:
    labels = store.clips[clip].labels
    return labels["identity"], labels["emotion"]


def _means(store: ClipStore, clips: list[int]) -> dict[int | None, Tensor]:
    """Return the mean picture of clips (None) and of their frames of each kind of mouth."""
    frames = np.concatenate([store.frames(clip) for clip in clips])
    kinds = np.digitize(np.concatenate([store.truth(clip)["mouth_aperture"] for clip in clips]), OPENINGS)
    means: dict[int | None, Tensor] = {None: _mean(frames)}
    means.update({int(kind): _mean(frames[kinds == kind]) for kind in np.unique(kinds)})
    return means


def _mean(frames: np.ndarray) -> Tensor:
    return _images(frames.mean(0, dtype=np.float32)[None])[0]


def _images(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).float().contiguous() / 255


def _likeness(made: Tensor, true: Tensor) -> tuple[float, float]:
    error = (made - true).square().mean((1, 2, 3))
    return float(ssim(made, true).mean()), float((-10 * error.log10()).mean())


if __name__ == "__main__":
    main()
