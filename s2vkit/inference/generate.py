"""`s2vkit generate`: a recording in, a video of a talking face out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit.errors import InputError
from s2vkit.files import naming_full_disk
from s2vkit.inference.marking import NOT_MARKED, marker_of
from s2vkit.inference.model import TalkingFaceModel, load_model
from s2vkit.media.image import read_image
from s2vkit.media.sound import read_speech
from s2vkit.media.video import VideoWriter
from s2vkit.registry import Registry


@dataclass(frozen=True)
class Generated:
    """The video that was written."""

    path: Path
    frames: int
    fps: float
    seconds: float  # of speech
    notes: list[str]


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
    """Make an mp4 of a recording's speech with the model of a run folder or a bundle.

    `image` is a picture of the speaker's face, for a model that animates one. `audio_track` is the
    number, from 1, of the sound track to take, where a file has several. Unless `mark` is false, the
    video is watermarked and signed as generated: with local certificates, or with those of
    `sign_with`, the files of a chain and of its key.

    Raises RunFolderError, or InputError if the recording or the picture cannot be used or the
    output cannot be written there. The file appears whole or not at all.
    """
    model, speech, output = Path(model), Path(speech), Path(output)
    _check_output(speech, output, force)
    loaded = load_model(model, device=device, registry=registry)
    face = _read_face(model, image, loaded)
    sound = read_speech(speech, loaded.sample_rate, track=audio_track)
    size, rate = loaded.size, loaded.sample_rate
    marking = marker_of(loaded.path, registry, sign_with=sign_with) if mark else None
    notes = [*sound.notes, *(marking.notes if marking else [NOT_MARKED])]
    writer = VideoWriter(output, (size, size), loaded.fps, sound.samples, rate, marking)
    with naming_full_disk(output.parent), writer as video:
        for chunk in loaded.chunks(sound.samples, rate, image=face):
            video.write(chunk)
    return Generated(output, writer.count, loaded.fps, len(sound.samples) / rate, notes)


def _read_face(path: Path, image: Path | None, model: TalkingFaceModel) -> np.ndarray | None:
    """Read the picture that the model needs, or none: (size, size, 3) uint8."""
    if model.needs_image and image is None:
        raise InputError(
            f"{path}: this model animates an image of the speaker, and none is given",
            hint="add `--image FACE.png`: a face cropped as those of its corpus are",
        )
    if image is None:
        return None
    if not model.needs_image:
        raise InputError(f"{path}: this model needs speech alone, not {image}", hint="leave `--image` out")
    return read_image(Path(image), model.size)


def _check_output(speech: Path, output: Path, force: bool) -> None:
    if output.suffix.lower() != ".mp4":
        raise InputError(f"{output}: the output must be named .mp4", hint="for example -o out.mp4")
    if output.is_dir():
        raise InputError(f"{output}: is a folder; name a file")
    if output.exists():
        if speech.exists() and output.samefile(speech):
            raise InputError(f"{output}: is the recording itself; name another output")
        if not force:
            raise InputError(f"{output}: is there already", hint="give --force to replace it")
