"""The contracts of metrics: of generated clips against the real ones, and of codes and summaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from torch import Tensor

from s2vkit.options import label_of_evaluator


@dataclass
class Outcome:
    """One clip, generated and real, and the evaluators for it."""

    name: str
    generated: Tensor  # (V, 3, H, W) in [-1, 1]
    real: Tensor  # (V, 3, H, W) in [-1, 1]
    labels: dict[str, str] = field(default_factory=dict)  # "identity" -> speaker, ...
    truth: dict[str, np.ndarray] = field(default_factory=dict)  # name -> (V, ...)
    evaluators: dict[str, Any] = field(default_factory=dict)  # name -> Teacher, trained on real faces
    speech: Tensor | None = None  # (S,) in [-1, 1], what the clip was generated from
    sample_rate: int = 16000  # Hz, of the speech
    fps: float = 25.0
    sync_evaluator: Any = None  # a SyncEvaluator, trained on real clips
    landmarks: Any = None  # a Landmarks, which finds the points of faces
    clean: Tensor | None = None  # (V, 3, H, W) from the unchanged speech, where `generated` is not
    crops: dict[str, np.ndarray] = field(default_factory=dict)
    """`generated`, `real` -> (V, 2, 3), from pixels of the video to those of the frames, where known."""
    video: str = ""  # the longer video that the clip is a part of; empty: it is one by itself
    start: float = 0.0  # s of that video, where the clip begins
    shared: dict[str, Any] = field(default_factory=dict)  # results that several metrics share

    def evaluators_of(self, label: str) -> dict[str, Any]:
        """Return all evaluators that know a label, by name, the first one first."""
        return {k: v for k, v in self.evaluators.items() if label_of_evaluator(k, self.evaluators) == label}


@dataclass
class ProbeData:
    """Summaries, codes and teachers' targets of the N clips of a split."""

    names: list[str]
    labels: dict[str, list[str]]  # "identity" -> the speaker of each clip; "" where unknown
    summary: Tensor  # (N, E) the encoder's
    codes: dict[str, Tensor]  # side -> (N, dim) the student's
    targets: dict[str, Tensor]  # side -> (N, dim) the teacher's, mean over its frames
    speech: Callable[[int], np.ndarray]  # of clip i: (S,) float32
    sample_rate: int  # Hz, of that speech
    shared: dict[str, Any] = field(default_factory=dict)  # what one probe computed for the next

    def label(self, name: str) -> list[str]:
        """Return a label of every clip, "" where the corpus has none of that name."""
        return self.labels.get(name, [""] * len(self.names))


@dataclass(frozen=True)
class Score:
    """The result of a metric: on generated clips, on real ones by the same rule, and by chance."""

    value: float
    on_real: float | None
    chance: float | None
    n: int
    definition: str
    details: dict[str, Any] = field(default_factory=dict)
    clips: dict[str, float] = field(default_factory=dict)
    """The figure of every clip by its name; empty for metrics of whole sets."""
    over: Literal["mean", "median"] = "mean"  # how the value follows from the clips' figures


class Metric:
    """Base of metrics of generated clips, built as `Metric(options)`.

    Registered with wants: e.g. ("evaluator.identity",). Where its attributes are options, networks, plain
    data, small arrays, clips and dataclasses of its own module, an evaluation that was stopped can go on.
    """

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        raise NotImplementedError

    def compute(self) -> Score:
        """Return the figure over all clips added."""
        raise NotImplementedError


class Probe:
    """Base of metrics of codes and summaries, which need no generated clip; built as `Metric(options)`.

    Registered with wants: "summary", "codes". `sides` names the students it requires.
    """

    sides: tuple[str, ...] = ()

    def probe(self, train: ProbeData, test: ProbeData) -> Score:
        """Learn from the training clips, measure on held-out ones; both on the CPU."""
        raise NotImplementedError
