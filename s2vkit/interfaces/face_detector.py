"""The contract of a face detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Faces:
    """The faces found in one image."""

    boxes: np.ndarray  # (K, 4) left, top, right, bottom in pixels
    scores: np.ndarray  # (K,) in [0, 1]
    landmarks: np.ndarray | None = None  # (K, 5, 2) eyes, nose, mouth corners, in pixels


class FaceDetector:
    """Base of face detectors, built as `Detector(options)`."""

    blind: bool = False
    """Whether only the shape of the pictures counts: it is then given black ones, which cost nothing."""

    def __call__(self, frames: np.ndarray) -> list[Faces]:
        """Find the faces in (N, H, W, 3) uint8 RGB images, one `Faces` an image."""
        raise NotImplementedError
