"""The loudness at each frame: a field of a batch that s2vkit does not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from s2vkit import BatchField, BatchSizes, BatchSource, ClipSample


@dataclass(frozen=True)
class Loudness(BatchField):
    """`loudness` (B, V): the root mean square of the speech at each sampled frame, times `scale`."""

    scale: float = 1.0

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Any]:
        """Measure the speech of each frame."""
        rate, fps = source.sample_rate, source.store.index.fps
        length, rows = round(rate / fps), []
        for clip, frames in zip(sample.clips.tolist(), sample.frames, strict=True):
            speech = torch.from_numpy(source.store.speech(clip, rate))
            starts = [round(frame * rate / fps) for frame in frames.tolist()]
            rows.append(torch.stack([speech[at : at + length].square().mean().sqrt() for at in starts]))
        return {"loudness": self.scale * torch.stack(rows)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Any]:
        """Make some up."""
        return {"loudness": noise(sizes.clips, sizes.frames).abs()}
