"""Evaluating a finished run again: on another split, fewer clips, or by other metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from s2vkit.benchmark.finished_runs import Finished, check_finished, read_recipe_of, read_run, results_of
from s2vkit.benchmark.request import Asked, find, want
from s2vkit.engine.run import Run
from s2vkit.engine.stop import stop_flag
from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, locked, naming_full_disk, write_json
from s2vkit.interfaces.stage import Job
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Registry
from s2vkit.runs.folder import about


@contextmanager
def opened(
    folder: Path, console: Console, registry: Registry, sets: Sequence[str] = (), device: str | None = None
) -> Iterator[Run]:
    """Yield a finished run with its corpus open and all it has trained loaded.

    Raises RunFolderError if it is no run or not finished.
    """
    read_recipe_of(folder)
    check_finished(folder)
    place = [f"output={json.dumps(str(folder), ensure_ascii=False)}"]
    place += [f"compute.device={json.dumps(device)}"] if device else []
    loaded = load_recipe(folder / "recipe.yaml", [*sets, *place], registry)
    with stop_flag() as stopped:
        run = Run(loaded, folder, console, stopped, registry, finished=True)
        run.cut_footage()
        with run.view, closing(run.cache):
            run.take_up()
            yield run


def read_or_measure(folder: Path, asked: Asked, console: Console, registry: Registry) -> Finished:
    """Read a run's figures of a split, or measure them where they are not there yet.

    What is measured goes into RUN/measured/, never over the run's own figures. Raises
    RunFolderError.
    """
    found = find(folder, asked)
    if found is None:
        wanted = want(folder, asked)
        measure(folder, wanted.stage, wanted.split, wanted.place, asked, console, registry)
        found = read_run(folder, wanted.place)
    return found


def measure(
    folder: Path, stage: str, split: str, place: Path, asked: Asked, console: Console, registry: Registry
) -> None:
    """Measure a finished run into `place`: metrics.json, clips.csv and what was asked."""
    sets = list(_sets(folder, stage, split, asked))
    place.parent.mkdir(exist_ok=True)
    busy = locked(place.with_name(f".{place.name}.lock"), wait=True)
    with busy, naming_full_disk(place.parent), opened(folder, console, registry, sets, asked.device) as run:
        step = next(step for step in run.plan.steps if step.name == stage)
        if not isinstance(step.stage, Job):
            raise RunFolderError(f"{folder}: its stage '{stage}' trains, and does not measure")
        _check_evaluators(run, folder)
        run.view.begin(f"measuring {folder} on {split}")
        with atomic_folder(place) as part:
            step.stage.run(run.work(step, part))
            slot = run.loaded.data["stages"][stage]
            settings = {k: slot.get(k) for k in ("split", "clips", "metrics")}
            write_json(
                part / "about.json",
                {**about(), **settings, "command": asked.command, "model": results_of(folder)},
            )
        run.view.end(str(place))


def _sets(folder: Path, stage: str, split: str, asked: Asked) -> Iterator[str]:
    at = f"stages.{stage}"
    yield f"{at}.split={split}"
    if asked.clips is not None:
        yield f"{at}.clips={asked.clips}"
    if asked.metrics:
        recipe, _ = read_recipe_of(folder)
        for name in recipe["stages"][stage]["metrics"]:
            if name not in asked.metrics:
                yield f"{at}.metrics.{name}=null"
    yield from asked.sets
    for name, use in asked.metrics.items():
        yield f"{at}.metrics.{name}.use={use}"


def _check_evaluators(run: Run, folder: Path) -> None:
    """Raise RunFolderError if an evaluator is untrained: its figures would mean nothing."""
    graph = run.graph
    evaluators: dict[str, Any] = {
        f"evaluator.{name}": evaluator for name, evaluator in graph.evaluators.items()
    }
    if graph.sync_evaluator is not None:
        evaluators["sync_evaluator"] = graph.sync_evaluator
    if graph.landmarks is not None:
        evaluators["landmarks"] = graph.landmarks
    taught = run.plan.taught()
    for name, evaluator in evaluators.items():
        if name not in taught and not evaluator.pretrained:
            raise RunFolderError(
                f"{folder}: its {name} was taught by no stage of the run",
                hint="give it the weights of a file, or run a recipe that trains it",
            )
