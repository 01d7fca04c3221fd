"""A video that is written while somebody speaks: samples go in, frames and sound are written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np

from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.steering import Steering
from s2vkit.media.sinks import Resizer, Sink, Target, open_sink
from s2vkit.media.video import Marking

PCM_BYTES = 2  # of a sample: PCM is 16-bit, little-endian, mono


def from_pcm(data: bytes) -> np.ndarray:
    """Return the samples of 16-bit little-endian PCM: float32 (S,) in [-1, 1)."""
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


class LiveFilm:
    """One utterance of unknown length and its video, written frame by frame as speech comes.

    A context manager; one thread at a time may use it. What is written to an open file goes
    there at once.
    """

    def __init__(
        self,
        model: TalkingFaceModel,
        steering: Mapping[str, Steering],
        sample_rate: int,
        target: Target,
        form: str = "mp4",
        *,
        size: int | None = None,
        marking: Marking | None = None,
    ) -> None:
        self.sample_rate, self.fps = sample_rate, model.fps
        self._live = model.stream_of(sample_rate, steering)
        self._resize = Resizer(size or model.size)
        self._opened = open_sink(target, form, self._resize.size, model.fps, sample_rate, marking)
        self._sink: Sink
        self._scope = ExitStack()

    @property
    def frames(self) -> int:
        """The number of frames written."""
        return self._sink.count

    @property
    def seconds(self) -> float:
        """The length of the speech that was taken in."""
        return self._live.samples / self.sample_rate

    def __enter__(self) -> Self:
        self._scope.enter_context(self._live)
        self._sink = self._scope.enter_context(self._opened)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._scope.__exit__(kind, error, trace)

    def push(self, samples: np.ndarray) -> None:
        """Take in (S,) samples in [-1, 1], and write the frames that are due."""
        frames = self._resize(self._live.push(samples))
        self._sink.write_sound(samples)
        if len(frames):
            self._sink.write(frames)

    def finish(self) -> None:
        """Write the frames that are left, so that they last as long as the speech."""
        if len(rest := self._live.finish()):
            self._sink.write(self._resize(rest))
