"""`s2vkit generate`: recordings in, videos of a talking face out."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from s2vkit.errors import InputError
from s2vkit.files import naming_full_disk
from s2vkit.inference.marking import NOT_MARKED, marker_of
from s2vkit.inference.model import TalkingFaceModel, load_model
from s2vkit.inference.outputs import PIPE, Pair, pair_up
from s2vkit.inference.recording import Recording, SampledRecording
from s2vkit.inference.requests import Asked, steering_for
from s2vkit.inference.steering import Steering
from s2vkit.interfaces.pixels import to_uint8
from s2vkit.marking.marker import Marker
from s2vkit.media.image import read_image
from s2vkit.media.sinks import Resizer, Sink, Target, open_sink
from s2vkit.media.speech_file import SpeechFile
from s2vkit.registry import Registry

_TOGETHER = 60.0  # s; longer recordings are generated one by one, in flat memory

Progress = Callable[[float, float], None]  # seconds done, seconds in all


@dataclass(frozen=True)
class Generated:
    """The video that was written."""

    path: Path
    frames: int
    fps: float
    seconds: float  # of speech
    notes: list[str]
    delay: float = 0.0  # s from the start of a recording to its first frame
    took: float = 0.0  # s for all of it, writing included


@dataclass(frozen=True)
class How:
    """How videos are made: all but what is asked of the face."""

    size: int | None = None  # of the frames written; the model's own if None
    fps: float | None = None  # the model's own if None
    image: np.ndarray | None = None
    audio_track: int | None = None
    marking: Marker | None = None  # None: the videos are not marked as generated
    progress: Progress = field(default=lambda done, total: None)
    longest: float | None = None  # s; longer recordings are refused
    playable: bool = False  # an MP4 file plays as far as it is written, should this be killed


def generate(
    model: Path,
    speech: Path,
    output: Path,
    *,
    device: str = "auto",
    force: bool = True,
    image: Path | None = None,
    audio_track: int | None = None,
    mark: bool = True,
    sign_with: tuple[Path, Path] | None = None,
    registry: Registry | None = None,
) -> Generated:
    """Make a video of a recording's speech with the model of a run folder or a bundle.

    `image` is a picture of the speaker's face, for a model that animates one. `audio_track` is the
    number, from 1, of the sound track to take, where a file has several. Unless `mark` is false, the
    video is watermarked and signed as generated: with local certificates, or with those of
    `sign_with`, the files of a chain and of its key.

    Raises RunFolderError, or InputError if the recording or the picture cannot be used or the
    output cannot be written there. The file appears whole or not at all.
    """
    (pair,) = pair_up([Path(speech)], Path(output), None, force=force)
    loaded = load_model(Path(model), device=device, registry=registry)
    marking = marker_of(loaded.path, registry, sign_with=sign_with) if mark else None
    how = How(image=read_face(loaded, image), audio_track=audio_track, marking=marking)
    return generate_one(loaded, pair, steering_for(loaded, Asked()), how)


def generate_one(
    model: TalkingFaceModel, pair: Pair, steering: Mapping[str, Steering], how: How
) -> Generated:
    """Make one video in flat memory; unless `playable`, it appears whole or not at all. Raises InputError."""
    begun = time.perf_counter()
    with (
        _local(pair.speech) as path,
        SpeechFile(path, model.sample_rate, how.audio_track, how.longest) as speech,
    ):
        frames = model.film(speech, steering, image=how.image, fps=how.fps)
        sink, delay = _write(model, pair, how, frames, speech, speech.seconds, begun)
        took, fps = time.perf_counter() - begun, how.fps or model.fps
        notes = [*speech.notes, *notes_on(pair, how)]
        return Generated(pair.output, sink.count, fps, speech.seconds, notes, delay, took)


def generate_batch(
    model: TalkingFaceModel, pairs: Sequence[Pair], steering: Mapping[str, Steering], how: How
) -> Iterator[Generated]:
    """Make several videos, their frames generated together. Raises InputError."""
    from s2vkit.inference.batching import generate_together

    begun = time.perf_counter()
    speeches, notes = [], []
    for pair in pairs:
        with SpeechFile(pair.speech, model.sample_rate, how.audio_track) as file:
            if file.seconds > _TOGETHER:
                raise InputError(
                    f"{pair.speech}: {file.seconds:.0f} s are too long to be generated in a batch",
                    hint=f"leave --batch out for recordings of more than {_TOGETHER:g} s",
                )
            speeches.append(np.concatenate(list(file)))
            notes.append(file.notes)
    made = generate_together(model.pipeline, speeches, steering)
    for pair, speech, frames, said in zip(pairs, speeches, made, notes, strict=True):
        recording, seconds = SampledRecording(speech, model.sample_rate), len(speech) / model.sample_rate
        sink, delay = _write(model, pair, how, iter([to_uint8(frames)]), recording, seconds, begun)
        took = time.perf_counter() - begun
        notes_of = [*said, *notes_on(pair, how)]
        yield Generated(pair.output, sink.count, model.fps, seconds, notes_of, delay, took)


def _write(
    model: TalkingFaceModel,
    pair: Pair,
    how: How,
    frames: Iterator[np.ndarray],
    speech: Recording,
    seconds: float,
    begun: float,
) -> tuple[Sink, float]:
    """Write frames and speech side by side: the sink, and the seconds until the first frame."""
    size, fps, delay = how.size or model.size, how.fps or model.fps, 0.0
    resize, sound, given = Resizer(size), iter(speech), 0
    place = Path.cwd() if pair.output == PIPE else pair.output.parent
    with (
        naming_full_disk(place),
        _target(pair, how) as target,
        open_sink(target, pair.form, size, fps, model.sample_rate, how.marking) as sink,
    ):
        for chunk in frames:
            delay = delay or time.perf_counter() - begun
            sink.write(resize(chunk))
            while given < sink.count / fps * model.sample_rate and (block := next(sound, None)) is not None:
                sink.write_sound(block)
                given += len(block)
            how.progress(sink.count / fps, seconds)
        for block in sound:
            sink.write_sound(block)
    return sink, delay


def notes_on(pair: Pair, how: How) -> list[str]:
    """Say how a video is marked, where it is not marked in full."""
    if how.marking is None:
        return [NOT_MARKED]
    if pair.form == "mp4" and pair.output != PIPE and not how.playable:
        return list(how.marking.notes)
    return [f"{pair.output}: watermarked but not signed: only an MP4 file that is written whole can be"]


@contextmanager
def _target(pair: Pair, how: How) -> Iterator[Target]:
    """Yield where a video goes: its path, standard output, or its file, open, if it is to be playable."""
    if pair.output == PIPE:
        stream: BinaryIO = sys.stdout.buffer
        yield stream
    elif how.playable:
        with pair.output.open("wb") as file:  # what goes to an open file is written in fragments
            yield file
    else:
        yield pair.output


@contextmanager
def _local(speech: Path) -> Iterator[Path]:
    """Yield the recording as a file; standard input is stored in one first."""
    if speech != PIPE:
        yield speech
        return
    with tempfile.NamedTemporaryFile(prefix="standard-input-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


def read_face(model: TalkingFaceModel, image: Path | None) -> np.ndarray | None:
    """Read the picture that the model needs, or none: (size, size, 3) uint8. Raises InputError."""
    if model.needs_image and image is None:
        raise InputError(
            f"{model.path}: this model animates an image of the speaker, and none is given",
            hint="add `--image FACE.png`: a face cropped as those of its corpus are",
        )
    if image is None:
        return None
    if not model.needs_image:
        raise InputError(
            f"{model.path}: this model needs speech alone, not {image}", hint="leave `--image` out"
        )
    return read_image(image, model.size)
