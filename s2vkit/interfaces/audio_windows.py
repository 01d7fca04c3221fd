"""Raw speech around video frames, for generators that take it as input."""

from __future__ import annotations

import torch
from torch import Tensor


def at_peak(speech: Tensor) -> Tensor:
    """Normalise speech (S,) to a peak of 1; silence stays as it is."""
    peak = speech.abs().max() if speech.numel() else speech.new_zeros(())
    return speech / peak if peak > 0 else speech


def cut_speech(
    speech: Tensor, rate: int, fps: float, frames: Tensor, samples: int, *, first: int = 0
) -> Tensor:
    """Cut `samples` of speech (S,) at `rate` Hz around the middle of each frame (...,).

    Returns (..., samples). Frames may be before the first (negative) or after the last one;
    what lies outside the speech is 0. Of a piece of longer speech, `first` is its first sample.
    """
    middle = ((frames.cpu().double() + 0.5) * rate / fps).round().long().to(speech.device)
    at = middle.unsqueeze(-1) + torch.arange(samples, device=speech.device) - samples // 2 - first
    inside = (at >= 0) & (at < len(speech))
    return speech[at.clamp(0, max(0, len(speech) - 1))] * inside
