"""What the frozen networks read of clips."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from s2vkit.data.store import Index, Record


class ClipReader(Protocol):
    """What is read of a corpus: of a whole `ClipStore`, or of the clips of one batch."""

    index: Index

    @property
    def clips(self) -> list[Record]:
        """The clips, in order; each says where its frames begin among those of all."""
        ...

    def speech(self, clip: int, rate: int | None = None) -> np.ndarray:
        """Return the speech of a clip (S,) at `rate` Hz."""
        ...

    def frames(self, clip: int, at: np.ndarray) -> np.ndarray:
        """Return frames of a clip: (V, H, W, 3) uint8."""
        ...
