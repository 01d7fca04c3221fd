"""Whether an evaluator of real faces recognises who is shown, and in what emotion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from s2vkit import Metric, Outcome, Score
from s2vkit_metrics import AccuracyOptions
from s2vkit_metrics.evaluating import ask, evaluator_of


class _Accuracy(Metric):
    """Base: the share of clips whose label the evaluator names, on made and on real frames.

    The evaluator's log-probabilities are averaged over a clip's frames, and the greatest wins.
    Clips whose label the evaluator does not know are left out and counted.
    """

    side = ""

    def __init__(self, options: AccuracyOptions) -> None:
        self.evaluator = options.evaluator
        self.classes: tuple[str, ...] = ()
        self.names: list[str] = []
        self.labels: list[str] = []
        self.generated: list[str] = []
        self.real: list[str] = []
        self.unknown = 0

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        evaluator = evaluator_of(outcome, self.evaluator or self.side)
        self.classes = tuple(evaluator.classes)
        label = outcome.labels.get(self.side)
        if label not in self.classes:
            self.unknown += 1
            return
        self.names.append(outcome.name)
        self.labels.append(label)
        self.generated.append(self.classes[verdict(ask(evaluator, outcome.generated))])
        self.real.append(self.classes[verdict(ask(evaluator, outcome.real))])

    def compute(self) -> Score:
        """Return the share of clips named rightly; details hold the confusion of generated clips."""
        counts = Counter(self.labels)
        majority = counts.most_common(1)[0][1] / len(self.labels) if self.labels else None
        return Score(
            value=self._share(self.generated),
            on_real=self._share(self.real) if self.labels else None,
            chance=majority,
            n=len(self.labels),
            definition=f"share of clips whose {self.side} the evaluator{self._named()}, trained on real "
            "faces, names rightly; its log-probabilities averaged over the clip's frames; on real: "
            "the real frames of the same clips; chance: always the most frequent label",
            details={
                "classes": list(self.classes),
                "confusion": self._confusion(self.generated),
                "confusion_on_real": self._confusion(self.real),
                "rows": "true label",
                "columns": "evaluated label",
                "left_out_unknown_label": self.unknown,
            },
            clips={
                name: float(verdict_ == label)
                for name, verdict_, label in zip(self.names, self.generated, self.labels, strict=True)
            },
        )

    def _named(self) -> str:
        return f" '{self.evaluator}'" if self.evaluator else ""

    def _share(self, verdicts: list[str]) -> float:
        right = sum(v == label for v, label in zip(verdicts, self.labels, strict=True))
        return right / len(verdicts) if verdicts else float("nan")

    def _confusion(self, verdicts: list[str]) -> list[list[int]]:
        return confusion(self.labels, verdicts, self.classes)


def confusion(rows: Sequence[str], columns: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Count how often each class of a row met each of a column."""
    pairs = Counter(zip(rows, columns, strict=True))
    return [[pairs[row, column] for column in classes] for row in classes]


def verdict(logits: Tensor) -> int:
    """Return the class of a clip from the logits (V, K) of its frames."""
    return int(logits.log_softmax(-1).mean(0).argmax())


class IdentityAccuracy(_Accuracy):
    """Whether the evaluator names the speaker."""

    side = "identity"


class EmotionAccuracy(_Accuracy):
    """Whether the evaluator names the emotion."""

    side = "emotion"
