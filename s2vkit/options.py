"""Option models: what a recipe may set of a component, and how slots nest.

A component's options are a frozen pydantic model. A field that holds another component is annotated with
`SlotOf`, and the recipe's checker resolves it with that component's own model: an error names the path.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, Union, cast, get_args, get_origin

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

KINDS: tuple[str, ...] = (
    "audio_encoder",
    "teacher",
    "student",
    "generator",
    "discriminator",
    "loss",
    "optimizer",
    "dataset",
    "metric",
    "face_detector",
    "sync_evaluator",
    "landmarks",
    "watermark",
    "logger",
    "stage",
)

Better = Literal["up", "down", "zero", "none"]
"""Which way a metric's figures are better: greater, smaller, nearer to 0, or neither."""

Reference = Literal["first_frame", "other_clip"]
"""The image of a speaker that a clip is generated from: its own first frame, or that of another clip."""

Role = Literal["result", "schedule", "monitor"]
"""What an option has to do with the weights that a stage ends with.

`result`: they follow from it. `schedule`: how long and at which rate a stage trains; another value
goes on from the checkpoint. `monitor`: only what is shown and kept on the way.
"""


def Field(default: Any = PydanticUndefined, *, role: Role = "result", **settings: Any) -> Any:  # noqa: N802
    """Declare an option: pydantic's Field, and the option's role."""
    if role != "result":
        settings["json_schema_extra"] = {"role": role}
    return pydantic.Field(default, **settings)


def role_of(field: FieldInfo) -> Role:
    """Return the role of an option."""
    extra = field.json_schema_extra
    role: Any = extra.get("role", "result") if isinstance(extra, dict) else "result"
    return cast(Role, role)


class Options(BaseModel):
    """Base of every option model: frozen, unknown keys forbidden."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
        defer_build=True,  # listing components needs no validators: half the start-up time
    )

    def decides(self) -> bool:
        """Say whether a result follows from these options at all, as they are set."""
        return True


class SpeechLevelOptions(Options):
    """Base of options of audio encoders that can read all speech at one level."""

    level: float | None = Field(
        default=None,
        ge=-60.0,
        le=0.0,
        description="dB of full scale to which the voice in speech is brought, and by which pauses are "
        "left out of summaries; none: speech as it was recorded",
    )


class LossOptions(Options):
    """Options of every loss."""

    weight: float = Field(default=1.0, ge=0.0, description="factor of this term in the sum")


class AdversarialLossOptions(LossOptions):
    """Options of every adversarial loss."""

    penalty: Literal["none", "r1", "gradient"] = Field(
        default="none",
        description="what else a discriminator minimises: r1, half the squared gradient of its "
        "score at what is real; gradient, the squared distance of the gradient's norm from 1 "
        "between real and fake",
    )
    penalty_weight: float = Field(default=10.0, ge=0.0, description="factor of the penalty")
    penalty_every: int = Field(
        default=1,
        ge=1,
        description="compute it in one step of so many, chosen at random, and scale it up by that",
    )


class OptimizerOptions(Options):
    """Options of every optimizer."""

    lr: float = Field(gt=0.0, role="schedule", description="learning rate")
    schedule: Literal["constant", "linear", "cosine", "step"] = Field(
        default="constant",
        role="schedule",
        description="how the learning rate goes on after the warm-up: not at all, down to `final` "
        "of it in a straight line or half a cosine, or times `decay` every `every` steps",
    )
    warmup: int = Field(
        default=0, ge=0, role="schedule", description="steps over which the rate rises to `lr`"
    )
    final: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        role="schedule",
        description="linear, cosine: share of `lr` at the last step",
    )
    every: int = Field(default=1000, ge=1, role="schedule", description="step: steps between two decays")
    decay: float = Field(
        default=0.5, gt=0.0, le=1.0, role="schedule", description="step: factor of each decay"
    )
    clip_gradients: float | None = Field(
        default=None,
        gt=0.0,
        role="schedule",
        description="largest norm of a network's gradients together; larger ones are scaled down to it",
    )


class StageOptions(Options):
    """Options of every stage that trains."""

    optimizer_keys: ClassVar[Literal["", "networks"]] = ""
    """Whether its `optimizers` and `weights` are named by generator and discriminators."""
    after: list[str] = Field(default=[], description="stages that must be finished first")
    steps: int = Field(default=1000, ge=1, role="schedule", description="training steps")
    batch: int = Field(default=16, ge=1, description="clips in a step")
    accumulate: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="batches whose gradients are averaged before an update; a step then "
        "uses `batch` x `accumulate` clips in the memory of `batch`",
    )
    sampling: Literal["uniform", "balanced"] = Field(
        default="uniform", description="every clip equally often, or every speaker"
    )


@dataclass(frozen=True)
class Slot:
    """One place of a recipe, filled: the component's name and its checked options."""

    kind: str
    use: str
    options: Options

    def dump(self) -> dict[str, Any]:
        """Return plain data, as a recipe would write it in full."""
        return {"use": self.use, **dump_options(self.options)}


@dataclass(frozen=True)
class SlotOf:
    """Marks an option field as a slot: of which kind, and what it has to give."""

    kind: str
    gives: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamesFile:
    """Marks an option whose text names a file: the content counts, not the name."""


FileName = Annotated[str, NamesFile()]


AudioEncoderSlot = Annotated[Slot, SlotOf("audio_encoder")]
TeacherSlot = Annotated[Slot, SlotOf("teacher")]
StudentSlot = Annotated[Slot, SlotOf("student")]
GeneratorSlot = Annotated[Slot, SlotOf("generator")]
DiscriminatorSlot = Annotated[Slot, SlotOf("discriminator")]
DatasetSlot = Annotated[Slot, SlotOf("dataset")]
MetricSlot = Annotated[Slot, SlotOf("metric")]
FaceDetectorSlot = Annotated[Slot, SlotOf("face_detector")]
SyncEvaluatorSlot = Annotated[Slot, SlotOf("sync_evaluator")]
LandmarksSlot = Annotated[Slot, SlotOf("landmarks")]
WatermarkSlot = Annotated[Slot, SlotOf("watermark")]
LoggerSlot = Annotated[Slot, SlotOf("logger")]
StageSlot = Annotated[Slot, SlotOf("stage")]
OptimizerSlot = Annotated[Slot, SlotOf("optimizer")]
FrameLossSlot = Annotated[Slot, SlotOf("loss", gives=("pair", "frames"))]
CodeLossSlot = Annotated[Slot, SlotOf("loss", gives=("pair", "codes"))]
IndependenceLossSlot = Annotated[Slot, SlotOf("loss", gives=("independence",))]
AdversarialLossSlot = Annotated[Slot, SlotOf("loss", gives=("adversarial",))]


@dataclass(frozen=True)
class SlotField:
    """Where an option model holds slots: one, or a mapping of them."""

    of: SlotOf
    many: bool


def slot_fields(model: type[BaseModel]) -> dict[str, SlotField]:
    """Find the fields of an option model that hold slots."""
    found = {}
    for name, field in model.model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, SlotOf)]
        place = SlotField(marks[0], many=False) if marks else _slot_in(field.annotation)
        if place:
            found[name] = place
    return found


def _slot_in(annotation: Any) -> SlotField | None:
    origin = get_origin(annotation)
    if origin is Annotated:
        marks = [m for m in get_args(annotation)[1:] if isinstance(m, SlotOf)]
        return SlotField(marks[0], many=False) if marks else None
    if origin in (Union, types.UnionType):
        inner = [_slot_in(a) for a in get_args(annotation)]
        return next((place for place in inner if place), None)
    if origin is dict:
        place = _slot_in(get_args(annotation)[1])
        return SlotField(place.of, many=True) if place else None
    return None


def file_fields(model: type[BaseModel]) -> set[str]:
    """Name the options whose text or path names a file to read.

    They are those called `checkpoint`, and those annotated as `FileName` or `pathlib.Path`.
    """
    return {
        name
        for name, field in model.model_fields.items()
        if name == "checkpoint"
        or any(isinstance(mark, NamesFile) for mark in field.metadata)
        or _names_file(field.annotation)
    }


def label_of_evaluator(name: str, evaluators: Iterable[str]) -> str:
    """Return the label that an evaluator knows: its name, or where it is a further evaluator, the first's.

    `emotion_2` beside `emotion` is a further evaluator of the label emotion.
    """
    first = [other for other in evaluators if name.startswith(f"{other}_")]
    return min(first, key=len, default=name)


def _names_file(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return True
    return any(isinstance(a, NamesFile) or _names_file(a) for a in get_args(annotation))


def value_of(options: BaseModel, name: str) -> Any:
    """Return an option that only some components declare (`checkpoint`, `after`, `evaluator`), else None."""
    declared = name in type(options).model_fields
    return getattr(options, name, None) if declared else None  # stand-ins for wrong options lack fields


def dump_options(options: BaseModel) -> dict[str, Any]:
    """Turn options into plain data, slots included."""
    return {name: _plain(getattr(options, name)) for name in type(options).model_fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Slot):
        return value.dump()
    if isinstance(value, BaseModel):
        return dump_options(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
