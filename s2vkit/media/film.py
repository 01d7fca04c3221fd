"""Decoding the pictures of a video in time: each with its time stamp, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from s2vkit.errors import InputError
from s2vkit.media.deinterlace import Deinterlacer
from s2vkit.media.files import decoded, open_media
from s2vkit.media.hdr import to_bt709, transfer_of
from s2vkit.media.streams import frame_rate, video_streams
from s2vkit.media.timing import Piece, Timeline, spans
from s2vkit.media.tracks import Chosen, choose_video
from s2vkit.media.upright import pose_of

_HOLE = 0.5  # s; a longer pause between pictures is reported
_AVERAGED = 0.8  # scales below it average pixels: as sharp there, and twice as fast
_SUBSAMPLED = ("yuv420p", "yuvj420p", "yuv422p", "nv12")  # formats of colours by the block
_SMALL = "yuv420p"


class Film:
    """The pictures of one video file, in the order of their times.

    Iterating decodes the file from its start, one frame held at a time, and gives
    (seconds on the container's clock, decoded frame); interlaced frames are deinterlaced.
    Damaged pieces are passed over, frames out of order are dropped; `damaged` counts both.
    `track` is the number, from 1, of the video track to read. Raises InputError if the file
    is missing, no media, without pictures, or declares more than `max_pixels`.
    """

    def __init__(self, path: str | Path, max_pixels: int = 4096 * 4096, track: int | None = None) -> None:
        self.path, self.max_pixels = Path(path), max_pixels
        self.damaged = 0
        self.notes: list[str] = []  # of the last pass, what a user may want to know
        with ExitStack() as opened:
            container = opened.enter_context(open_media(path))
            alone = len(video_streams(container)) == 1 and track in (None, 1)
            self._chosen = Chosen(0) if alone else choose_video(path, track)
            stream = self._stream(container)
            self.width, self.height = stream.codec_context.width, stream.codec_context.height
            self.aspect = _aspect(stream)  # width of a pixel, its height being 1
            self.rate = frame_rate(stream)  # frames a second, as announced
            self.origin = (container.start_time or 0) / av.time_base  # s, where the clock starts
            self._opened: ExitStack | None = opened.pop_all()
            self._at_start: InputContainer | None = container

    def close(self) -> None:
        """Close the file, if it is still open."""
        if self._opened is not None:
            self._opened.close()
        self._opened = self._at_start = None

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        self.damaged, self.notes = 0, list(self._chosen.notes)
        with ExitStack() as scope:
            if self._at_start is None:
                self._opened = ExitStack()
                self._at_start = self._opened.enter_context(open_media(self.path))
            container, self._at_start = self._at_start, None
            scope.callback(self.close)
            yield from self._timed(decoded(container, self._stream(container), av.VideoFrame, self._miss))

    def _timed(self, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[float, av.VideoFrame]]:
        timeline = Timeline[av.VideoFrame]("pictures", _HOLE, self._miss, self.notes.append, append=False)
        deinterlacer = Deinterlacer()
        step = 1 / float(self.rate)
        last, ranges = None, {""}
        pieces = (Piece(frame.time, step, frame) for frame in deinterlacer.run(frames))
        for time, frame in timeline.place(pieces):
            if last is not None and time <= last:
                self._miss()
                continue
            last = time
            ranges.add(transfer_of(frame))
            yield time, frame
        if timeline.holes:
            self.notes.append(f"no pictures at {spans(timeline.holes)}")
        if found := "/".join(sorted(ranges - {""})):
            self.notes.append(f"pictures of high dynamic range ({found}) were brought to BT.709")
        if deinterlacer.count:
            self.notes.append(f"{deinterlacer.count} interlaced pictures were deinterlaced")
        if self.damaged:
            self.notes.append(f"{self.damaged} damaged or misplaced pictures were left out")

    def _stream(self, container: InputContainer) -> VideoStream:
        stream = video_streams(container)[self._chosen.index]
        context = stream.codec_context
        if context is None:
            raise InputError(f"{self.path}: its pictures are of an unknown codec")
        if not context.width * context.height:
            raise InputError(f"{self.path}: no picture is complete enough to determine its size")
        if context.width * context.height > self.max_pixels:
            raise InputError(
                f"{self.path}: declares pictures of {context.width} x {context.height}, "
                f"more than {self.max_pixels} pixels"
            )
        # One thread: films are decoded side by side, and damaged ones the same way each time.
        stream.thread_type, stream.thread_count = "NONE", 1
        context.options = {"max_pixels": str(self.max_pixels)}
        return stream

    def _miss(self) -> None:
        self.damaged += 1


def _aspect(stream: VideoStream) -> float:
    ratio = float(stream.sample_aspect_ratio or 1)
    return ratio if 0.4 < ratio < 2.5 else 1.0


class Scaler:
    """Turns decoded frames into upright RGB pictures of one size, square pixels and all.

    In one thread, as films are decoded: several would mostly wait for each other.
    """

    def __init__(self, film: Film, scale: float = 1.0) -> None:
        """Take the factor by which pictures become smaller or larger."""
        self.width = max(2, round(film.width * film.aspect * scale))
        self.height = max(2, round(film.height * scale))
        self.scale = scale
        self._filter = Interpolation.AREA if scale < _AVERAGED else Interpolation.BICUBIC
        self._shrinker, self._painter = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Return uint8 RGB (H, W, 3), turned and mirrored as the frame asks."""
        if transfer := transfer_of(frame):
            picture = to_bt709(self._paint(frame, "rgb48le", Colorspace.BT2020), transfer)
        else:
            picture = self._paint(self.shrink(frame), "rgb24")
        return pose_of(frame).apply(picture)

    def _paint(self, frame: av.VideoFrame, kind: str, colours: Colorspace | None = None) -> np.ndarray:
        size = (self.width, self.height)
        painted = self._painter.reformat(frame, *size, kind, colours, interpolation=self._filter, threads=1)
        return painted.to_ndarray()

    def blank(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a black picture of the same shape, for those who will not look at it."""
        sides = (self.height, self.width)
        return np.zeros((*(sides[::-1] if pose_of(frame).swaps else sides), 3), np.uint8)

    def shrink(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return a frame at its small size, planar still, where that saves time; else itself.

        Planes shrink in half the time that FFmpeg takes for scaling and colours at once. Colours
        stay at half the size, as JPEG keeps them: on a 224 px frame that is a root mean square
        error of 3.5 grey levels in place of 2.9.
        """
        if self.scale >= 1 or not frame.format.name.startswith(_SUBSAMPLED) or transfer_of(frame):
            return frame
        return self._shrinker.reformat(
            frame, self.width, self.height, _SMALL, interpolation=self._filter, threads=1
        )
