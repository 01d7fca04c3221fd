"""Linear probes: what a linear classifier reads from what was heard."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from s2vkit import InputError, Probe, ProbeData, Score
from s2vkit_probes import LinearProbeOptions
from s2vkit_probes.logistic import Logistic, cross_validated, folds
from s2vkit_probes.pitch import voices


class LinearProbe(Probe):
    """Reads a label from a summary or a code by logistic regression.

    Fit on the training clips, its penalty chosen there by cross-validation over sentences,
    and measured on the held-out ones. A label of which training clips have none of the
    held-out values (sentences, where the split is by sentence) is read by cross-validation
    among the held-out clips alone. A code of one side from which the other's label is read
    is a cross-probe: at chance, the sides are apart for all that is linear.
    """

    def __init__(self, options: LinearProbeOptions) -> None:
        self.options = options
        self.sides = () if options.on == "summary" else (options.on,)

    def probe(self, train: ProbeData, test: ProbeData) -> Score:
        """Fit and measure; on real: the same probe on the teacher's vectors of the faces."""
        labels = self._labels(train, test)
        known = {name for name in labels[0] if name}
        across = any(name in known for name in labels[1])
        measure = _across if across else _within
        value, more = measure(self._vectors(train), self._vectors(test), labels, (train, test))
        real = None
        if self.options.on in test.targets:
            faces = [part.targets[self.options.on] for part in (train, test)]
            real, _ = measure(*faces, labels, (train, test))
        counts = Counter(n for n in labels[1] if n and (n in known or not across))
        n = sum(counts.values())
        return Score(
            value,
            real,
            max(counts.values()) / n if n else None,
            n,
            self._definition(across),
            {"probe": {"of": self.options.of, "on": self.options.on}, "classes": len(counts), **more},
        )

    def _labels(self, train: ProbeData, test: ProbeData) -> tuple[list[str], list[str]]:
        name = self.options.of
        if name == "pitch":
            return voices(train, test, self.options.pitch_hz)
        if name not in test.labels:
            there = ", ".join([*test.labels, "pitch"])
            raise InputError(f"there is no label '{name}' to probe for", hint=f"the corpus has: {there}")
        return train.labels[name], test.labels[name]

    def _vectors(self, data: ProbeData) -> Tensor:
        return data.summary if self.options.on == "summary" else data.codes[self.options.on]

    def _definition(self, across: bool) -> str:
        where = "summary" if self.options.on == "summary" else f"student's {self.options.on} code"
        fit = (
            "fit on the training clips"
            if across
            else "fit and measured by cross-validation over speakers among the held-out clips, "
            "since training has none of these labels"
        )
        return (
            f"share of held-out clips whose {self.options.of} a logistic regression reads from the "
            f"{where}; {fit}; on real: from the teacher's vectors of the faces; chance: always the "
            "most frequent label"
        )


Labels = tuple[list[str], list[str]]
Parts = tuple[ProbeData, ProbeData]


def _across(x: Tensor, y: Tensor, labels: Labels, parts: Parts) -> tuple[float, dict[str, float]]:
    """Fit on the training clips' x, measure on the held-out clips' y: share right."""
    names = sorted({name for name in labels[0] if name})
    at, wanted = _places(labels[0], names), _places(labels[1], names)
    own, other = at >= 0, wanted >= 0
    groups = [g for g, keep in zip(parts[0].label("sentence"), own.tolist(), strict=True) if keep]
    penalty, inside = cross_validated(x[own], at[own], len(names), groups)
    probe = Logistic(x[own], at[own], len(names), penalty)
    right = (probe(y[other]) == wanted[other]).double().mean()
    return float(right), {"penalty": penalty, "cross_validated_on_training": inside}


def _within(x: Tensor, y: Tensor, labels: Labels, parts: Parts) -> tuple[float, dict[str, float]]:
    """Fit on some speakers of the held-out clips and measure on the others, in turn."""
    names = sorted({name for name in labels[1] if name})
    wanted = _places(labels[1], names)
    known = wanted >= 0
    groups = [g for g, keep in zip(parts[1].label("identity"), known.tolist(), strict=True) if keep]
    y, wanted = y[known], wanted[known]
    right, count = 0, 0
    for part in folds(groups, 4):
        if (~part).any():
            probe = Logistic(y[~part], wanted[~part], len(names), 1e-2)
            right += int((probe(y[part]) == wanted[part]).sum())
            count += int(part.sum())
    return right / count if count else float("nan"), {"penalty": 1e-2}


def _places(labels: list[str], names: list[str]) -> Tensor:
    place = {name: i for i, name in enumerate(names)}
    return torch.tensor([place.get(label, -1) for label in labels])
