"""Writing video with sound, as a file that is there whole or not at all, or into a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from s2vkit.files import replacing
from s2vkit.media.containers import MP4, Container
from s2vkit.media.resample import Resampler

_BT601, _TV_RANGE = 5, 1  # FFmpeg's numbers of the colour matrix and range written


class Marking(Protocol):
    """Marks a video as generated while it is written."""

    def mark(self, frames: np.ndarray, first: int, fps: float) -> np.ndarray:
        """Watermark uint8 (N, H, W, 3), the frames number `first` and following."""
        ...

    def sign(self, path: Path) -> None:
        """Sign the finished file in its place."""
        ...


class VideoWriter:
    """Writes a video with sound as frames come; MP4 with H.264 yuv420p and AAC unless told otherwise.

    A context manager. A file appears under its name only when all went well; an error, a
    full disk (OSError) included, removes what was begun and goes through. Odd sizes gain an
    edge pixel. Sound is encoded beside the frames it belongs to, so memory stays flat.
    """

    def __init__(
        self,
        target: str | Path | BinaryIO,
        size: tuple[int, int],
        fps: float | Fraction,
        speech: np.ndarray | None = None,
        sample_rate: int = 16000,
        marking: Marking | None = None,
        *,
        container: Container = MP4,
        sound: bool = False,
    ) -> None:
        """Take `size` (W, H), `fps` in 1/s, `speech` float32 (S,) in [-1, 1] at `sample_rate`.

        The video of a model is written with `marking`, which marks it as generated. With `sound`,
        speech comes by `write_sound` in place of at once. `target` may be an open file: what is
        written goes there at once. Raises ValueError if speech is not one finite row, InputError
        if `target` is a folder.
        """
        self.target, self.size, self.container = target, size, container
        self.fps = as_rate(fps)
        self._marking = marking
        self.count = 0  # frames written so far
        self._painter = VideoReformatter()
        _check(speech)
        self._speech, self._given, self.sample_rate = speech, 0, sample_rate
        self._with_sound = sound or speech is not None
        self._voice: _Voice | None = None
        self._scope: AbstractContextManager[VideoWriter] = self._opened()

    def __enter__(self) -> VideoWriter:
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, trace)

    @contextmanager
    def _opened(self) -> Iterator[VideoWriter]:
        place = replacing(self.target) if isinstance(self.target, str | Path) else nullcontext(self.target)
        with place as part:
            with _output(part, self.container) as self._out:
                self._video = self._add_video()
                if self._with_sound:
                    self._voice = _Voice(self._out, self.sample_rate, self.container)
                yield self
                if not self.count:
                    raise ValueError(f"{self.target}: not one frame was written")
                self._out.mux(self._video.encode(None))
                if self._voice is not None:
                    self._out.mux(self._voice.encode(self._rest()))
                    self._out.mux(self._voice.finish())
            if self._marking is not None and isinstance(part, Path) and self.container.signed:
                self._marking.sign(part)

    def _add_video(self) -> VideoStream:
        # PyAV types the codec's name as one of a few that it knows.
        stream = self._out.add_stream(self.container.video, rate=self.fps)  # type: ignore[call-overload]
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        stream.options = dict(self.container.video_options)
        context = stream.codec_context
        context.time_base = 1 / self.fps
        context.colorspace, context.color_range = _BT601, _TV_RANGE
        return stream

    def write_sound(self, samples: np.ndarray) -> None:
        """Append float32 (S,) samples of the sound."""
        assert self._voice is not None
        _check(samples)
        self._out.mux(self._voice.encode(samples))

    def _rest(self, seconds: Fraction | None = None) -> np.ndarray:
        """Take what is left of the speech that was given at once, or what is heard before `seconds`."""
        if self._speech is None:
            return np.zeros(0, np.float32)
        end = len(self._speech) if seconds is None else ceil(seconds * self.sample_rate)
        start, self._given = self._given, max(self._given, min(end, len(self._speech)))
        return self._speech[start : self._given]

    def write(self, frames: np.ndarray) -> None:
        """Append uint8 (N, H, W, 3) RGB frames, and the sound that is heard meanwhile."""
        width, height = self.size
        if frames.dtype != np.uint8 or frames.shape[1:] != (height, width, 3):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, not uint8 (N, {height}, {width}, 3)")
        if self._marking is not None:
            frames = self._marking.mark(frames, self.count, float(self.fps))
        for frame in frames:
            self._out.mux(self._video.encode(self._picture(frame)))
            self.count += 1
            if self._voice is not None:
                self._out.mux(self._voice.encode(self._rest(self.count / self.fps)))

    def _picture(self, frame: np.ndarray) -> av.VideoFrame:
        height, width = frame.shape[:2]
        even = np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
        picture = self._painter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            threads=1,  # waking others takes longer than the work
        )
        picture.pts, picture.time_base = self.count, 1 / self.fps
        return picture


class _Voice:
    """The sound track of a video."""

    def __init__(self, out: OutputContainer, sample_rate: int, container: Container) -> None:
        self._rate, self._given = container.sound_rate, 0
        self._resampler = Resampler(sample_rate, self._rate)
        stream = out.add_stream(container.sound, rate=self._rate, layout="mono", bit_rate=128_000)  # type: ignore[call-overload]
        assert isinstance(stream, AudioStream)
        stream.options = dict(container.sound_options)
        self._stream = stream

    def encode(self, samples: np.ndarray) -> list[Packet[AudioStream]]:
        """Encode the next samples (S,)."""
        block = np.ascontiguousarray(samples, np.float32).clip(-1, 1)
        return self._packets(self._resampler.push(block))

    def finish(self) -> list[Packet[AudioStream]]:
        """Encode what is left, and end the stream."""
        return self._packets(self._resampler.flush()) + self._stream.encode(None)

    def _packets(self, samples: np.ndarray) -> list[Packet[AudioStream]]:
        if not len(samples):
            return []
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
        frame.pts = self._given
        self._given += len(samples)
        return self._stream.encode(frame)


def _check(speech: np.ndarray | None) -> None:
    if speech is not None and (speech.ndim != 1 or not np.isfinite(speech).all()):
        raise ValueError(f"speech {speech.shape} is not one row of finite samples")


@contextmanager
def _output(part: Path | BinaryIO, form: Container) -> Iterator[OutputContainer]:
    target = str(part) if isinstance(part, Path) else part
    container = av.open(target, mode="w", format=form.name, container_options=dict(form.options))
    try:
        yield container
        container.close()
    except BaseException:
        with suppress(Exception):  # the first error is the one to report
            container.close()
        raise


def as_rate(fps: float | Fraction) -> Fraction:
    """Return the exact frame rate: 25 -> 25, 29.97002997 -> 30000/1001."""
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        raise ValueError(f"{fps} frames a second are not possible")
    return rate
