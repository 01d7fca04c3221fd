"""`s2vkit generate`: a recording in, a talking face out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2vkit.device import choose
from s2vkit.errors import InputError
from s2vkit.files import naming_full_disk
from s2vkit.inference.bundle import load_model
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.graph import Graph
from s2vkit.media.image import read_image
from s2vkit.media.sound import read_speech
from s2vkit.media.video import VideoWriter
from s2vkit.plugins import registry as installed
from s2vkit.registry import Registry
from s2vkit.report.pictures import to_uint8


@dataclass(frozen=True)
class Generated:
    """What was made."""

    path: Path
    frames: int
    fps: float
    seconds: float  # of speech
    notes: list[str]


def generate(
    run: Path,
    speech: Path,
    output: Path,
    *,
    device: str = "auto",
    force: bool = True,
    image: Path | None = None,
    registry: Registry | None = None,
) -> Generated:
    """Make an mp4 of a recording's speech with the model of a run.

    `image` is a picture of the speaker's face, for a model that animates one.

    Raises RunFolderError, or InputError where the recording or the picture cannot be used or the
    output cannot be written there. The file appears whole or not at all.
    """
    run, speech, output = Path(run), Path(speech), Path(output)
    _check_output(speech, output, force)
    graph, recipe = load_model(run, registry or installed())
    still = _still(run, image, graph)
    sound = read_speech(speech, graph.encoder.sample_rate)
    policy = choose(recipe.compute.model_copy(update={"device": device, "precision": "fp32"}))
    listener = InferencePipeline(graph, recipe.alignment, policy)
    frames = listener.frames_of(len(sound.samples))
    size, fps = graph.world.size, graph.world.fps
    writer = VideoWriter(output, (size, size), fps, speech=sound.samples, sample_rate=listener.sample_rate)
    with naming_full_disk(output.parent), writer as video:
        for chunk in listener.draw(listener.hear(sound.samples, frames, still)):
            video.write(to_uint8(chunk))
    return Generated(output, frames, fps, len(sound.samples) / listener.sample_rate, list(sound.notes))


def _still(run: Path, image: Path | None, graph: Graph) -> np.ndarray | None:
    """Read the picture that the model wants, or none: (size, size, 3) uint8."""
    wanted = "stills" in graph.wants
    if wanted and image is None:
        raise InputError(
            f"{run}: this model animates a still image of the speaker, and none is given",
            hint="add `--image FACE.png`: a face cut out as those of its corpus are",
        )
    if image is None:
        return None
    if not wanted:
        raise InputError(
            f"{run}: this model draws from speech alone and would not look at {image}",
            hint="leave `--image` out",
        )
    return read_image(Path(image), graph.world.size)


def _check_output(speech: Path, output: Path, force: bool) -> None:
    if output.suffix.lower() != ".mp4":
        raise InputError(f"{output}: the output must be named .mp4", hint="for example -o out.mp4")
    if output.is_dir():
        raise InputError(f"{output}: is a folder; name a file")
    if output.exists():
        if speech.exists() and output.samefile(speech):
            raise InputError(f"{output}: is the recording itself; name another output")
        if not force:
            raise InputError(f"{output}: is there already", hint="say --force to replace it")
