"""The batch that flows through every graph, and the alignment of speech to video frames.

Letters: B clips, S samples, A feature steps, V video frames, N images, H = W = size.
Speech is float32 in [-1, 1]; frames on the device are float RGB in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Batch:
    """A batch of clips; a stage finds here what it said it needs, the rest is absent."""

    names: list[str] = field(default_factory=list)
    speech: Tensor | None = None  # (B, S), zero padded
    lengths: Tensor | None = None  # (B,) samples that are speech
    frames: Tensor | None = None  # (B, V, 3, H, W) in [-1, 1], the drawn frames
    times: Tensor | None = None  # (B, V) the numbers of the drawn frames in their clips
    features: Tensor | None = None  # (B, V, D) the encoder's, at the drawn frames
    around: Tensor | None = None  # (B, V, 2R+1, D) features of each drawn frame's neighbourhood
    mismatched: Tensor | None = None  # (B, V, D) of the same clips, at other times
    summary: Tensor | None = None  # (B, E) the encoder's
    stills: Tensor | None = None  # (B, 3, H, W) the speaker's face in another clip
    sounds: Tensor | None = None  # (B, R, L+W, S) raw speech at L frames before each run and at it
    labels: dict[str, Tensor] = field(default_factory=dict)  # (B,) classes or (B, V) truth
    targets: dict[str, Tensor] = field(default_factory=dict)  # teacher's name -> (B, dim)
    maps: list[Tensor] = field(default_factory=list)  # [(B, C, h, w)] identity teacher's
    window: int = 1  # the frames are runs of so many consecutive ones

    def need(self, name: str) -> Tensor:
        """Give a field that must be there; its absence is an error of the stage's `needs`."""
        value = getattr(self, name)
        if not isinstance(value, Tensor):
            raise KeyError(f"the batch has no '{name}': the stage must name it in `needs`")
        return value


@dataclass
class Conditioning:
    """What a generator draws from: speech alone, once the students have heard it."""

    features: Tensor  # (B, V, D)
    identity: Tensor | None = None  # (B, I)
    emotion: Tensor | None = None  # (B, M)
    around: Tensor | None = None  # (B, V, 2R+1, D) where the generator's reach is R > 0
    stills: Tensor | None = None  # (B, 3, H, W) where the generator wants one
    sounds: Tensor | None = None  # (B, R, L+V/R, S) where it hears: R runs, and L frames before
    state: Any = None  # `GeneratorOutput.state` of the frames just before; then L is 0
    speech: Tensor | None = None  # (S,) the host's own: what it cuts sounds from


@dataclass
class GeneratorOutput:
    """What a generator made."""

    frames: Tensor  # (B, V, 3, H, W) in [-1, 1]
    identity_maps: list[Tensor] = field(default_factory=list)  # [(B, C, h, w)], small to large
    still: Tensor | None = None  # (B, 3, H, W) the still it drew for itself, if it did
    state: Any = None  # what it must be told to go on with the next frames, if it remembers


def speech_steps(lengths: Tensor, sample_rate: int, rate: float, steps: int) -> Tensor:
    """Count the feature steps (B,) that are speech, at least 1 and at most `steps`."""
    return (lengths * rate / sample_rate).floor().long().clamp(1, steps)


def pick_time(values: Tensor, at: Tensor) -> Tensor:
    """Pick from (B, T, D) the times `at` (B, V): (B, V, D)."""
    return values.gather(1, at.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def neighbours(features: Tensor, reach: int, start: int, stop: int) -> Tensor:
    """Give features (B, T, D) of frames start to stop and `reach` to either side.

    (B, stop - start, 2 reach + 1, D); beyond the clip its first and last are repeated.
    """
    offsets = torch.arange(-reach, reach + 1, device=features.device)
    at = torch.arange(start, stop, device=features.device)[:, None] + offsets
    return features[:, at.clamp(0, features.shape[1] - 1)]


def align(
    features: Tensor, rate: float, fps: float, frames: int, *, mode: str = "linear", shift: float = 0.0
) -> Tensor:
    """Bring features (B, A, D) at `rate` steps/s to video frames: (B, frames, D).

    Frame v covers [v, v+1) / fps. `linear` interpolates at the middle of that interval plus
    `shift` seconds; `mean` averages the steps that fall into it, moved likewise. Step a of the
    encoder stands for the time (a + 0.5) / rate. Times outside are held at the ends.
    """
    steps = features.shape[1]
    start = torch.arange(frames, dtype=torch.float64) / fps + shift  # on the CPU: mps has no float64
    if mode == "mean":
        edges = torch.stack([start, start + 1.0 / fps]).mul(rate).round().long().clamp(0, steps)
        first = edges[0].clamp(max=steps - 1)
        last = torch.maximum(edges[1], first + 1)
        first, last = first.to(features.device), last.to(features.device)
        zero = features.new_zeros(features.shape[0], 1, features.shape[2])
        sums = torch.cat([zero, features], 1).cumsum(1)
        return (sums[:, last] - sums[:, first]) / (last - first).unsqueeze(-1).to(features.dtype)
    at = ((start + 0.5 / fps) * rate - 0.5).clamp(0, steps - 1)
    low = at.floor().long()
    part = (at - low).to(features).unsqueeze(-1)
    low = low.to(features.device)
    high = (low + 1).clamp(max=steps - 1)
    return features[:, low] * (1 - part) + features[:, high] * part
