"""What a recipe may say at its top level."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from s2vkit.options import (
    AudioEncoderSlot,
    DatasetSlot,
    DiscriminatorSlot,
    Field,
    GeneratorSlot,
    LandmarksSlot,
    LoggerSlot,
    Options,
    StageSlot,
    StudentSlot,
    SyncEvaluatorSlot,
    TeacherSlot,
    WatermarkSlot,
)
from s2vkit.settings import Alignment, Compute, StartFrom


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


Text = Annotated[str, AfterValidator(_filled)]


class Recipe(Options):
    """A whole recipe, resolved: every slot holds a component's name and checked options."""

    format: Literal[1] = Field(description="the version of the recipe's format: 1")
    name: Text | None = Field(default=None, role="monitor", description="the title in reports")
    seed: int = Field(default=1234, ge=0, lt=2**32, description="the one seed of everything")
    output: Text = Field(
        role="monitor", description="the run folder: checkpoints, logs and the report go there"
    )
    cache: Text = Field(
        default="runs/.cache", role="monitor", description="folder of results that several runs share"
    )
    data: DatasetSlot = Field(description="the corpus of clips")
    audio_encoder: AudioEncoderSlot = Field(description="the encoder of speech: features and a summary")
    alignment: Alignment = Field(
        default_factory=Alignment, description="how speech features are aligned with video frames"
    )
    teachers: dict[str, TeacherSlot] = Field(
        default={}, description="frozen networks that are distilled, by the side of a face they describe"
    )
    students: dict[str, StudentSlot] = Field(
        default={}, description="networks that predict each teacher's vectors from speech, by side"
    )
    generator: GeneratorSlot = Field(description="the network that generates frames from features and codes")
    discriminators: dict[str, DiscriminatorSlot] = Field(
        default={}, description="discriminators of the generated frames, by a name of your choice"
    )
    evaluators: dict[str, TeacherSlot] = Field(
        default={}, description="networks that only metrics use, by the label they predict"
    )
    sync_evaluator: SyncEvaluatorSlot | None = Field(
        default=None, description="network that measures whether lips and speech are in sync"
    )
    landmarks: LandmarksSlot | None = Field(
        default=None, description="finds the points of a face that metrics of its movement measure"
    )
    mark: bool = Field(
        default=True,
        role="monitor",
        description="whether the videos that the run leaves are watermarked and signed as made by a model",
    )
    watermark: WatermarkSlot | None = Field(
        default=None,
        role="monitor",
        description="the invisible mark of generated videos, which the model keeps; null: spread_spectrum",
    )
    loggers: dict[str, LoggerSlot] = Field(
        default={},
        role="monitor",
        description="where figures and pictures go beside the run's own files, by a name of your choice",
    )
    start_from: StartFrom | None = Field(
        default=None, description="trained weights that the parts start from; none: random ones"
    )
    stages: dict[str, StageSlot] = Field(
        description="the steps of the run, by a name of your choice; `after` orders them"
    )
    compute: Compute = Field(default_factory=Compute, description="device, precision, workers")
    checkpoint_seconds: float = Field(
        default=30.0, gt=0.0, role="monitor", description="seconds between checkpoints; a kill loses no more"
    )
