"""Speech of any length, decoded once into a temporary file and read back in pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from s2vkit.media.sound import Reading, read_into

PIECE = 4.0  # seconds read back at once


class SpeechFile:
    """The speech of a file as `read_speech` gives it, in memory that does not grow with it.

    A context manager, and a recording that can be gone through any number of times. The
    temporary file takes four bytes a sample, 230 MB an hour at 16 kHz, and goes by itself.
    """

    def __init__(
        self, path: str | Path, sample_rate: int, track: int | None = None, longest: float | None = None
    ) -> None:
        """Decode the file; raises what `read_speech` raises, and InputError beyond `longest` seconds."""
        self._spool = _Spool()
        try:
            reading = _SpooledReading(str(path), sample_rate, self._spool)
            reading.longest = longest
            reading.finish_spool(*read_into(reading, path, track))
        except BaseException:
            self._spool.close()
            raise
        self.sample_rate, self.seconds, self.notes = sample_rate, reading.seconds, reading.notes
        self.samples = reading.count  # how many there are
        self._scale = max(1.0, self._spool.peak)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spool.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        piece = int(PIECE * self.sample_rate)
        for start in range(0, self.samples, piece):
            block = self._spool.read(start, min(piece, self.samples - start))
            yield block if self._scale == 1 else (block / np.float32(self._scale)).clip(-1, 1)

    def peak(self) -> float:
        """Return the greatest absolute value of all samples."""
        return self._spool.peak / self._scale


class _Spool(list[np.ndarray]):
    """A list of blocks that writes what is appended to a temporary file, and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the owner)
        self.length, self.low, self.high = 0, 0.0, 0.0

    @property
    def peak(self) -> float:
        return max(self.high, -self.low)

    def append(self, block: np.ndarray) -> None:
        if not len(block):
            return
        low, high = float(block.min()), float(block.max())
        self.low, self.high = (min(low, self.low), max(high, self.high)) if self.length else (low, high)
        self.length += len(block)
        self._file.write(np.ascontiguousarray(block, np.float32).tobytes())

    def read(self, start: int, count: int) -> np.ndarray:
        self._file.seek(4 * start)
        return np.frombuffer(self._file.read(4 * count), np.float32).copy()

    def close(self) -> None:
        self._file.close()


class _SpooledReading(Reading):
    """A reading whose blocks go to a file."""

    def __init__(self, name: str, sample_rate: int, spool: _Spool) -> None:
        super().__init__(name, sample_rate)
        self._blocks = self._spool = spool
        self.count = 0

    def finish_spool(self, announced: float, exact: bool, shortest: float = 0.1) -> None:
        """Check the whole, as `finish` does."""
        self._flush()
        spool = self._spool
        self.count = self._check(spool.length, spool.low, spool.high, announced, exact, shortest)
        self._note_peak(spool.peak)
