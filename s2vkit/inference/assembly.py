"""Assembling a model: encoder, students and generator, each with sizes that fit the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from s2vkit.errors import RecipeError
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.specs import ModelSpec
from s2vkit.options import Slot, slot_fields


@dataclass(frozen=True)
class ModelSlots:
    """The components of a model, with their checked options."""

    encoder: Slot
    students: dict[str, Slot]
    generator: Slot

    def named(self) -> dict[str, Slot]:
        """Name every slot as the graph names its module."""
        students = {f"student.{side}": slot for side, slot in self.students.items()}
        return {"encoder": self.encoder, **students, "generator": self.generator}


class BuildPart(Protocol):
    """Builds the part of a name from its slot."""

    def __call__(self, name: str, slot: Slot, **sizes: Any) -> Any:
        """Build it with these sizes."""
        ...


def build_inference_graph(slots: ModelSlots, spec: ModelSpec, build: BuildPart) -> InferenceGraph:
    """Build encoder, students and generator. Raises RecipeError if sample rates differ."""
    encoder = build_encoder(slots.encoder, build)
    students = {
        side: build(f"student.{side}", slot, inputs=encoder.summary_dim, dim=spec.codes[side])
        for side, slot in slots.students.items()
    }
    codes = {side: spec.codes[side] for side in students}
    generator = build(
        "generator",
        slots.generator,
        size=spec.data.size,
        features=encoder.dim,
        codes=codes,
        map_shapes=spec.map_shapes,
    )
    _check_rate(slots.generator.use, generator, encoder)
    return InferenceGraph(spec.data, encoder, students, generator)


def build_encoder(slot: Slot, build: BuildPart, name: str = "encoder") -> AudioEncoder:
    """Build an audio encoder; one whose options hold audio encoders is given them built."""
    inner = {key: build_encoder(one, build, f"{name}.{key}") for key, one in encoders_within(slot).items()}
    encoder: AudioEncoder = build(name, slot, **inner)
    return encoder


def encoders_within(slot: Slot) -> dict[str, Slot]:
    """Return the audio encoders that the options of a component hold, by the option's name."""
    fields = slot_fields(type(slot.options))
    held = {name: getattr(slot.options, name) for name, place in fields.items() if not place.many}
    return {k: v for k, v in held.items() if isinstance(v, Slot) and v.kind == "audio_encoder"}


def _check_rate(name: str, generator: Generator, encoder: AudioEncoder) -> None:
    wanted = generator.audio_rate
    if wanted is not None and wanted != encoder.sample_rate:
        raise RecipeError(
            f"generator '{name}' takes speech of {wanted} Hz, the audio encoder of {encoder.sample_rate} Hz",
            hint="take an audio encoder of the same rate",
        )
