"""Taking the combs out of interlaced pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
from av.filter import Graph


class Deinterlacer:
    """Passes frames on, those that are flagged as interlaced through FFmpeg's yadif.

    Nothing is filtered, or costs time, before the first such frame.
    """

    def __init__(self) -> None:
        self.count = 0  # interlaced frames so far
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def run(self, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Return each frame, in order; the filter needs one that follows, so it gives them late."""
        for frame in frames:
            self.count += frame.interlaced_frame
            if self._graph is None and not frame.interlaced_frame:
                yield frame
                continue
            kind = (frame.width, frame.height, frame.format.name)
            if self._graph is not None and kind != self._kind:
                yield from self._rest()
            if self._graph is None:
                self._graph, self._kind = _graph(frame), kind
            self._graph.vpush(frame)
            yield from self._ready()
        yield from self._rest()

    def _rest(self) -> Iterator[av.VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
        self._graph = None

    def _ready(self) -> Iterator[av.VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    yadif, sink = graph.add("yadif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    graph.link_nodes(source, yadif, sink)
    graph.configure()
    return graph
