"""Writing video with sound: MP4 that every player takes, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from fractions import Fraction
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from s2vkit.files import replacing
from s2vkit.media.resample import Resampler

SOUND_RATE = 48000  # Hz; every player takes it, and it is 16 kHz times three
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
    """Writes an MP4 (H.264 yuv420p, AAC 48 kHz mono, index in front) as frames come.

    A context manager. The file appears under its name only when all went well; an error, a
    full disk (OSError) included, removes what was begun and goes through. Odd sizes gain an
    edge pixel. Sound is encoded beside the frames it belongs to, so memory stays flat.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float | Fraction,
        speech: np.ndarray | None = None,
        sample_rate: int = 16000,
        marking: Marking | None = None,
    ) -> None:
        """Take `size` (W, H), `fps` in 1/s, `speech` float32 (S,) in [-1, 1] at `sample_rate`.

        The video of a model is written with `marking`, which marks it as generated.

        Raises ValueError if speech is not one finite row, InputError if `path` is a folder.
        """
        self.path, self.size = Path(path), size
        self.fps = as_rate(fps)
        self._marking = marking
        self.count = 0  # frames written so far
        self._voice = None if speech is None else _Voice(speech, sample_rate)
        self._scope: AbstractContextManager[VideoWriter] = self._opened()

    def __enter__(self) -> VideoWriter:
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, trace)

    @contextmanager
    def _opened(self) -> Iterator[VideoWriter]:
        with replacing(self.path) as part:
            with _output(part) as self._out:
                self._video = self._add_video()
                if self._voice is not None:
                    sound = self._out.add_stream("aac", rate=SOUND_RATE, layout="mono", bit_rate=128_000)
                    self._voice.stream = sound
                yield self
                if not self.count:
                    raise ValueError(f"{self.path}: not one frame was written")
                self._out.mux(self._video.encode(None))
                if self._voice is not None:
                    self._out.mux(self._voice.rest())
            if self._marking is not None:
                self._marking.sign(part)

    def _add_video(self) -> VideoStream:
        stream = self._out.add_stream("libx264", rate=self.fps)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "18"}
        context = stream.codec_context
        context.time_base = 1 / self.fps
        context.colorspace, context.color_range = _BT601, _TV_RANGE
        return stream

    def _add_sound(self) -> AudioStream:
        stream = self._out.add_stream("aac", rate=SOUND_RATE, layout="mono")
        stream.bit_rate = 128_000
        return stream

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
                self._out.mux(self._voice.up_to(self.count / self.fps))

    def _picture(self, frame: np.ndarray) -> av.VideoFrame:
        height, width = frame.shape[:2]
        even = np.pad(frame, [(0, height % 2), (0, width % 2), (0, 0)], mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG"
        )
        picture.pts, picture.time_base = self.count, 1 / self.fps
        return picture


class _Voice:
    """The speech of a video, encoded as far as the frames have come."""

    stream: AudioStream

    def __init__(self, speech: np.ndarray, sample_rate: int) -> None:
        if speech.ndim != 1 or not np.isfinite(speech).all():
            raise ValueError(f"speech {speech.shape} is not one row of finite samples")
        self._speech, self._rate = speech, sample_rate
        self._resampler = Resampler(sample_rate, SOUND_RATE)
        self._taken = self._given = 0

    def up_to(self, seconds: Fraction) -> list[Packet[AudioStream]]:
        """Encode the sound before `seconds`."""
        end = min(len(self._speech), ceil(seconds * self._rate))
        block = self._speech[self._taken : end].astype(np.float32).clip(-1, 1)
        self._taken = max(end, self._taken)
        return self._encode(self._resampler.push(block))

    def rest(self) -> list[Packet[AudioStream]]:
        """Encode what is left, and end the stream."""
        packets = self.up_to(Fraction(len(self._speech), self._rate))
        return packets + self._encode(self._resampler.flush()) + self.stream.encode(None)

    def _encode(self, samples: np.ndarray) -> list[Packet[AudioStream]]:
        if not len(samples):
            return []
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        frame.pts = self._given
        self._given += len(samples)
        return self.stream.encode(frame)


@contextmanager
def _output(part: Path) -> Iterator[OutputContainer]:
    # The time scale holds whole frames at 25 and at 30000/1001 a second; the default, 1000, not.
    options = {"movflags": "+faststart", "movie_timescale": "90000"}
    container = av.open(str(part), mode="w", format="mp4", container_options=options)
    try:
        yield container
        container.close()
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell of
            container.close()
        raise


def as_rate(fps: float | Fraction) -> Fraction:
    """Return the exact frame rate: 25 -> 25, 29.97002997 -> 30000/1001."""
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        raise ValueError(f"{fps} frames a second are not possible")
    return rate
