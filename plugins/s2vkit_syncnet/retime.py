"""Bringing frames and speech to the rates that a sync evaluator takes."""

from __future__ import annotations

import torch
import torchaudio.functional as audio
from torch import Tensor


def fit_rate(frames: Tensor, fps: float, wanted: float) -> Tensor:
    """Bring frames (..., V, 3, H, W) at `fps` to `wanted` a second, each the nearest in time."""
    if fps == wanted:
        return frames
    available = frames.shape[-4]
    count = round(available * wanted / fps)
    at = ((torch.arange(count) + 0.5) * fps / wanted - 0.5).round().long().clamp(0, available - 1)
    return frames.index_select(-4, at.to(frames.device))


def resample(speech: Tensor, rate: int, wanted: int) -> Tensor:
    """Bring speech (..., S) at `rate` Hz to `wanted` Hz."""
    return speech if rate == wanted else audio.resample(speech, rate, wanted)
