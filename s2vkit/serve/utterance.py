"""One utterance of a session on the worker threads: speech in, fragmented MP4 out."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import BinaryIO, cast

import numpy as np

from s2vkit.inference.live_film import LiveFilm


class _Spool(io.RawIOBase):
    """An open file whose bytes are taken away as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(cast(bytes, data))
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


class Utterance:
    """Draws one utterance. Threads may call it; it lets in one at a time."""

    def __init__(self, make: Callable[[BinaryIO], LiveFilm], number: int) -> None:
        self.number, self.told = number, False  # whether the client was told of it
        self._make, self._spool = make, _Spool()
        self._film: LiveFilm | None = None
        self._scope = ExitStack()
        self._lock, self._over = threading.Lock(), False
        self.frames, self.seconds = 0, 0.0

    def push(self, samples: np.ndarray) -> bytes:
        """Take in (S,) samples: the bytes of the MP4 that are due."""
        with self._lock:
            if self._over:
                return b""
            if self._film is None:
                self._film = self._scope.enter_context(self._make(cast(BinaryIO, self._spool)))
            self._film.push(samples)
            return self._due()

    def finish(self) -> bytes:
        """End the utterance: the rest of the MP4. Raises ValueError if it was too short for a frame."""
        with self._lock:
            if self._over or self._film is None:
                return b""
            self._over = True
            with self._scope:
                self._film.finish()
                self.frames = self._film.frames
            return self._spool.take()

    def abandon(self) -> None:
        """End the utterance where it is."""
        with self._lock:
            self._over = True
            with suppress(InterruptedError), self._scope:
                raise InterruptedError("the utterance was abandoned")

    def _due(self) -> bytes:
        assert self._film is not None
        self.frames, self.seconds = self._film.frames, self._film.seconds
        return self._spool.take()
