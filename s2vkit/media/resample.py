"""Changing the sample rate of a stream of sound, block by block."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np


class Resampler:
    """A streaming, band-limited resampler of one channel, by FFmpeg's swresample.

    It is chosen over torchaudio's, which wants the whole recording at its old rate in memory
    and the import of torch. Kaiser-windowed sinc; sound keeps its place in time, and the
    lengths of all blocks together are exactly round(S * target / source).
    """

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self._taken = self._given = 0
        self._swr = av.AudioResampler(format="fltp", layout="mono", rate=target)

    def push(self, block: np.ndarray) -> np.ndarray:
        """Take in float32 (S,), give what is ready: float32 (T,)."""
        if self.source == self.target or not len(block):
            return block
        frame = av.AudioFrame.from_ndarray(block[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = self.source, Fraction(1, self.source)
        frame.pts = self._taken
        self._taken += len(block)
        return self._pull(frame)

    def flush(self) -> np.ndarray:
        """Return the rest: float32 (T,). The resampler is spent then."""
        if not self._taken:
            return np.zeros(0, np.float32)
        before = self._given
        rest = self._pull(None)
        left = round(Fraction(self._taken * self.target, self.source)) - before
        return np.pad(rest, (0, max(0, left - len(rest))))[: max(0, left)]

    def _pull(self, frame: av.AudioFrame | None) -> np.ndarray:
        blocks = [out.to_ndarray()[0] for out in self._swr.resample(frame)]
        ready = np.concatenate([np.zeros(0, np.float32), *blocks])
        self._given += len(ready)
        return ready


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Change the rate of float32 (S,) to (round(S * target / source),)."""
    resampler = Resampler(source, target)
    first = resampler.push(np.ascontiguousarray(samples, np.float32))
    return np.concatenate([first, resampler.flush()])
