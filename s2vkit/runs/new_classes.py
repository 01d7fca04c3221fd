"""The classes of a label in weights: rows of what a source knew, by name, beside rows of what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from s2vkit.build import Builder
from s2vkit.interfaces.graph import Graph

_PROBE = "a further class"


class ClassRows:
    """Places tensors of a source, trained with other labels, into the parts of a graph.

    Which dimension of which tensor counts the classes of a label is found by building the parts
    with one class more.
    """

    def __init__(self, graph: Graph, labels: Mapping[str, tuple[str, ...]], builder: Builder) -> None:
        self.graph, ours = graph, graph.data_spec.labels
        common = [label for label in ours if label in labels]
        self.added = {label: [c for c in ours[label] if c not in labels[label]] for label in common}
        self.differ = [label for label in common if tuple(ours[label]) != tuple(labels[label])]
        self._old, self._places = graph, dict[tuple[str, str], int]()
        if self.differ:
            theirs = {label: labels[label] for label in self.differ}
            self._old = _with_labels(graph, theirs, builder)
            more = {label: (*labels[label], _PROBE) for label in self.differ}
            self._places = _growing(self._old, _with_labels(graph, more, builder))

    def expected(self, name: str) -> dict[str, Tensor]:
        """Return the tensors that a part had where the source was trained: their keys and shapes count."""
        return dict(self._old.modules()[name].state_dict())

    @torch.no_grad()
    def placed(self, name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of a part with its own classes: known ones where they are, new ones as drawn."""
        old, new = _classes(self._old, name), _classes(self.graph, name)
        if old == new:
            return dict(tensors)
        known = [c for c in old if c in new]
        to, of = (torch.tensor([names.index(c) for c in known], dtype=torch.long) for names in (new, old))
        found = dict(tensors)
        for key, drawn in self.graph.modules()[name].state_dict().items():
            along = self._places.get((name, key))
            if along is not None:
                rows = tensors[key].index_select(along, of).to(drawn)
                found[key] = drawn.clone().index_copy_(along, to.to(drawn.device), rows)
        return found


def _with_labels(graph: Graph, labels: Mapping[str, tuple[str, ...]], builder: Builder) -> Graph:
    spec = graph.data_spec
    return builder.graph(replace(spec, labels={**spec.labels, **labels}))


def _growing(graph: Graph, more: Graph) -> dict[tuple[str, str], int]:
    """Find the dimension in which a tensor of `more` is larger, by part and key."""
    theirs, found = more.modules(), dict[tuple[str, str], int]()
    for name, module in graph.modules().items():
        other = theirs[name].state_dict()
        for key, value in module.state_dict().items():
            sizes = zip(value.shape, other[key].shape, strict=True)
            larger = [dim for dim, (one, two) in enumerate(sizes) if one != two]
            if larger:
                found[name, key] = larger[0]
    return found


def _classes(graph: Graph, name: str) -> tuple[str, ...]:
    """Return the classes of a part's outputs; a student's are its teacher's, if that gives logits."""
    kind, _, own = name.partition(".")
    if kind == "student":
        teacher = graph.teachers[own]
        return teacher.classes if teacher.gives == "logits" else ()
    group = {"teacher": graph.teachers, "evaluator": graph.evaluators}.get(kind, {})
    return group[own].classes if own in group else ()
