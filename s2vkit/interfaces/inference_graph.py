"""The parts that a trained model consists of: what turns speech into frames, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import Conditioning
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.specs import DataSpec
from s2vkit.interfaces.student import Student


@dataclass
class InferenceGraph:
    """Encoder, students by side, and generator. Sides that a recipe leaves out are absent."""

    world: DataSpec
    encoder: AudioEncoder
    students: dict[str, Student] = field(default_factory=dict)
    generator: Generator | None = None

    def inference_modules(self) -> dict[str, nn.Module]:
        """Name the modules that a trained model consists of: encoder, generator, student.SIDE."""
        named: dict[str, Any] = {"encoder": self.encoder}
        if self.generator is not None:
            named["generator"] = self.generator
        named.update({f"student.{side}": student for side, student in self.students.items()})
        return named

    @property
    def reach(self) -> int:
        """How many frames to either side the generator encodes."""
        return self.generator.reach if self.generator is not None else 0

    @property
    def wants(self) -> frozenset[str]:
        """Name what the generator needs beyond codes: stills, sounds."""
        return frozenset(self.generator.wants if self.generator is not None else ())

    def condition(self, features: Tensor, summary: Tensor, around: Tensor | None = None) -> Conditioning:
        """Have the students map the summary (B, E) to codes: what the generator is conditioned on."""
        codes = {side: student(summary) for side, student in self.students.items()}
        return Conditioning(features, codes.get("identity"), codes.get("emotion"), around)
