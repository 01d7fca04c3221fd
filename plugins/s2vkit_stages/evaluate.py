"""Evaluation: held-out clips made from speech alone, and what was heard in them, measured."""

from __future__ import annotations

from dataclasses import asdict

from s2vkit import Graph, Job, Metric, Probe, RecipeError, Score, Work
from s2vkit_stages import EvaluateOptions


class Evaluate(Job):
    """Measures a split and leaves `metrics.json`: name -> value, on_real, chance, n, definition.

    Metrics of made clips see every clip; probes see what was heard in the training clips and
    in the split's. Where there are only probes, no clip is made and no judge is asked.
    """

    leaves = ("metrics.json",)

    def __init__(self, options: EvaluateOptions, *, graph: Graph) -> None:
        self.options = options
        made = {name: graph.make(slot) for name, slot in options.metrics.items()}
        self.probes: dict[str, Probe] = {k: m for k, m in made.items() if isinstance(m, Probe)}
        self.metrics: dict[str, Metric] = {k: m for k, m in made.items() if k not in self.probes}
        for name, probe in self.probes.items():
            _check_sides(name, probe, graph)
        self.uses = ("encoder", "student")
        self.uses += ("generator", "judge", "sync_judge") if self.metrics or not made else ()
        self.uses += ("teacher",) if self.probes else ()
        self.needs = frozenset({"summary", "codes", "targets"}) if self.probes else frozenset()
        self.splits = (options.split, "train") if self.probes else (options.split,)

    def run(self, work: Work) -> None:
        """Show every clip of the split to every metric, and what was heard to every probe."""
        found = self._probe(work)
        for outcome in (
            work.outcomes(self.options.split, self.options.clips) if self.metrics else ()
        ):
            for metric in self.metrics.values():
                metric.update(outcome)
        found.update({name: metric.compute() for name, metric in self.metrics.items()})
        work.save("metrics.json", {name: asdict(found[name]) for name in self.options.metrics})

    def _probe(self, work: Work) -> dict[str, Score]:
        if not self.probes:
            return {}
        train, test = work.heard("train"), work.heard(self.options.split)
        return {name: probe.probe(train, test) for name, probe in self.probes.items()}


def _check_sides(name: str, probe: Probe, graph: Graph) -> None:
    for side in probe.sides:
        if side not in graph.students:
            raise RecipeError(
                f"metric '{name}' probes the {side} code, which this recipe has not",
                hint=f"add teachers.{side} and students.{side}, or leave the metric out by null",
            )
