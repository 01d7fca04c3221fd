"""The contract of a face detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass
class Faces:
    """The faces found in one image."""

    boxes: np.ndarray  # (K, 4) left, top, right, bottom in pixels
    scores: np.ndarray  # (K,) in [0, 1]
    landmarks: np.ndarray | None = None  # (K, 5, 2) eyes, nose, mouth corners, in pixels


@runtime_checkable
class FaceDetector(Protocol):
    """Built as `Detector(options)`.

    One that asks for the pictures' shape alone may say so by a class attribute `blind = True`;
    it is then handed black ones, and nobody need paint them.
    """

    def __call__(self, frames: np.ndarray) -> list[Faces]:
        """Find the faces in (N, H, W, 3) uint8 RGB images, one `Faces` an image."""
        ...
