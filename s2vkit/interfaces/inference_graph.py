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
from s2vkit.options import Reference


@dataclass
class InferenceGraph:
    """Encoder, students by side, and generator. Sides that a recipe leaves out are absent."""

    data_spec: DataSpec
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
    def takes_reference_image(self) -> bool:
        """Whether the generator needs an image of the speaker."""
        return self.reference is not None

    @property
    def reference(self) -> Reference | None:
        """Which image of the speaker the generator needs, or None."""
        generator = self.generator
        return generator.reference if generator is not None and generator.takes_reference_image else None

    def condition(self, features: Tensor, summary: Tensor) -> Conditioning:
        """Have the students map the summary (B, E) to codes: what the generator is conditioned on."""
        codes = {side: student(summary) for side, student in self.students.items()}
        return Conditioning(features, codes)
