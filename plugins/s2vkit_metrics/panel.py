"""Several evaluators of one label: what each says, and how often they say the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from s2vkit import InputError, Metric, Options, Outcome, Score
from s2vkit_metrics.evaluated import confusion, verdict
from s2vkit_metrics.evaluating import ask


class _Agreement(Metric):
    """Base: the share of clips on which two evaluators name the same, a mean over pairs of evaluators.

    Evaluators may know other classes, as those from a file do: clips whose label not every
    evaluator knows are left out and counted.
    """

    side = ""

    def __init__(self, options: Options) -> None:
        self.names: list[str] = []
        self.labels: list[str] = []
        self.generated: dict[str, list[str]] = {}
        self.real: dict[str, list[str]] = {}
        self.kinds: dict[str, str] = {}
        self.classes: tuple[str, ...] = ()
        self.unknown = 0

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        evaluators = outcome.evaluators_of(self.side)
        if len(evaluators) < 2:
            raise InputError(
                f"clip '{outcome.name}': {len(evaluators)} evaluators of {self.side}, two at least agree",
                hint=f"add `{self.side}_2: NAME` to the recipe's `evaluators`",
            )
        self.kinds = {name: _network(evaluator) for name, evaluator in evaluators.items()}
        self.classes = tuple(dict.fromkeys(c for j in evaluators.values() for c in j.classes))
        label = outcome.labels.get(self.side)
        if label is None or not all(label in evaluator.classes for evaluator in evaluators.values()):
            self.unknown += 1
            return
        self.names.append(outcome.name)
        self.labels.append(label)
        for name, evaluator in evaluators.items():
            for found, frames in ((self.generated, outcome.generated), (self.real, outcome.real)):
                found.setdefault(name, []).append(evaluator.classes[verdict(ask(evaluator, frames))])

    def compute(self) -> Score:
        """Return the agreement; details hold each evaluator's accuracy and confusions."""
        return Score(
            value=_agreement(self.generated) if self.labels else float("nan"),
            on_real=_agreement(self.real) if self.labels else None,
            chance=_by_chance(self.generated) if self.labels else None,
            n=len(self.labels),
            definition=f"share of generated clips for which two evaluators predict the same {self.side}, "
            f"right or wrong, a mean over pairs of the {len(self.kinds)} evaluators; each evaluator's own "
            "accuracy and confusions are in the details; on real: the real frames of the same "
            "clips; chance: two independent evaluators with the same class frequencies",
            details={
                "classes": list(self.classes),
                "rows": "true label",
                "columns": "evaluated label",
                "evaluators": {name: self._one(name) for name in self.kinds},
                "majority": {
                    "accuracy": self._right(_majority(self.generated)),
                    "accuracy_on_real": self._right(_majority(self.real)),
                },
                "pairs": [self._pair(a, b) for a, b in combinations(self.kinds, 2)],
                "left_out_unknown_label": self.unknown,
            },
            clips=dict(zip(self.names, self._of_each(), strict=True)),
        )

    def _of_each(self) -> list[float]:
        """Return the share of pairs of evaluators that agree, clip by clip."""
        return [
            sum(a == b for a, b in combinations(names, 2)) / math.comb(len(names), 2)
            for names in zip(*self.generated.values(), strict=True)
        ]

    def _one(self, name: str) -> dict[str, Any]:
        generated, real = self.generated.get(name, []), self.real.get(name, [])
        return {
            "evaluator": self.kinds[name],
            "accuracy": self._right(generated),
            "accuracy_on_real": self._right(real),
            "confusion": confusion(self.labels, generated, self.classes),
            "confusion_on_real": confusion(self.labels, real, self.classes),
        }

    def _pair(self, a: str, b: str) -> dict[str, Any]:
        generated, real = ((side.get(a, []), side.get(b, [])) for side in (self.generated, self.real))
        return {
            "evaluators": [a, b],
            "agree": _same(*generated),
            "agree_on_real": _same(*real),
            "rows_by_columns": confusion(*generated, self.classes),
        }

    def _right(self, verdicts: Sequence[str]) -> float | None:
        return _same(verdicts, self.labels)


class IdentityAgreement(_Agreement):
    """Whether the evaluators name the same speaker."""

    side = "identity"


class EmotionAgreement(_Agreement):
    """Whether the evaluators name the same emotion."""

    side = "emotion"


def _same(one: Sequence[str], other: Sequence[str]) -> float | None:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one) if one else None


def _agreement(verdicts: dict[str, list[str]]) -> float:
    found = [_same(a, b) or 0.0 for a, b in combinations(verdicts.values(), 2)]
    return sum(found) / len(found)


def _by_chance(verdicts: dict[str, list[str]]) -> float:
    met = []
    for a, b in combinations(verdicts.values(), 2):
        often, other = Counter(a), Counter(b)
        met.append(sum(often[c] * other[c] for c in often) / len(a) ** 2)
    return sum(met) / len(met)


def _majority(verdicts: dict[str, list[str]]) -> list[str]:
    """Return what most evaluators say of each clip; of a tie, what the first of them says."""
    return [Counter(votes).most_common(1)[0][0] for votes in zip(*verdicts.values(), strict=True)]


def _network(evaluator: Any) -> str:
    how = "from a file" if evaluator.pretrained else "trained in this run on real frames"
    own, inner = type(evaluator).__name__, type(getattr(evaluator, "net", evaluator)).__name__
    return f"{own}, {how}" if own == inner else f"{own} ({inner}), {how}"
