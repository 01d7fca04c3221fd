"""The parts of a recipe, built and wired: what a stage works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from s2vkit.interfaces.batch import Batch, Conditioning
from s2vkit.interfaces.discriminator import Discriminator
from s2vkit.interfaces.fields import AudioWindows, BatchField, Context, ReferenceImages
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.landmarks import Landmarks
from s2vkit.interfaces.sync_evaluator import SyncEvaluator
from s2vkit.interfaces.teacher import Teacher
from s2vkit.options import Slot, label_of_evaluator


@dataclass
class Graph(InferenceGraph):
    """Every part of a recipe. Sides that a recipe leaves out are absent from the mappings."""

    make: Callable[[Slot], Any] = field(kw_only=True)  # builds a loss of a stage's own slot
    teachers: dict[str, Teacher] = field(default_factory=dict)
    discriminators: dict[str, Discriminator] = field(default_factory=dict)
    evaluators: dict[str, Teacher] = field(default_factory=dict)
    sync_evaluator: SyncEvaluator | None = None
    landmarks: Landmarks | None = None

    def modules(self) -> dict[str, nn.Module]:
        """Name every module: encoder, generator, sync_evaluator, teacher.X, student.X and so on."""
        named: dict[str, Any] = {"encoder": self.encoder}
        if self.generator is not None:
            named["generator"] = self.generator
        if self.sync_evaluator is not None:
            named["sync_evaluator"] = self.sync_evaluator
        if self.landmarks is not None:
            named["landmarks"] = self.landmarks
        groups: dict[str, Mapping[str, Any]] = {
            "teacher": self.teachers,
            "student": self.students,
            "discriminator": self.discriminators,
            "evaluator": self.evaluators,
        }
        for kind, parts in groups.items():
            named.update({f"{kind}.{name}": part for name, part in parts.items()})
        return named

    def inner_modules(self) -> dict[str, nn.Module]:
        """Name the modules within another that a stage may train alone: generator.hearing."""
        hearing = self.generator.hearing if self.generator is not None else None
        return {} if hearing is None else {"generator.hearing": hearing}

    def generator_fields(self) -> tuple[BatchField, ...]:
        """Return the fields of a batch that the generator needs beyond features and summary."""
        generator = self.generator
        if generator is None:
            return ()
        found: list[BatchField] = []
        if generator.context_radius:
            found.append(Context(generator.context_radius))
        if self.reference:
            found.append(ReferenceImages(self.reference))
        if generator.audio_samples:
            found.append(AudioWindows(generator.audio_samples, generator.warmup_frames))
        return tuple(found)

    def condition_batch(self, batch: Batch) -> Conditioning:
        """Return what the generator is conditioned on, of a batch with its fields."""
        conditioning = self.condition(batch["features"], batch["summary"])
        conditioning.context = batch.get("context")
        conditioning.audio_windows = batch.get("audio_windows")
        if self.takes_reference_image:
            conditioning.reference_images = batch["reference_images"]
        if self.generator is not None and self.generator.sees_frames:
            conditioning.frames = batch.get("frames")
            if conditioning.frames is not None and self.generator.sees_mouths:
                assert self.landmarks is not None  # the stage has looked
                frames = conditioning.frames
                shapes = self.landmarks.mouths(frames.flatten(0, 1))
                conditioning.mouths = shapes.unflatten(0, frames.shape[:2]).to(frames.device)
        return conditioning

    def evaluated(self, name: str) -> str:
        """Return the label that an evaluator knows; `emotion_2` beside `emotion` knows emotion."""
        return label_of_evaluator(name, self.evaluators)
