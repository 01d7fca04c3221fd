"""The threads that draw: some for live speech, others for whole recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Workers:
    """Runs what computes away from the event loop.

    Live speech comes in short pieces, drawn in the order of their arrival, so that sessions take
    turns. Recordings take long, and have threads of their own: they keep no session waiting.
    """

    def __init__(self, live: int, recordings: int) -> None:
        self._live = ThreadPoolExecutor(live, "s2vkit-live")
        self._recordings = ThreadPoolExecutor(recordings, "s2vkit-recording")

    async def live(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Draw a piece of live speech."""
        return await asyncio.wrap_future(self._live.submit(work, *args, **kwargs))

    async def recording(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Draw a whole recording."""
        return await asyncio.wrap_future(self._recordings.submit(work, *args, **kwargs))

    def later(self, work: Callable[[], object]) -> None:
        """Do a short piece of work whose outcome nobody waits for."""
        self._live.submit(work)

    def close(self, *, wait: bool = False) -> None:
        """Let go of the threads, or `wait` for them; what has not begun is dropped."""
        self._live.shutdown(wait, cancel_futures=True)
        self._recordings.shutdown(wait, cancel_futures=True)
