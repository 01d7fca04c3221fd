"""What a client has sent and nothing has been drawn of yet: never more than so many bytes."""

from __future__ import annotations

import asyncio
from collections import deque


class Inbox:
    """A queue of speech between the socket and the workers. One event loop uses it.

    What waits is drawn at once, since short pieces cost more: who is behind catches up.
    """

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._waiting: deque[bytes | None] = deque()
        self._changed = asyncio.Condition()

    async def put(self, pcm: bytes | None) -> None:
        """Append speech as soon as there is room; None ends the utterance."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._size < self._most)
            self._waiting.append(pcm)
            self._size += len(pcm or b"")
            self._changed.notify_all()

    async def take(self) -> bytes | None:
        """Wait for speech: all of this utterance that is there, or None at its end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting)
            taken = []
            while self._waiting and (pcm := self._waiting[0]) is not None:
                taken.append(pcm)
                self._waiting.popleft()
            if not taken:
                self._waiting.popleft()
                return None
            self._size -= sum(map(len, taken))
            self._changed.notify_all()
            return b"".join(taken)

    async def clear(self) -> None:
        """Forget all of it."""
        async with self._changed:
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()
