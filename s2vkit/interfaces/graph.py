"""The parts of a recipe, built and wired: what a stage works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import Conditioning
from s2vkit.interfaces.discriminator import Discriminator
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.student import Student
from s2vkit.interfaces.sync_evaluator import SyncEvaluator
from s2vkit.interfaces.teacher import Teacher
from s2vkit.options import Slot, label_of_evaluator


@dataclass(frozen=True)
class DataSpec:
    """The sizes that a dataset gives to everything else."""

    size: int
    fps: float
    sample_rate: int
    labels: dict[str, tuple[str, ...]]


@dataclass
class Graph:
    """Every part of a recipe. Sides that a recipe leaves out are absent from the mappings."""

    world: DataSpec
    make: Callable[[Slot], Any]  # builds a loss of a stage's own slot
    encoder: AudioEncoder
    teachers: dict[str, Teacher] = field(default_factory=dict)
    students: dict[str, Student] = field(default_factory=dict)
    generator: Generator | None = None
    discriminators: dict[str, Discriminator] = field(default_factory=dict)
    evaluators: dict[str, Teacher] = field(default_factory=dict)
    sync_evaluator: SyncEvaluator | None = None

    def modules(self) -> dict[str, nn.Module]:
        """Name every module: encoder, generator, sync_evaluator, teacher.X, student.X and so on."""
        named: dict[str, Any] = {"encoder": self.encoder}
        if self.generator is not None:
            named["generator"] = self.generator
        if self.sync_evaluator is not None:
            named["sync_evaluator"] = self.sync_evaluator
        groups: dict[str, Mapping[str, Any]] = {
            "teacher": self.teachers,
            "student": self.students,
            "discriminator": self.discriminators,
            "evaluator": self.evaluators,
        }
        for kind, parts in groups.items():
            named.update({f"{kind}.{name}": part for name, part in parts.items()})
        return named

    def evaluated(self, name: str) -> str:
        """Give the label that an evaluator knows; `emotion_2` beside `emotion` knows emotion."""
        return label_of_evaluator(name, self.evaluators)

    @property
    def reach(self) -> int:
        """How many frames to either side the generator hears."""
        return int(getattr(self.generator, "reach", 0))

    @property
    def wants(self) -> frozenset[str]:
        """Name what the generator looks at beyond codes: stills, sounds."""
        return frozenset(getattr(self.generator, "wants", ())) & {"stills", "sounds"}

    def hear(
        self, features: torch.Tensor, summary: torch.Tensor, around: torch.Tensor | None = None
    ) -> Conditioning:
        """Let the students hear the summary (B, E): codes to draw from."""
        heard = {name: student(summary) for name, student in self.students.items()}
        return Conditioning(features, heard.get("identity"), heard.get("emotion"), around)
