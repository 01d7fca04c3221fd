"""What of a source gives no clip: when, and why."""

from __future__ import annotations

from s2vkit.media.timing import spans


class LeftOut:
    """The stretches of a source that are left out, by the reason."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[float, float]]] = {}

    def add(self, begin: float, end: float, why: str) -> None:
        """Add a stretch, in seconds from the first picture."""
        self._spans.setdefault(why, []).append((begin, end))

    def notes(self) -> list[str]:
        """Say what was left out, a line a reason."""
        return [f"left out: {spans(sorted(times))} ({why})" for why, times in self._spans.items()]
