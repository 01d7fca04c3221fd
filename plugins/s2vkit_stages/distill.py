"""Cross-modal distillation: from the summary of the speech to what the teachers see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import Batch, Graph, RecipeError, SegmentSummaries, Slot, Stage, Summary, Targets, gather_rows
from s2vkit_stages import DistillOptions
from s2vkit_stages.erase import eraser, fold, principal
from s2vkit_stages.held_out import agreement, retrieval

_CLIPS_AT_THE_START = 2048  # are enough to know how some hundreds of numbers vary together
_CLIPS_AT_THE_END = 16384  # are enough to know what some hundreds of features tell


class Distill(Stage):
    """Eq. 2 for each side: a student's code against its teacher's, Eq. 1's mean over frames.

    With an `apart` loss, each code is also held back from telling what the other side's
    teacher saw. That is taken of the codes as they will be used, in eval mode: dropout would
    hide traces in its noise that show once it is gone. With `erase`, what a line tells in the
    end is projected out.
    """

    options: DistillOptions
    precise = True

    def __init__(self, options: DistillOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        heard = (options.segments, options.vary, options.shortest)
        self.fields = (Summary(*heard), *(self._targets(side) for side in graph.students))
        self.validate_every = options.validate_every
        self.erases = bool(options.erase) and len(graph.students) > 1
        remembers = any(student.remembers for student in graph.students.values())
        if any(student.prepares for student in graph.students.values()):
            self.fields += (SegmentSummaries(*heard),)
            self.start_with = _CLIPS_AT_THE_START
        self.finish_with = _CLIPS_AT_THE_END if self.erases or remembers else 0
        slots = {"match": options.losses.match, "distill": options.losses.distill}
        self.terms = {name: (slot.options.weight, graph.make(slot)) for name, slot in slots.items() if slot}
        apart = options.losses.apart
        self.apart = (apart.options.weight, graph.make(apart)) if apart else None
        self._check_heads()
        self._check_lasts()

    def _targets(self, side: str) -> Targets:
        """Eq. 1: the mean over K frames of those that the teacher of a side sees."""
        cached = self.options.cached_frames.get(side, 1)
        return Targets(side, min(self.options.sampled_frames.get(side, cached), cached), cached)

    def _check_heads(self) -> None:
        for side in self.graph.students if self.options.through_head else ():
            teacher = self.graph.teachers[side]
            if teacher.gives != "logits" and not teacher.has_head:
                raise RecipeError(
                    f"teacher '{side}' has no `head` that a code could be passed through",
                    hint="set `through_head: false`, or take another teacher or `tap`",
                )

    def _check_lasts(self) -> None:
        for side, student in self.graph.students.items() if self.erases else ():
            if student.last_layer() is None:
                raise RecipeError(
                    f"student '{side}' has no linear last layer to erase from",
                    hint="set `erase: 0`, or take another student (mlp and linear have them)",
                )

    def idle(self) -> str:
        """Explain that there is no student to train."""
        return "" if self.graph.students else "the recipe has no students"

    def optimizers(self) -> dict[str, Slot]:
        """Move every student."""
        return {f"student.{name}": self.options.optimizer for name in self.graph.students}

    def averages(self) -> dict[str, float]:
        """Average the students, if asked to."""
        return dict.fromkeys(self.optimizers(), self.options.average)

    def loss(self, batch: Batch, shared: Any) -> dict[str, Tensor]:
        """Return the weighted terms of Eq. 2, side by side."""
        found = {}
        for side, student in self.graph.students.items():
            code = student(batch["summary"]).float()
            for name, (weight, loss) in self.terms.items():
                pair = (code, batch[f"targets.{side}"])
                if name == "distill" and self.options.through_head:
                    pair = (self._named(side, pair[0]), self._named(side, pair[1]))
                found[f"{side}.{name}"] = weight * loss(*pair)
        if self.apart and len(self.graph.students) > 1:
            found.update(self._hold_apart(batch, *self.apart))
        return found

    def _named(self, side: str, code: Tensor) -> Tensor:
        """Pass codes through their teacher's own classifier; logits are its word already."""
        teacher: Any = self.graph.teachers[side]
        return code if teacher.gives == "logits" else teacher.head(code)

    def _hold_apart(self, batch: Batch, weight: float, loss: Any) -> dict[str, Tensor]:
        """Keep each code independent of the outputs of the teachers of all other sides."""
        found = {}
        for side in self.graph.students:
            with _as_used(self.graph.students[side]) as student:
                code = gather_rows(student(batch["summary"]).float())
            others = [self._comparable(other, batch[f"targets.{other}"]) for other in self._others(side)]
            found[f"{side}.apart"] = weight * loss(code, gather_rows(torch.cat(others, 1)))
        return found

    def _others(self, side: str) -> list[str]:
        return [other for other in self.graph.students if other != side]

    def _comparable(self, side: str, target: Tensor) -> Tensor:
        """Return what a teacher saw: probabilities of its logits, directions of its embeddings."""
        if self.graph.teachers[side].gives == "logits":
            return target.float().softmax(-1)
        return F.normalize(target.float(), dim=-1)

    def start(self, clips: Batch) -> None:
        """Show students what they will hear, where they want to see it."""
        kinds = _kinds(clips, list(self.graph.students))
        for student in self.graph.students.values():
            if student.prepares:
                student.prepare(clips["segments"], kinds)

    def finish(self, clips: Batch) -> None:
        """Erase what codes tell of other sides, where asked; let students remember what they can."""
        if self.erases:
            self._erase(clips)
        segments = clips.get("segments")
        heard = clips["summary"].unsqueeze(1) if segments is None else segments
        for side, student in self.graph.students.items():
            if student.remembers:
                student.remember(clips[f"targets.{side}"], clips.labels.get(side), heard)

    def _erase(self, clips: Batch) -> None:
        """Erase from each code what a line tells of the other sides.

        Last from the identity code, of the others' teachers and of their codes, clean by then.
        The other way round a code that still tells the identity would take from it what is its
        own.
        """
        clean: dict[str, Tensor] = {}
        for side in sorted(self.graph.students, key=lambda name: name == "identity"):
            others = self._others(side)
            vectors = [(other, clips[f"targets.{other}"]) for other in others]
            vectors += [(other, clean[other]) for other in others if other in clean]
            parts = [
                principal(self._comparable(other, one).cpu(), self.options.erase) for other, one in vectors
            ]
            student, last = self.graph.students[side], self.graph.students[side].last_layer()
            assert last is not None  # it was looked at when the stage was built
            features = student.features(clips["summary"]).cpu()
            fold(last, *eraser(features, torch.cat(parts, 1), self.options.erase_shrinkage))
            clean[side] = student(clips["summary"])

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Measure how often held-out codes retrieve their face and agree with the teacher or the label."""
        found = {}
        for side, student in self.graph.students.items():
            code, target = student(clips["summary"]).float(), clips[f"targets.{side}"].float()
            labels = clips.labels.get(side)
            teacher = self.graph.teachers[side]
            names = self.graph.data_spec.labels.get(side, ())
            if teacher.gives == "logits":
                places = [teacher.classes.index(n) if n in teacher.classes else -1 for n in names]
                found.update(_under(side, agreement(code, target, labels, places)))
            else:
                found.update(_under(side, retrieval(code, target, labels)))
        return found


@contextmanager
def _as_used(student: Any) -> Iterator[Any]:
    """Yield a student in eval mode."""
    training = student.training
    try:
        yield student.eval()
    finally:
        student.train(training)


def _kinds(clips: Batch, sides: list[str]) -> Tensor:
    """Number clips (N,) alike that have the same labels on all sides; each by itself if some are unknown."""
    kinds = torch.zeros(len(clips.names), dtype=torch.long)
    for side in sides:
        labels = clips.labels.get(side)
        if labels is None or bool((labels < 0).any()):
            return torch.arange(len(clips.names))
        kinds = kinds * (int(labels.max()) + 1) + labels.cpu()
    return kinds


def _under(side: str, figures: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{side}.{name}": figure for name, figure in figures.items()}
