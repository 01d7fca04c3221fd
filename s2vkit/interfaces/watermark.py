"""The contract of a watermark: an invisible mark in the frames of a video, and its detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Detection:
    """What a detector found in one stretch of video."""

    found: bool
    payload: int | None  # the bits read; None if no mark was found
    score: float  # comparable with `threshold`
    threshold: float  # a stretch whose score reaches it is called marked
    false_positives: float  # bound of the probability that an unmarked stretch scores as high


class Watermark:
    """Base of watermarks, built as `Watermark(options)`. Without state: every call stands alone."""

    bits: int
    """Of a payload, which lies in [0, 2 ** bits)."""

    side: int = 64
    """Pixels of the shorter side of the pictures that `detect` takes."""

    window: float = 4.0
    """Seconds of video that `detect` takes at once, where there are so many."""

    def embed(self, frames: np.ndarray, first: int, fps: float, payload: int) -> np.ndarray:
        """Mark uint8 RGB (N, H, W, 3), the frames number `first` and following of a video."""
        raise NotImplementedError

    def detect(self, luma: np.ndarray, times: np.ndarray) -> Detection:
        """Look for the mark in float32 luma (N, h, w) in [0, 255] of N frames at `times` (N,) in seconds."""
        raise NotImplementedError
