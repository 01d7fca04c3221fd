"""From the source's own frames to frames at a steady rate, by time stamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av

MAX_FRAME_SECONDS = 0.5  # s; a frame that stands longer is no moving picture, and time is left out
_FUZZ = 1e-6  # s; of time stamps that fall on the edge between two frames


@dataclass(frozen=True)
class Shown:
    """A frame of the source at one place of the steady grid."""

    place: int  # its time is place / fps seconds from the first picture
    frame: av.VideoFrame


class Grid:
    """Returns what the source shows at the middle of each frame of a steady rate.

    An event of the source then moves by at most half a frame, whatever the source's rate;
    the nearest time stamp would show a long-standing frame's successor too early. Where the
    source stands still for more than half a second, the places in between are left out.
    """

    def __init__(self, timed: Iterable[tuple[float, av.VideoFrame]], fps: float) -> None:
        self.timed, self.fps = timed, fps
        self.first: float | None = None  # s, time stamp of the first picture
        self.last = 0.0
        self.count = 0  # frames of the source
        self._steps, self._moving = 0, 0.0  # between frames that follow each other, and their seconds

    def __iter__(self) -> Iterator[Shown]:
        before: tuple[float, av.VideoFrame] | None = None
        place = 0
        for time, frame in self.timed:
            if self.first is None or before is None:
                self.first = time
            else:
                if time - before[0] <= MAX_FRAME_SECONDS:
                    self._steps, self._moving = self._steps + 1, self._moving + time - before[0]
                yield from self._stand(before, time, place)
                place = max(place, self._place_at(time))
            before, self.last = (time, frame), time
            self.count += 1
        if before is not None:
            yield from self._stand(before, self.last + 1 / self.source_fps, place)

    def _stand(self, before: tuple[float, av.VideoFrame], until: float, place: int) -> Iterator[Shown]:
        time, frame = before
        if until - time > MAX_FRAME_SECONDS:
            until = time + min(MAX_FRAME_SECONDS, 1 / self.source_fps)
        for k in range(place, self._place_at(until)):
            yield Shown(k, frame)

    def _place_at(self, time: float) -> int:
        """Count the places whose middles lie before `time`."""
        middle = (time - (self.first or 0.0) - _FUZZ) * self.fps + 0.5
        return max(0, int(middle))

    @property
    def source_fps(self) -> float:
        """Frames a second of the source, by its time stamps and without its holes; 25 of one frame."""
        if self._moving > 0:
            return self._steps / self._moving
        length = self.last - (self.first or 0.0)
        return (self.count - 1) / length if length > 0 else 25.0
