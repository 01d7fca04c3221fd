"""What one server gives to its clients, and no more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_ADDRESSES = 4096  # remembered at once


@dataclass(frozen=True)
class Limits:
    """Upper bounds; the command's options of the same names."""

    max_mb: float = 64.0  # of one recording
    max_seconds: float = 600.0  # of one recording, and of one live utterance
    max_sessions: int = 32  # live at once
    max_waiting: int = 16  # recordings drawn or waiting
    idle: float = 60.0  # s without any use, after which a session is closed
    rate: int = 60  # recordings and sessions begun a minute, of one address

    @property
    def max_bytes(self) -> int:
        """The size of one recording."""
        return int(self.max_mb * 1_000_000)


class RateLimit:
    """Token buckets by address: `burst` at once, then `per_second`."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at which time

    def wait(self, address: str) -> float:
        """Take a token: 0, or the seconds after which there will be one."""
        now = self._clock()
        tokens, then = self._buckets.pop(address, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - then) * self.per_second)
        taken = tokens >= 1
        self._buckets[address] = (tokens - taken, now)
        while len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - tokens) / self.per_second
