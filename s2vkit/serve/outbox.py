"""What a session has drawn and nobody has taken yet: never more than so many bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from s2vkit.serve.api_error import ApiError


@dataclass(frozen=True)
class Part:
    """A piece of the MP4 of one utterance, or something to be told of it."""

    utterance: int
    data: bytes = b""
    event: str = ""  # "utterance" before its first bytes, "ended" or "interrupted" after its last
    facts: Mapping[str, Any] = field(default_factory=dict)


class Outbox:
    """A queue between the worker that draws and the client that reads. One event loop uses it."""

    def __init__(self, most: int, patience: float) -> None:
        """Hold at most `most` bytes, and wait `patience` seconds for room."""
        self._most, self._patience = most, patience
        self._parts: deque[Part] = deque()
        self._size, self._closed, self._dropped = 0, False, 0
        self._changed = asyncio.Condition()

    async def put(self, part: Part) -> None:
        """Append a part as soon as there is room. Raises ApiError if none comes up."""
        async with self._changed:
            try:
                async with asyncio.timeout(self._patience):
                    await self._changed.wait_for(lambda: self._closed or self._size < self._most)
            except TimeoutError as error:
                raise ApiError(
                    409, "not_read", "what was drawn is not read", "read the stream while you send speech"
                ) from error
            if part.utterance > self._dropped:
                self._append(part)

    def _append(self, part: Part) -> None:
        if not self._closed:
            self._parts.append(part)
            self._size += len(part.data)
            self._changed.notify_all()

    async def take(self) -> Part | None:
        """Wait for the next part; None when no more will come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._parts or self._closed)
            if not self._parts:
                return None
            part = self._parts.popleft()
            self._size -= len(part.data)
            self._changed.notify_all()
            return part

    async def replace(self, part: Part) -> None:
        """Forget the utterance that this part ends, as far as it was not taken, and append the part."""
        async with self._changed:
            self._parts.clear()
            self._size, self._dropped = 0, part.utterance
            self._append(part)
            self._changed.notify_all()

    async def close(self) -> None:
        """End the queue; what is in it is forgotten."""
        async with self._changed:
            self._parts.clear()
            self._size, self._closed = 0, True
            self._changed.notify_all()
