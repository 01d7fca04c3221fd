"""The sessions of a server: as many as it takes, and none that nobody uses."""

from __future__ import annotations

import asyncio
import time

from s2vkit.serve.api_error import ApiError
from s2vkit.serve.limits import Limits
from s2vkit.serve.session import Session

_ROUND = 1.0  # s between looks for idle ones


class Sessions:
    """Sessions by their identifiers, which cannot be guessed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: dict[str, Session] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def make_room(self) -> None:
        """Raise ApiError if no further session can be begun."""
        if len(self._open) >= self._limits.max_sessions:
            raise ApiError(503, "busy", "the server has as many sessions as it can take", "try again soon", 5)

    def add(self, session: Session) -> None:
        """Keep a new session. Raises ApiError if there are too many."""
        self.make_room()
        self._open[session.id] = session

    def get(self, name: str) -> Session:
        """Find a session. Raises ApiError if there is none of this name."""
        session = self._open.get(name)
        if session is None:
            raise ApiError(
                404,
                "no_session",
                "there is no such session; it may have been closed, or idle for too long",
                "begin another by POST /v1/videos/sessions",
            )
        return session

    def remove(self, session: Session) -> None:
        """Close a session, soon; it cannot be found any more."""
        if self._open.pop(session.id, None) is not None:
            closing = asyncio.ensure_future(session.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def watch(self) -> None:
        """Close what has not been used for too long, for ever."""
        while True:
            await asyncio.sleep(min(_ROUND, self._limits.idle / 2))
            oldest = time.monotonic() - self._limits.idle
            for session in [s for s in self._open.values() if s.used < oldest]:
                self.remove(session)

    def close(self) -> None:
        """Close all."""
        for session in list(self._open.values()):
            self.remove(session)
