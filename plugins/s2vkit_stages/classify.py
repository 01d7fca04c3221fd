"""Training face networks on labelled real faces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from s2vkit import Batch, Frames, Graph, RecipeError, Slot, Stage, Teacher, mean_over_processes
from s2vkit_stages import ClassifyOptions
from s2vkit_stages.vary import vary


class Classify(Stage):
    """Trains the teachers or the evaluators of a graph, each on the label of its own name.

    A network with classes learns them by cross-entropy; one without regresses its label.
    Those whose weights came from a file are left alone, and a further evaluator of a label is
    left to the stage that names it in `only`.
    """

    fields = (Frames(),)
    options: ClassifyOptions

    def __init__(self, options: ClassifyOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        group = graph.teachers if options.of == "teacher" else graph.evaluators
        self.precise = options.of == "evaluator"  # a judge sees alike on every machine
        evaluated = graph.evaluated if options.of == "evaluator" else str
        self.label = {name: evaluated(name) for name in group}
        chosen = self._chosen()
        self.group: dict[str, Teacher] = {k: v for k, v in group.items() if k in chosen and not v.pretrained}

    def _chosen(self) -> list[str]:
        if self.options.only is None:
            return [name for name, label in self.label.items() if name == label]
        for name in self.options.only:
            if name not in self.label:
                raise RecipeError(
                    f"a stage is to train the {self.options.of} '{name}', which is not there",
                    hint=f"those of this recipe: {', '.join(self.label) or 'none'}",
                )
        return self.options.only

    def idle(self) -> str:
        """Explain that every network of the group has its weights from a file, or that there is none."""
        return "" if self.group else f"no {self.options.of} needs training"

    def optimizers(self) -> dict[str, Slot]:
        """Move every network of the group."""
        return {f"{self.options.of}.{name}": self.options.optimizer for name in self.group}

    def averages(self) -> dict[str, float]:
        """Average every network, if asked to."""
        return dict.fromkeys(self.optimizers(), self.options.average)

    def shared_forward(self, batch: Batch) -> Tensor:
        """Vary the images (B * V, 3, H, W), so that a face is known by its features."""
        return vary(batch["frames"].flatten(0, 1), self.options)

    def loss(self, batch: Batch, shared: Tensor) -> dict[str, Tensor]:
        """Return each network's error on its label."""
        return {name: self._error(name, batch, shared) for name in self.group}

    def _error(self, name: str, clips: Batch, images: Tensor) -> Tensor:
        network = self.group[name]
        given = network.classify(images)
        label = clips.labels[self.label[name]]
        if not network.classes:
            return _regression_error(given.squeeze(1), label.flatten().float())
        names = self.graph.data_spec.labels[self.label[name]]
        place = torch.tensor([network.classes.index(n) for n in names], device=given.device)
        known = label >= 0  # clips without this label teach nothing of it
        wanted = torch.where(known, place[label], -100)
        wanted = wanted.repeat_interleave(len(images) // len(label))
        error = F.cross_entropy(given, wanted, ignore_index=-100, reduction="sum")
        return error / _count(wanted >= 0)


def _regression_error(given: Tensor, label: Tensor) -> Tensor:
    """Compare with labels that are known: the others are not numbers, and teach nothing."""
    known = label.isfinite()
    errors = F.smooth_l1_loss(given, torch.where(known, label, 0.0), beta=0.1, reduction="none")
    return torch.where(known, errors, 0.0).sum() / _count(known)


def _count(known: Tensor) -> Tensor:
    """Count what is known here, or on average in the parts of a batch that processes share."""
    return mean_over_processes(known.sum()).clamp(min=1)
