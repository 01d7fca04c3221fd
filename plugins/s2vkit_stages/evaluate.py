"""Evaluation: held-out clips generated from speech alone, and what was heard in them, measured."""

from __future__ import annotations

from s2vkit import (
    RECORDING_CONDITIONS,
    Graph,
    Job,
    Metric,
    Probe,
    RecipeError,
    Score,
    Summary,
    Targets,
    Work,
    clips_csv,
    score_facts,
)
from s2vkit_stages import EvaluateOptions


class Evaluate(Job):
    """Measures a split and leaves `metrics.json`: name -> value, on_real, chance, n, definition.

    Beside it lies `clips.csv`: a line a clip, its labels, its figure by each metric that has one.
    Metrics of generated clips see every clip; probes see what was heard in the training clips and
    in the split's. Where there are only probes, no clip is made and no evaluator is asked.
    Of several processes each has some of the metrics, which see all clips in order; probes are rank 0's.
    """

    shared = True

    def __init__(self, options: EvaluateOptions, *, graph: Graph) -> None:
        self.options = options
        if options.under not in (None, *RECORDING_CONDITIONS):
            known = ", ".join(RECORDING_CONDITIONS)
            raise RecipeError(
                f"`under: {options.under}` names no change of a recording", hint=f"known: {known}"
            )
        measures = {name: graph.make(slot) for name, slot in options.metrics.items()}
        self.probes: dict[str, Probe] = {k: m for k, m in measures.items() if isinstance(m, Probe)}
        self.metrics: dict[str, Metric] = {k: m for k, m in measures.items() if k not in self.probes}
        self.leaves = ("metrics.json", "clips.csv") if self.metrics else ("metrics.json",)
        for name, probe in self.probes.items():
            _check_sides(name, probe, graph)
        self.uses = ("encoder", "student")
        if self.metrics or not measures:
            self.uses += ("generator", "evaluator", "sync_evaluator", "landmarks")
        self.uses += ("teacher",) if self.probes else ()
        if self.probes:
            targets = (Targets(side, cached=options.cached_frames.get(side, 1)) for side in graph.teachers)
            self.fields = (Summary(), *targets)
        self.splits = (options.split, "train") if self.probes else (options.split,)

    def run(self, work: Work) -> None:
        """Update every metric with every clip of the split, and run every probe."""
        found, split = self._probe(work) if work.part.rank == 0 else {}, self.options.split
        labels: dict[str, dict[str, str]] = {}
        own = {name: self.metrics[name] for name in list(self.metrics)[work.part.rank :: work.part.world]}
        for outcome in work.outcomes(split, self.options.clips, self.options.under) if self.metrics else ():
            labels[outcome.name] = outcome.labels
            for metric in own.values():
                metric.update(outcome)
        found = work.collect({**found, **{name: metric.compute() for name, metric in own.items()}})
        found = {name: found[name] for name in self.options.metrics}  # in the order of the recipe
        if self.metrics:
            work.save_text("clips.csv", clips_csv(split, labels, found))
        work.save("metrics.json", {name: score_facts(score) for name, score in found.items()})

    def _probe(self, work: Work) -> dict[str, Score]:
        if not self.probes:
            return {}
        train, test = work.probe_data("train"), work.probe_data(self.options.split)
        return {name: probe.probe(train, test) for name, probe in self.probes.items()}


def _check_sides(name: str, probe: Probe, graph: Graph) -> None:
    for side in probe.sides:
        if side not in graph.students:
            raise RecipeError(
                f"metric '{name}' probes the {side} code, which this recipe has not",
                hint=f"add teachers.{side} and students.{side}, or leave the metric out by null",
            )
