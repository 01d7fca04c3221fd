"""Cross-modal distillation: from the summary of the speech to what the teachers see."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from s2vkit import Clips, Graph, Slot, Stage
from s2vkit_stages import DistillOptions


class Distill(Stage):
    """Eq. 2 for each side: a student's code against its teacher's, Eq. 1's mean over frames."""

    needs = frozenset({"summary", "targets"})
    options: DistillOptions

    def __init__(self, options: DistillOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        self.views = {"identity": options.identity_frames, "emotion": options.emotion_pool}
        self.stretches = options.stretches
        self.chosen = {"emotion": min(options.emotion_frames, options.emotion_pool)}
        slots = {"match": options.losses.match, "distill": options.losses.distill}
        self.terms = {
            name: (slot.options.weight, graph.make(slot)) for name, slot in slots.items() if slot
        }

    def idle(self) -> str:
        """Say that there is no student to teach."""
        return "" if self.graph.students else "the recipe has no students"

    def optimizers(self) -> dict[str, Slot]:
        """Move every student."""
        return {f"student.{name}": self.options.optimizer for name in self.graph.students}

    def losses(self, turn: str, clips: Clips, shared: Any) -> dict[str, Tensor]:
        """Give the weighted terms of Eq. 2, side by side."""
        found = {}
        for side, student in self.graph.students.items():
            code = student(clips.need("summary")).float()
            for name, (weight, loss) in self.terms.items():
                found[f"{side}.{name}"] = weight * loss(code, clips.targets[side])
        return found
