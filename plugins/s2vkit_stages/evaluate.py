"""Evaluation: held-out clips made from speech alone, measured beside their truth."""

from __future__ import annotations

from dataclasses import asdict

from s2vkit import Graph, Job, Metric, Work
from s2vkit_stages import EvaluateOptions


class Evaluate(Job):
    """Measures a split and leaves `metrics.json`: name -> value, on_real, chance, n, definition."""

    leaves = ("metrics.json",)

    def __init__(self, options: EvaluateOptions, *, graph: Graph) -> None:
        self.options = options
        self.splits = (options.split,)
        self.metrics: dict[str, Metric] = {
            name: graph.make(slot) for name, slot in options.metrics.items()
        }

    def run(self, work: Work) -> None:
        """Show every clip of the split to every metric."""
        for outcome in work.outcomes(self.options.split, self.options.clips):
            for metric in self.metrics.values():
                metric.update(outcome)
        scores = {name: asdict(metric.compute()) for name, metric in self.metrics.items()}
        work.save("metrics.json", scores)
