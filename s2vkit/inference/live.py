"""Frames while somebody speaks: each as soon as the speech it shows has come."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np

from s2vkit.errors import InputError
from s2vkit.inference.frame_stream import FrameStream, Scene, needs_speech
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.inference.steering import Steering
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.media.resample import Resampler


class LiveStream:
    """One utterance of unknown length: samples go in, frames come out. Made by `model.stream`.

    Where identity and emotion are both asked for, the frames are those of the whole recording;
    else they settle as speech comes. A context manager; one thread at a time may use it.
    """

    def __init__(
        self, pipeline: InferencePipeline, sample_rate: int, steering: Mapping[str, Steering]
    ) -> None:
        if pipeline.graph.encoder.stream() is None:
            raise InputError(
                "the audio encoder of this model encodes whole windows, so it cannot go live",
                hint="train one whose encoder streams, as cpc does",
            )
        if sample_rate < 1000:
            raise InputError(f"a sample rate of {sample_rate} Hz cannot hold speech")
        settles = needs_speech(pipeline.graph.students, steering)
        self.pipeline, self.sample_rate = pipeline, sample_rate
        self._stream = FrameStream(pipeline, Scene(steering, None if settles else {}), chunk=1)
        self._resampler = Resampler(sample_rate, pipeline.sample_rate)
        self._ended = False
        self.samples = 0  # taken so far, at `sample_rate`

    @property
    def frames(self) -> int:
        """The number of frames given so far."""
        return self._stream.frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take in (S,) samples in [-1, 1]: the frames that are due, uint8 (n, size, size, 3), n >= 0.

        Raises InputError if the samples are no row of finite numbers, or the utterance has ended.
        """
        block = np.asarray(samples, np.float32)
        if block.ndim != 1 or not np.isfinite(block).all():
            raise InputError(f"speech {block.shape} is not one row of finite samples")
        if self._ended:
            raise InputError("this utterance has ended", hint="begin another by `model.stream`")
        self.samples += len(block)
        return self._take(self._resampler.push(block))

    def finish(self) -> np.ndarray:
        """End the utterance: the frames that are left, so that they last as long as the speech."""
        if self._ended or not self.samples:
            return self._none()
        first = self._take(self._resampler.flush())
        self._ended = True
        return np.concatenate([first, *map(to_uint8, self._stream.finish())])

    def _take(self, samples: np.ndarray) -> np.ndarray:
        return np.concatenate([self._none(), *map(to_uint8, self._stream.push(samples))])

    def _none(self) -> np.ndarray:
        size = self.pipeline.graph.data_spec.size
        return np.zeros((0, size, size, 3), np.uint8)
