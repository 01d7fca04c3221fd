"""What a recipe may say at its top level."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from s2vkit.options import (
    AudioEncoderSlot,
    DatasetSlot,
    DiscriminatorSlot,
    Field,
    GeneratorSlot,
    Options,
    Slot,
    StageSlot,
    StudentSlot,
    SyncEvaluatorSlot,
    TeacherSlot,
)

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise ValueError(f"must be one of auto, cpu, cuda, cuda:N, mps, got the text '{value}'")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


Text = Annotated[str, AfterValidator(_filled)]
When = Literal["auto", "always", "never"]


class Alignment(Options):
    """How speech features are laid on video frames."""

    mode: Literal["linear", "mean"] = Field(
        default="linear", description="linear: interpolate at each frame's time; mean: average over its span"
    )
    shift: float = Field(
        default=0.0,
        ge=-10.0,
        le=10.0,
        description="seconds by which speech is heard later (positive) or earlier",
    )


class TeacherSides(Options):
    """Who teaches which side of a face; a side without a teacher is left out."""

    identity: TeacherSlot | None = Field(
        default=None, description="teacher of who speaks; null leaves the side out"
    )
    emotion: TeacherSlot | None = Field(
        default=None, description="teacher of the emotion shown; null leaves the side out"
    )

    def present(self) -> dict[str, Slot]:
        """Give the sides that are there, by name."""
        return _present(self.identity, self.emotion)


class StudentSides(Options):
    """Who learns to hear each side from speech."""

    identity: StudentSlot | None = Field(
        default=None, description="student that hears who speaks; goes with its teacher"
    )
    emotion: StudentSlot | None = Field(
        default=None, description="student that hears the emotion; goes with its teacher"
    )

    def present(self) -> dict[str, Slot]:
        """Give the sides that are there, by name."""
        return _present(self.identity, self.emotion)


def _present(identity: Slot | None, emotion: Slot | None) -> dict[str, Slot]:
    sides = {"identity": identity, "emotion": emotion}
    return {name: slot for name, slot in sides.items() if slot is not None}


class Compute(Options):
    """What to compute on, and how."""

    device: Annotated[str, AfterValidator(_device)] = Field(
        default="auto", description="auto, cpu, cuda, cuda:N or mps; auto takes the best there is"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        default="auto",
        description="auto: bf16 where the GPU computes it natively, else fp32; fp16 scales the losses",
    )
    deterministic: bool = Field(
        default=False, description="only operations that give the same bits each time; slower on a GPU"
    )
    compile: When = Field(default="auto", description="whether to compile the parts that train")
    channels_last: When = Field(default="auto", description="whether images lie channels last")
    workers: int = Field(default=2, ge=0, description="processes that load clips; 0: none")
    threads: int = Field(default=0, ge=0, description="CPU threads of the training; 0: all cores")


class Recipe(Options):
    """A whole recipe, resolved: every slot holds a component's name and checked options."""

    format: Literal[1] = Field(description="the version of the recipe's format: 1")
    name: Text | None = Field(default=None, description="what reports call this recipe")
    seed: int = Field(default=1234, ge=0, lt=2**32, description="the one seed of everything")
    output: Text = Field(description="the run folder: checkpoints, logs and the report go there")
    cache: Text = Field(default="runs/.cache", description="folder of what is computed once for several runs")
    data: DatasetSlot = Field(description="the corpus of clips")
    audio_encoder: AudioEncoderSlot = Field(description="what hears: speech to features")
    alignment: Alignment = Field(
        default_factory=Alignment, description="how speech features are laid on video frames"
    )
    teachers: TeacherSides = Field(
        default_factory=TeacherSides, description="frozen networks whose knowledge is distilled"
    )
    students: StudentSides = Field(
        default_factory=StudentSides, description="what hears the teachers' codes in speech"
    )
    generator: GeneratorSlot = Field(description="what draws frames from codes")
    discriminators: dict[str, DiscriminatorSlot] = Field(
        default={}, description="critics of what is drawn, by a name of your choice"
    )
    evaluators: dict[str, TeacherSlot] = Field(
        default={}, description="networks that only metrics ask, by the label they know"
    )
    sync_evaluator: SyncEvaluatorSlot | None = Field(
        default=None, description="network that says whether lips and speech go together"
    )
    stages: dict[str, StageSlot] = Field(
        description="the steps of the run, by a name of your choice; `after` orders them"
    )
    compute: Compute = Field(default_factory=Compute, description="device, precision, workers")
    checkpoint_seconds: float = Field(
        default=30.0, gt=0.0, description="seconds between checkpoints; a kill loses no more"
    )
