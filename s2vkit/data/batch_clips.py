"""The clips of one batch, as the code that computes frozen features reads a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.store import ClipStore, Record
from s2vkit.interfaces.fields import FrozenFeatures

Picks = Mapping[FrozenFeatures, np.ndarray]
"""Features to compute: which frames of each clip (clips, n), segments (clips, n, 3), or the seeds of
variants (clips, n), they are of."""


class BatchClips:
    """Some clips of a corpus, numbered from 0 in their order.

    They are read on demand, or all at once by `fetch`: what has been fetched holds nothing of the
    corpus any more, and can be sent from a loader's worker.
    """

    def __init__(self, store: ClipStore, clips: np.ndarray, sample_rate: int) -> None:
        self._store: ClipStore | None = store
        self._sample_rate = sample_rate
        self.numbers = clips
        starts = np.cumsum([0, *(store.clips[i].frames for i in clips)]).tolist()
        rows = zip(clips.tolist(), starts[:-1], strict=True)
        self._clips = [replace(store.clips[i], frame=start) for i, start in rows]
        self.index = replace(store.index, clips=self._clips, rejected={})
        self._speech: dict[int, Tensor] = {}
        self._frames: dict[tuple[int, int], Tensor] = {}

    @property
    def clips(self) -> list[Record]:
        """The clips, their frames numbered on from one to the next."""
        return self._clips

    def speech(self, clip: int, rate: int | None = None) -> np.ndarray:
        """Return the speech of a clip at the encoder's rate: (S,)."""
        if self._store is not None:
            return self._store.speech(int(self.numbers[clip]), self._sample_rate)
        speech: np.ndarray = self._speech[clip].numpy()
        return speech

    def frames(self, clip: int, at: np.ndarray) -> np.ndarray:
        """Return frames of a clip: (V, H, W, 3) uint8."""
        if self._store is not None:
            return self._store.frames(int(self.numbers[clip]), at)
        return np.stack([self._frames[clip, int(n)].numpy() for n in at])

    def fetch(self, picks: Picks) -> BatchClips:
        """Read all that features are computed from, and let go of the corpus."""
        for features, chosen in picks.items():
            for row, clip in enumerate(self.numbers):
                if features.what in ("speech", "segments", "variants"):
                    self._speech[row] = torch.from_numpy(self.speech(row))
                else:
                    at = chosen[clip]
                    images = torch.from_numpy(self.frames(row, at))
                    self._frames.update(zip(((row, int(n)) for n in at), images, strict=True))
        self._store = None
        return self
