"""Reading speech: any audio file, or the audio track of any video, as mono samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer

from s2vkit.errors import InputError
from s2vkit.media.channels import mono
from s2vkit.media.files import decoded, open_media, states_length
from s2vkit.media.resample import Resampler
from s2vkit.media.streams import video_streams
from s2vkit.media.timing import Piece, Timeline, spans
from s2vkit.media.tracks import Chosen, choose_sound, sound_tracks

SILENCE = 10 ** (-60 / 20)  # -60 dBFS
_GAP = 0.1  # s; a longer hole in the time stamps is filled with silence


class Block(NamedTuple):
    """A decoded piece of sound."""

    sample_rate: int  # Hz
    samples: np.ndarray  # (S,) float32, its channels mixed to one


@dataclass
class Sound:
    """Speech as it was read."""

    samples: np.ndarray  # (S,) float32 in [-1, 1]
    sample_rate: int
    seconds: float  # of the source, silence before a late start included
    notes: list[str] = field(default_factory=list)  # what a user may want to know


def read_speech(
    path: str | Path, sample_rate: int = 16000, shortest: float = 0.1, track: int | None = None
) -> Sound:
    """Read the speech of a file: the track and the channels that hold it, resampled.

    `track` is the number, from 1, of the sound track to read. Sound keeps its place in time:
    holes become silence, and in a video a late start too. What can be decoded of a damaged file
    is used, with a note. Memory grows with the output alone. Raises InputError if the file is
    missing, empty, not media, without sound, undecodable, not finite, silent, or shorter than
    `shortest` seconds.
    """
    reading = Reading(str(path), sample_rate)
    return reading.finish(*read_into(reading, path, track), shortest)


def read_into(reading: Reading, path: str | Path, track: int | None) -> tuple[float, bool]:
    """Decode the speech of a file into a reading: what `finish` wants to know of the file."""
    chosen = choose_sound(path, track)
    with open_media(path) as container:
        stream = sound_tracks(container)[chosen.index]
        reading.start = (container.start_time or 0) / av.time_base if video_streams(container) else None
        reading.notes += chosen.notes
        timeline = Timeline[Block]("sound", _GAP, reading.miss, reading.notes.append, append=True)
        for time, block in sound_blocks(container, chosen, timeline, reading.miss):
            reading.take(time, block)
        announced = _announced(container, stream, path)
        exact = bool(stream.duration) and "mp4" in container.format.name
    if timeline.holes:
        reading.notes.append(f"the recording has holes, silent here: {spans(timeline.holes)}")
    return announced, exact


def _announced(container: InputContainer, stream: AudioStream, path: str | Path) -> float:
    """Return the seconds of sound that the file's headers promise, 0 where they only estimate."""
    if not states_length(container, path):
        return 0.0
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return 0.0 if container.streams.video else (container.duration or 0) / av.time_base


class Reading:
    """A sound track on its way from decoded blocks to one array."""

    def __init__(self, name: str, sample_rate: int) -> None:
        self.name, self.sample_rate = name, sample_rate
        self.start: float | None = None  # s on the container's clock; None: where the first block is
        self.longest: float | None = None  # s; what is longer is refused while it is decoded
        self.seconds, self.padding, self.damaged = 0.0, 0.0, 0
        self.notes: list[str] = []
        self._blocks: list[np.ndarray] = []
        self._resampler: Resampler | None = None

    def miss(self) -> None:
        """Count a piece that cannot be used."""
        self.damaged += 1

    def take(self, time: float, decoded_block: Block) -> None:
        """Append a decoded block, after the silence that its time asks for."""
        rate, block = decoded_block
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
        missing = self._missing(time)
        if self.longest is not None and self.seconds + missing + len(block) / rate > self.longest:
            raise InputError(
                f"{self.name}: has more than {self.longest:g} s of sound", hint="cut it into shorter pieces"
            )
        if missing < 0:
            block = block[round(-missing * rate) :]
        elif silence := round(missing * rate):
            self.padding = silence / rate if not self.seconds else self.padding
            self._push_silence(silence)
        self._blocks.append(self._resampler.push(block))
        self.seconds += len(block) / rate

    def _push_silence(self, samples: int) -> None:
        assert self._resampler is not None
        rate = self._resampler.source
        for at in range(0, samples, 60 * rate):  # in pieces, for a hole may last hours
            piece = np.zeros(min(60 * rate, samples - at), np.float32)
            self._blocks.append(self._resampler.push(piece))
        self.seconds += samples / rate

    def _missing(self, time: float) -> float:
        """Return the seconds of sound that are missing before a block, negative where it overlaps."""
        if self.start is None:
            self.start = time
        missing = time - self.start - self.seconds
        if not self.seconds:
            return missing
        return missing if abs(missing) > _GAP else 0.0

    def _flush(self) -> None:
        if self._resampler is not None:
            self._blocks.append(self._resampler.flush())

    def finish(self, announced: float, exact: bool, shortest: float) -> Sound:
        """Join the blocks, and refuse what is no speech."""
        self._flush()
        samples = np.concatenate([np.zeros(0, np.float32), *self._blocks])
        self._blocks.clear()
        low, high = (float(samples.min()), float(samples.max())) if len(samples) else (0.0, 0.0)
        samples = samples[: self._check(len(samples), low, high, announced, exact, shortest)]
        peak = float(np.abs(samples).max())
        self._note_peak(peak)
        if peak > 1:
            samples = (samples / np.float32(peak)).clip(-1, 1)
        return Sound(samples, self.sample_rate, self.seconds, self.notes)

    def _check(
        self, samples: int, low: float, high: float, announced: float, exact: bool, shortest: float
    ) -> int:
        """Refuse what is no speech, note what is lacking: how many of the samples are sound."""
        surplus = self.seconds - self.padding - announced
        if exact and 0 < surplus < _GAP:  # an encoder fills its last block with zeros
            self.seconds -= surplus
            samples = min(samples, round(self.seconds * self.sample_rate))
        self._refuse(samples, low, high, shortest)
        if self.damaged:
            self.notes.append(f"{self.damaged} damaged pieces of the sound were left out")
        if announced - self.seconds > max(0.5, 0.05 * announced):
            self.notes.append(
                f"the file promises {announced:.1f} s of sound but only {self.seconds:.1f} s "
                "could be read; it may be cut off"
            )
        return samples

    def _refuse(self, samples: int, low: float, high: float, shortest: float) -> None:
        if not samples:
            why = "cannot be decoded" if self.damaged else "holds no samples"
            raise InputError(f"{self.name}: the sound track {why}")
        if self.seconds < shortest:
            raise InputError(
                f"{self.name}: only {self.seconds:.3f} s of sound, the minimum is {shortest:g} s"
            )
        if (high - low) / 2 < SILENCE:
            raise InputError(
                f"{self.name}: is silent (below -60 dBFS throughout), so there is no speech in it",
                hint="check that the right track was recorded or exported",
            )

    def _note_peak(self, peak: float) -> None:
        if peak > 1.05:  # less is the ripple of lossy codecs and of resampling
            self.notes.append(f"samples reach {peak:.4g}; all were scaled down to fit [-1, 1]")


def sound_blocks(
    container: InputContainer, chosen: Chosen, timeline: Timeline[Block], damaged: Callable[[], None]
) -> Iterator[tuple[float, Block]]:
    """Decode a sound track to mono blocks, each with the second on the container's clock.

    Calls `damaged` for each piece that cannot be decoded.
    """
    stream = sound_tracks(container)[chosen.index]
    frames = decoded(container, stream, av.AudioFrame, damaged)
    yield from timeline.place(
        Piece(frame.time, frame.samples / max(1, frame.sample_rate), _block(frame, chosen))
        for frame in frames
    )


def _block(frame: av.AudioFrame, chosen: Chosen) -> Block:
    return Block(frame.sample_rate, mono(frame, chosen.weights))
