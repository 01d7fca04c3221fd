"""The parts that validation in a stage uses: the evaluators of its metrics, trained before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from s2vkit.errors import RecipeError
from s2vkit.interfaces.stage import Stage
from s2vkit.options import Slot, label_of_evaluator, value_of
from s2vkit.registry import Registry
from s2vkit.validation_options import ValidationOptions

FROM_SPEECH = {"summary", "codes"}  # what a metric wants that sees no generated clip


def validation_of(stage: object) -> ValidationOptions | None:
    """Return how a stage validates on generated clips; None: it does not."""
    options = stage.validation if isinstance(stage, Stage) else None
    return options if options is not None and options.every else None


def measuring_parts(
    options: ValidationOptions | None, slots: Mapping[str, Slot], registry: Registry
) -> set[str]:
    """Name the parts that the metrics of a validation use, evaluators of every kind."""
    metrics = options.metrics.values() if options is not None else ()
    return {part for metric in metrics for part in _parts_of(metric, slots, registry)} & set(slots)


def _parts_of(metric: Slot, slots: Mapping[str, Slot], registry: Registry) -> Iterator[str]:
    evaluators = [name.partition(".")[2] for name in slots if name.startswith("evaluator.")]
    for want in registry.get(metric.kind, metric.use).wants:
        kind, _, label = want.partition(".")
        if kind == "evaluator":
            yield f"evaluator.{value_of(metric.options, 'evaluator') or label}"
        elif kind == "evaluators":
            of_label = [name for name in evaluators if label_of_evaluator(name, evaluators) == label]
            yield from (f"evaluator.{name}" for name in of_label)
        else:
            yield want


def check_validation(name: str, stage: Stage, untrained: Collection[str], registry: Registry) -> None:
    """Raise RecipeError where a stage's validation cannot measure, or not in time.

    `untrained` are parts that its metrics use and that are neither from a file nor trained before.
    """
    options = stage.validation
    if options is None or not options.every:
        return
    where = f"stages.{name}.validation"
    for key, metric in options.metrics.items():
        entry = registry.get(metric.kind, metric.use)
        if FROM_SPEECH & set(entry.wants):
            raise RecipeError(f"{where}: metric '{key}' ({entry.name}) measures no generated clips")
        if key == options.best and entry.better == "none":
            raise RecipeError(
                f"{where}: no value of metric '{key}' ({entry.name}) is better than another",
                hint="let `best` name another one",
            )
    if options.publish == "best" and options.every > stage.options.steps:
        raise RecipeError(
            f"{where}: `publish` is best, but with `every: {options.every}` none of its "
            f"{stage.options.steps} steps is validated"
        )
    if untrained:
        raise RecipeError(
            f"{where} uses {', '.join(sorted(untrained))}, which no stage before '{name}' trains",
            hint=f"name the stage that trains it in stages.{name}.after, or leave that metric out",
        )
