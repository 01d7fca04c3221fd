"""Time stamps as far as they can be believed: holes stay, stray stamps go, restarts are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

_STEP = 1.0  # s; a time stamp further off than this is believed only if the next one agrees
_WINDOW = 10.0  # s; how far behind it the next one may lie
_FARTHEST = 6 * 3600.0  # s; no recording is believed to pause for longer
_SHOWN = 3  # spans that are listed one by one

T = TypeVar("T")


class Piece(NamedTuple, Generic[T]):
    """A decoded piece of a stream."""

    time: float | None  # s on the container's clock, where it has a time stamp
    lasts: float  # s
    item: T


class _Waiting(NamedTuple, Generic[T]):
    """A piece whose time stamp leaps: the next one will show whether it can be believed."""

    time: float
    piece: Piece[T]


class Timeline(Generic[T]):
    """Puts the pieces of one stream at the times at which they were recorded.

    A stamp that leaps is believed where the next piece follows it. Then it is a hole; those
    longer than `hole` seconds are listed in `holes`. Where time starts again, the rest is left
    out, or appended if `append` is true. `miss` is called for each stray piece, `note` with what
    a user may want to know.
    """

    def __init__(
        self, what: str, hole: float, miss: Callable[[], None], note: Callable[[str], None], append: bool
    ) -> None:
        self.what, self.hole, self.append = what, hole, append
        self.holes: list[tuple[float, float]] = []  # s from the first piece: begin, end
        self._miss, self._note = miss, note
        self._due: float | None = None  # s, where the next piece is expected
        self._first, self._shift = 0.0, 0.0

    def place(self, pieces: Iterable[Piece[T]]) -> Iterator[tuple[float, T]]:
        """Return each believable piece with its time in seconds, as they come."""
        waiting: _Waiting[T] | None = None
        for piece in pieces:
            time = self._expected(waiting) if piece.time is None else piece.time + self._shift
            if self._due is not None and abs(time - self._due) <= _STEP:
                if waiting is not None:
                    self._miss()
                waiting = None
                yield self._give(time, piece)
            elif waiting is None or not 0 <= time - waiting.time <= _WINDOW:
                if waiting is not None:
                    self._miss()
                waiting = _Waiting(time, piece)
            else:
                moved = self._move_to(waiting.time)
                if moved is None:
                    return
                yield self._give(waiting.time + moved, waiting.piece)
                yield self._give(time + moved, piece)
                waiting = None
        if waiting is not None and self._due is None:
            yield self._give(waiting.time, waiting.piece)
        elif waiting is not None:
            self._miss()

    def _expected(self, waiting: _Waiting[T] | None) -> float:
        if waiting is not None:
            return waiting.time + waiting.piece.lasts
        return 0.0 if self._due is None else self._due

    def _give(self, time: float, piece: Piece[T]) -> tuple[float, T]:
        if self._due is None:
            self._first = self._due = time
        elif time - self._due > self.hole:
            self.holes.append((self._due - self._first, time - self._first))
        self._due = max(time, self._due) + piece.lasts
        return time, piece.item

    def _move_to(self, time: float) -> float | None:
        """Go on at a confirmed time: give by how much later it counts; None leaves the rest out."""
        if self._due is None or 0 < time - self._due <= _FARTHEST:
            return 0.0
        after = f"after {self._due - self._first:.2f} s of {self.what}"
        leaps = "starts again" if time < self._due else f"leaps to {time - self._first:.0f} s"
        if not self.append:
            self._note(f"time {leaps} {after}; the rest of it is left out")
            return None
        self._note(f"time {leaps} {after}; the rest of it follows on there")
        moved = self._due - time
        self._shift += moved
        return moved


def spans(times: Sequence[tuple[float, float]]) -> str:
    """Write stretches of time: 1.20-2.40 s, 3.00-4.00 s and 2 more."""
    more = f" and {len(times) - _SHOWN} more" if len(times) > _SHOWN else ""
    return ", ".join(f"{begin:.2f}-{end:.2f} s" for begin, end in times[:_SHOWN]) + more
