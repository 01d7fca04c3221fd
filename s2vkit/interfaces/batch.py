"""The batch that flows through every graph, and the alignment of speech to video frames.

Letters: B clips, S samples, A feature steps, V video frames, N images, H = W = size.
Speech is float32 in [-1, 1]; frames on the device are float RGB in [-1, 1]. As they are loaded, and
on the way to the device, pictures are uint8 (..., H, W, 3): a quarter of the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from s2vkit.interfaces.pixels import to_images


@dataclass
class Batch:
    """A batch of clips: what the fields of a stage loaded, by key (see `interfaces/fields`)."""

    names: list[str]
    labels: dict[str, Tensor] = field(default_factory=dict)  # (B,) classes, or (B, V) known truth
    data: dict[str, Tensor | list[Tensor]] = field(default_factory=dict)  # first dimension B
    window: int = 1  # the frames are runs of so many consecutive ones

    def __getitem__(self, key: str) -> Tensor:
        """Return a tensor by its key. Raises KeyError if no field loaded it."""
        value = self.data.get(key)
        if not isinstance(value, Tensor):
            raise KeyError(f"the batch has no '{key}': the stage must list its field in `fields`")
        return value

    def get(self, key: str) -> Tensor | None:
        """Return a tensor by its key, or None if no field loaded it."""
        value = self.data.get(key)
        return value if isinstance(value, Tensor) else None

    @property
    def identity_maps(self) -> list[Tensor]:
        """The identity teacher's maps [(B, C, h, w)]; empty if no field loaded them."""
        maps = self.data.get("identity_maps", [])
        return maps if isinstance(maps, list) else [maps]

    def tensors(self) -> Iterator[Tensor]:
        """Return every tensor of the data, those in lists too."""
        for value in self.data.values():
            yield from value if isinstance(value, list) else [value]

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Batch:
        """Return a copy on a device, where pictures that were bytes are float (..., 3, H, W) in [-1, 1]."""

        def put(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=non_blocking)

        there = self._map(put)
        for key, value in there.data.items():
            if isinstance(value, Tensor) and _is_picture(value):
                there.data[key] = to_images(value)
        return there

    def pin_memory(self) -> Batch:
        """Return a copy in memory that a GPU can read while it computes; a DataLoader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        labels = {name: change(value) for name, value in self.labels.items()}
        data = {
            key: [change(one) for one in value] if isinstance(value, list) else change(value)
            for key, value in self.data.items()
        }
        return Batch(self.names, labels, data, self.window)


def _is_picture(value: Tensor) -> bool:
    return value.dtype is torch.uint8 and value.dim() >= 4 and value.shape[-1] == 3


@dataclass
class Conditioning:
    """The input of a generator: speech alone, once the students have mapped it to codes."""

    features: Tensor  # (B, V, D)
    codes: dict[str, Tensor] = field(default_factory=dict)  # side -> (B, dim)
    context: Tensor | None = None  # (B, V, 2R+1, D) where the generator's context radius is R > 0
    reference_images: Tensor | None = None  # (B, 3, H, W) where the generator takes one
    audio_windows: Tensor | None = None  # (B, R, L+V/R, S) where it takes raw speech: R runs, L before
    state: Any = None  # `GeneratorOutput.state` of the frames just before; then L is 0
    frames: Tensor | None = None  # (B, V, 3, H, W) the real ones, in training, where it sees poses in them
    mouths: Tensor | None = None  # (B, V, 2) opening and width of the mouths in these, where it sees mouths
    times: Tensor | None = None  # (1 or B, V) numbers of the frames in their clips; None: not known
    speech: Tensor | None = None  # (S,) the pipeline's own: what it cuts audio windows from


@dataclass
class GeneratorOutput:
    """What a generator outputs, or the same for a real clip."""

    frames: Tensor  # (B, V, 3, H, W) in [-1, 1]
    identity_maps: list[Tensor] = field(default_factory=list)  # [(B, C, h, w)], small to large
    reference_image: Tensor | None = None  # (B, 3, H, W) the one it drew for itself, if it did
    state: Any = None  # what it must be given with the next frames, if it remembers


def speech_steps(lengths: Tensor, sample_rate: int, rate: float, steps: int) -> Tensor:
    """Count the feature steps (B,) that are speech, at least 1 and at most `steps`."""
    return (lengths * rate / sample_rate).floor().long().clamp(1, steps)


def pick_time(values: Tensor, at: Tensor) -> Tensor:
    """Gather the times `at` (B, V) from (B, T, D): (B, V, D)."""
    return values.gather(1, at.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def neighbours(features: Tensor, radius: int, start: int, stop: int) -> Tensor:
    """Return features (B, T, D) of frames start to stop and `radius` to either side.

    (B, stop - start, 2 radius + 1, D); beyond the clip its first and last are repeated.
    """
    offsets = torch.arange(-radius, radius + 1, device=features.device)
    at = torch.arange(start, stop, device=features.device)[:, None] + offsets
    return features[:, at.clamp(0, features.shape[1] - 1)]


def align(
    features: Tensor,
    rate: float,
    fps: float,
    frames: int,
    *,
    mode: str = "linear",
    shift: float = 0.0,
    start: int = 0,
    first: int = 0,
) -> Tensor:
    """Align features (B, A, D) at `rate` steps/s with video frames: (B, frames, D).

    Frame v covers [v, v+1) / fps. `linear` interpolates at the middle of that interval plus
    `shift` seconds; `mean` averages the steps that fall into it, moved likewise. Step a of the
    encoder stands for the time (a + 0.5) / rate. Times outside are clamped to the ends. A piece of a
    longer clip is aligned as within it: `start` is its first frame, `first` its first step.
    """
    steps = features.shape[1]
    # On the CPU, as mps has no float64.
    begin = torch.arange(start, start + frames, dtype=torch.float64) / fps + shift
    if mode == "mean":
        edges = torch.stack([begin, begin + 1.0 / fps]).mul(rate).round().long()
        edges = (edges.clamp(min=0) - first).clamp(0, steps)
        low = edges[0].clamp(max=steps - 1)
        high = torch.maximum(edges[1], low + 1)
        low, high = low.to(features.device), high.to(features.device)
        zero = features.new_zeros(features.shape[0], 1, features.shape[2])
        sums = torch.cat([zero, features], 1).cumsum(1)
        return (sums[:, high] - sums[:, low]) / (high - low).unsqueeze(-1).to(features.dtype)
    at = (((begin + 0.5 / fps) * rate - 0.5).clamp(min=0) - first).clamp(0, steps - 1)
    low = at.floor().long()
    part = (at - low).to(features).unsqueeze(-1)
    low = low.to(features.device)
    high = (low + 1).clamp(max=steps - 1)
    return features[:, low] * (1 - part) + features[:, high] * part
