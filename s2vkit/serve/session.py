"""A live session: speech comes in chunks, and what is drawn waits to be read."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np

from s2vkit.inference.live_film import PCM_BYTES, LiveFilm, from_pcm
from s2vkit.media.codecs import mime_of
from s2vkit.serve.api_error import ApiError
from s2vkit.serve.limits import Limits
from s2vkit.serve.outbox import Outbox, Part
from s2vkit.serve.utterance import Utterance
from s2vkit.serve.workers import Workers

_PIECE = 0.5  # s of speech that a worker draws at most before it turns to another session
_UNREAD = 1_000_000  # bytes that are kept for a client that does not read
_PATIENCE = 10.0  # s that a session waits for such a client


class Session:
    """The utterances of one client, one after another. One event loop uses it."""

    def __init__(
        self, make: Callable[[BinaryIO], LiveFilm], sample_rate: int, workers: Workers, limits: Limits
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.sample_rate = sample_rate
        self.outbox = Outbox(_UNREAD, min(_PATIENCE, limits.idle))
        self.busy = self.read = self.closed = False  # a chunk, a reader at work
        self._make, self._workers, self._limits = make, workers, limits
        self._utterance = Utterance(make, 1)
        self.touch()

    def touch(self) -> None:
        """Note that it is in use."""
        self.used = time.monotonic()

    @property
    def state(self) -> dict[str, Any]:
        """Describe the utterance that goes on."""
        now = self._utterance
        return {"utterance": now.number, "seconds": round(now.seconds, 3), "frames": now.frames}

    async def push(self, pcm: bytes) -> None:
        """Draw 16-bit PCM. Raises ApiError if it is none, is too much, or nobody reads what is drawn."""
        self.touch()
        check_pcm(pcm)
        now, most = self._utterance, self._limits.max_seconds
        if now.seconds + len(pcm) / PCM_BYTES / self.sample_rate > most:
            raise ApiError(
                413, "too_long", f"an utterance has at most {most:g} s", "finish it, and begin another"
            )
        for piece in self._pieces(from_pcm(pcm)):
            await self._give(now, await self._workers.live(now.push, piece))
            self.touch()
            if now is not self._utterance:  # interrupted meanwhile
                return

    def _pieces(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        step = int(_PIECE * self.sample_rate)
        return (samples[start : start + step] for start in range(0, len(samples), step))

    async def _give(self, now: Utterance, data: bytes) -> None:
        if not data or now is not self._utterance:
            return
        if not now.told:
            now.told = True
            await self.outbox.put(Part(now.number, event="utterance", facts={"mime": mime_of(data)}))
        await self.outbox.put(Part(now.number, data))

    async def finish(self) -> None:
        """End the utterance: what is left of it is drawn, and the next speech begins another."""
        self.touch()
        now = self._utterance
        try:
            await self._give(now, await self._workers.live(now.finish))
        except ValueError:  # not one frame
            await self._workers.live(now.abandon)
        if now is self._utterance:
            self._utterance = Utterance(self._make, now.number + 1)
            await self.outbox.put(Part(now.number, event="ended", facts=self._facts(now)))

    async def interrupt(self) -> None:
        """Drop the utterance and all of it that was not read; the next speech begins another."""
        self.touch()
        now, self._utterance = self._utterance, Utterance(self._make, self._utterance.number + 1)
        await self.outbox.replace(Part(now.number, event="interrupted", facts=self._facts(now)))
        await self._workers.live(now.abandon)

    def _facts(self, now: Utterance) -> dict[str, Any]:
        return {"seconds": round(now.seconds, 3), "frames": now.frames}

    async def close(self) -> None:
        """End the session and what waits for it."""
        if not self.closed:
            self.closed = True
            await self.outbox.close()
            self._workers.later(self._utterance.abandon)


def check_pcm(pcm: bytes) -> None:
    """Raise ApiError if bytes are no whole samples."""
    if len(pcm) % PCM_BYTES:
        raise ApiError(422, "not_pcm", "an odd number of bytes is no 16-bit sound", "send mono 16-bit PCM")
