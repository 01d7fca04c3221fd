"""What marks one video while it is written: the watermark of each frame, the signature of the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit.interfaces.watermark import Watermark
from s2vkit.marking.manifest import Maker
from s2vkit.marking.signing import FileSigner


@dataclass(frozen=True)
class Marker:
    """Marks the videos of one model; `VideoWriter` takes it as `marking`."""

    maker: Maker
    watermark: Watermark | None
    signer: FileSigner | None
    notes: tuple[str, ...] = ()  # what could not be done, to be shown once

    @property
    def payload(self) -> int:
        """Return the bits of the watermark: the beginning of the hash of the model's weights."""
        bits = self.watermark.bits if self.watermark else 0
        return int(self.maker.model, 16) >> (256 - bits) if bits else 0

    def mark(self, frames: np.ndarray, first: int, fps: float) -> np.ndarray:
        """Watermark uint8 (N, H, W, 3), the frames number `first` and following of a video."""
        if self.watermark is None:
            return frames
        return self.watermark.embed(frames, first, fps, self.payload)

    def sign(self, path: Path) -> None:
        """Sign a finished mp4 in its place, if there is something to sign with."""
        if self.signer is not None:
            self.signer.sign(path, self.maker)
