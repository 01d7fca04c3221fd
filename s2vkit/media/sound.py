"""Reading speech: any audio file, or the audio track of any video, as mono samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from s2vkit.errors import InputError
from s2vkit.media.files import decoded, open_media
from s2vkit.media.resample import Resampler
from s2vkit.media.streams import video_streams

SILENCE = 10 ** (-60 / 20)  # -60 dBFS
_GAP = 0.1  # s; a hole in the time stamps of a video that is filled with silence
_KINDS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_SCALES = {"u1": 1 / 128, "i2": 1 / 2**15, "i4": 1 / 2**31, "i8": 1 / 2**63}
_WIDE = {"i4": np.float64, "i8": np.float64, "f4": np.float64, "f8": np.float64}  # to sum in


class Block(NamedTuple):
    """A decoded piece of sound."""

    time: float | None  # s on the container's clock, where it has a time stamp
    sample_rate: int  # Hz
    samples: np.ndarray  # (S,) float32, the mean of the channels


@dataclass
class Sound:
    """Speech as it was read."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    sample_rate: int
    seconds: float  # of the source, silence before a late start included
    notes: list[str] = field(default_factory=list)  # what a user may want to know


def read_speech(path: str | Path, sample_rate: int = 16000, shortest: float = 0.1) -> Sound:
    """Read the first sound track of a file: mean of its channels, resampled.

    In a video, sound keeps its place from the start of the container: a late start and holes
    become silence. What can be decoded of a damaged file is used, with a note. Memory grows
    with the output alone. Raises InputError if the file is missing, empty, not media,
    without sound, undecodable, not finite, silent, or shorter than `shortest` seconds.
    """
    with open_media(path) as container:
        if not container.streams.audio:
            raise InputError(f"{path}: has no sound track", hint="give a sound file, or a video with sound")
        stream = container.streams.audio[0]
        track = _Track(str(path), sample_rate, *_origin(container))
        for block in sound_blocks(container, stream, track.miss):
            track.take(block)
        announced = _announced(container, stream)
        exact = bool(stream.duration) and "mp4" in container.format.name
    return track.finish(announced, exact, shortest)


def _origin(container: InputContainer) -> tuple[float | None, float]:
    """Find the second at which a video's time starts (None without video), and its length."""
    length = (container.duration or 0) / av.time_base
    return ((container.start_time or 0) / av.time_base if video_streams(container) else None), length


def _announced(container: InputContainer, stream: AudioStream) -> float:
    """Return the seconds of sound that the file's headers promise, 0 where they do not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return 0.0 if container.streams.video else (container.duration or 0) / av.time_base


class _Track:
    """A sound track on its way from decoded frames to one array."""

    def __init__(self, name: str, sample_rate: int, origin: float | None, length: float) -> None:
        self.name, self.sample_rate = name, sample_rate
        self.origin, self.length = origin, length
        self.seconds, self.padding, self.damaged = 0.0, 0.0, 0
        self.notes: list[str] = []
        self._blocks: list[np.ndarray] = []
        self._resampler: Resampler | None = None

    def miss(self) -> None:
        """Count a piece that cannot be decoded."""
        self.damaged += 1

    def take(self, decoded_block: Block) -> None:
        """Append a decoded block, after the silence that its time stamp asks for."""
        time, rate, block = decoded_block
        if not np.isfinite(block).all():
            raise InputError(
                f"{self.name}: holds NaN or infinite samples (near {self.seconds:.2f} s)",
                hint="write it again from its source",
            )
        if rate < 1000:
            raise InputError(f"{self.name}: a sample rate of {rate} Hz cannot hold speech")
        if self._resampler is None or self._resampler.source != rate:
            self._flush()
            self._resampler = Resampler(rate, self.sample_rate)
        if silence := round(self._missing(time) * rate):
            self.padding = silence / rate if not self.seconds else self.padding
            block = np.concatenate([np.zeros(silence, np.float32), block])
        self._blocks.append(self._resampler.push(block))
        self.seconds += len(block) / rate

    def _missing(self, time: float | None) -> float:
        if self.origin is None or time is None:
            return 0.0
        missing = time - self.origin - self.seconds
        if missing > max(self.length, _GAP):  # no hole can be longer than the file
            self.damaged += 1
            return 0.0
        return missing if missing > (_GAP if self.seconds else 0.0) else 0.0

    def _flush(self) -> None:
        if self._resampler is not None:
            self._blocks.append(self._resampler.flush())

    def finish(self, announced: float, exact: bool, shortest: float) -> Sound:
        """Join the blocks, and refuse what is no speech."""
        self._flush()
        samples = np.concatenate([np.zeros(0, np.float32), *self._blocks])
        self._blocks.clear()
        surplus = self.seconds - self.padding - announced
        if exact and 0 < surplus < _GAP:  # an encoder fills its last block with zeros
            self.seconds -= surplus
            samples = samples[: round(self.seconds * self.sample_rate)]
        self._refuse(samples, shortest)
        if self.damaged:
            self.notes.append(f"{self.damaged} damaged pieces of the sound were left out")
        if announced - self.seconds > max(0.5, 0.05 * announced):
            self.notes.append(
                f"the file promises {announced:.1f} s of sound but only {self.seconds:.1f} s "
                "could be read; it may be cut off"
            )
        return Sound(self._within(samples), self.sample_rate, self.seconds, self.notes)

    def _refuse(self, samples: np.ndarray, shortest: float) -> None:
        if not len(samples):
            why = "cannot be decoded" if self.damaged else "holds no samples"
            raise InputError(f"{self.name}: the sound track {why}")
        if self.seconds < shortest:
            raise InputError(f"{self.name}: only {self.seconds:.3f} s of sound; {shortest:g} s is the least")
        if (float(samples.max()) - float(samples.min())) / 2 < SILENCE:
            raise InputError(
                f"{self.name}: is silent (below -60 dBFS all along), so there is no speech in it",
                hint="check that the right track was recorded or exported",
            )

    def _within(self, samples: np.ndarray) -> np.ndarray:
        peak = float(np.abs(samples).max())
        if peak <= 1:
            return samples
        if peak > 1.05:  # less is the ripple of lossy codecs and of resampling
            self.notes.append(f"samples reach {peak:.4g}; all were scaled down to fit [-1, 1]")
        return (samples / np.float32(peak)).clip(-1, 1)


def sound_blocks(
    container: InputContainer, stream: AudioStream, damaged: Callable[[], None]
) -> Iterator[Block]:
    """Decode a sound track to mono blocks; calls `damaged` for each piece that cannot be decoded."""
    for frame in decoded(container, stream, av.AudioFrame, damaged):
        yield Block(frame.time, frame.sample_rate, mono(frame))


def mono(frame: av.AudioFrame) -> np.ndarray:
    """Average the channels of a frame of any sample format: float32 (S,), full scale at 1."""
    kind = _KINDS[frame.format.name.rstrip("p")]
    channels = len(frame.layout.channels)
    if frame.format.is_planar:  # without to_ndarray, which takes as long as decoding does
        data = [np.frombuffer(memoryview(plane), kind, frame.samples) for plane in frame.planes]
    else:
        packed = np.frombuffer(memoryview(frame.planes[0]), kind, frame.samples * channels)
        data = list(packed.reshape(-1, channels).T)
    total: NDArray[Any] = data[0].astype(_WIDE.get(kind, np.float32))
    with np.errstate(over="ignore", invalid="ignore"):  # told of as infinite
        for other in data[1:]:
            total += other
        if kind == "u1":
            total -= 128 * channels
        total *= _SCALES.get(kind, 1.0) / channels
        return np.asarray(total, np.float32)
