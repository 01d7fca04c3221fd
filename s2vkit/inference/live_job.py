"""`s2vkit generate --live`: speech as it comes, frames as they are drawn, and their delays."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from s2vkit.errors import InputError
from s2vkit.inference.generate import How
from s2vkit.inference.live_film import PCM_BYTES, LiveFilm, from_pcm
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.outputs import PIPE, Pair
from s2vkit.inference.steering import Steering
from s2vkit.media.sinks import WINDOW
from s2vkit.media.window import WindowClosedError

PIECE = 0.02  # s of sound read at once, at most


@dataclass
class Delays:
    """How long frames took, in seconds."""

    loading: float = 0.0  # until the model was ready
    hearing: list[float] = field(default_factory=list)  # of speech taken since a frame's first moment
    computing: list[float] = field(default_factory=list)  # from the last sample needed to the frame

    def report(self, fps: float) -> str:
        """Describe them: cold, hot, and steady after the first second."""
        steady = int(fps)
        if len(self.computing) <= steady:
            return f"too short for figures: {len(self.computing)} frames"
        hearing, computing = self.hearing[steady:], self.computing[steady:]
        hot = 1000 * self.computing[0]
        whole = [heard + computed for heard, computed in zip(hearing, computing, strict=True)]
        return (
            f"delay from a frame's first sample, ms: {_percentiles(whole)}\n"
            f"  its own {1000 / fps:.0f} ms and the speech after it: {_percentiles(hearing)}\n"
            f"  computing and writing: {_percentiles(computing)}\n"
            f"  the first frame: cold, with loading, {1000 * self.loading + hot:.0f}; hot {hot:.0f}"
        )


def go_live(
    model: TalkingFaceModel,
    pair: Pair,
    steering: Mapping[str, Steering],
    how: How,
    speech: Iterable[np.ndarray],
    *,
    sample_rate: int,
    delays: Delays,
) -> int:
    """Draw speech that comes in pieces until it ends, Ctrl-C, or its window is closed: the number of frames.

    Raises InputError if none came.
    """
    piped = pair.output == PIPE and pair.form != WINDOW
    target: BinaryIO | None = sys.stdout.buffer if piped else None
    film = LiveFilm(
        model, steering, sample_rate, target or pair.output, pair.form, size=how.size, marking=how.marking
    )
    with _quick_collections(), film, suppress(WindowClosedError):
        with suppress(KeyboardInterrupt):
            for samples in speech:
                _draw(film, samples, target, delays)
        if not film.seconds:
            raise InputError("the speech ended before any sound came")
        film.finish()
    return film.frames


@contextmanager
def _quick_collections() -> Iterator[None]:
    """Keep what is loaded from the garbage collector: going through all of it takes several frames' time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _draw(film: LiveFilm, samples: np.ndarray, target: BinaryIO | None, delays: Delays) -> None:
    """Write the frames that are due with the next samples, and note their delays."""
    begun, first = time.perf_counter(), film.frames
    film.push(samples)
    if target is not None:
        target.flush()
    took = time.perf_counter() - begun
    for number in range(first, film.frames):
        delays.hearing.append(film.seconds - number / film.fps)
        delays.computing.append(took)


def pcm_pieces(stream: BinaryIO, sample_rate: int) -> Iterator[np.ndarray]:
    """Read 16-bit PCM as soon as it comes: float32 (S,)."""
    most, rest = int(PIECE * sample_rate) * PCM_BYTES, b""
    while data := stream.read1(most):  # type: ignore[attr-defined]  # of a buffered reader
        data = rest + data
        whole = len(data) // PCM_BYTES * PCM_BYTES
        data, rest = data[:whole], data[whole:]
        yield from_pcm(data)


def _percentiles(seconds: list[float]) -> str:
    p50, p95, p99 = np.percentile(1000 * np.array(seconds), (50, 95, 99))
    return f"p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f}"
