"""Which runs are one system, and whether systems are comparable."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.benchmark.finished_runs import Finished
from s2vkit.errors import RunFolderError
from s2vkit.registry import Registry

SAME = "runs whose recipes differ in nothing but seed, name, output, cache, compute and checkpoints"
"""What makes runs one system."""
_FREE = ("seed", "name", "output", "cache", "compute", "checkpoint_seconds")
_PLACES = ("root", "corpus", "crop_cache_gb")  # of a corpus: where it lies, not what it holds


@dataclass(frozen=True)
class System:
    """Runs of one recipe at different seeds."""

    title: str
    runs: tuple[Finished, ...]  # by seed

    @property
    def seeds(self) -> list[int]:
        """List the seeds."""
        return [run.seed for run in self.runs]


def group(runs: Sequence[Finished], titles: Mapping[Path, str] | None = None) -> list[System]:
    """Put runs of one recipe together, in the order given; `titles` names those of a folder.

    Raises RunFolderError if a run is given twice, or two runs of one system share a seed.
    """
    found: dict[str, list[Finished]] = {}
    for run in runs:
        title = (titles or {}).get(run.folder, "")
        found.setdefault(json.dumps([title, _kind(run)], sort_keys=True), []).append(run)
    for group in found.values():
        _check_seeds(group)
    names = _names([group[0] for group in found.values()], titles or {})
    return [
        System(name, tuple(sorted(group, key=lambda run: run.seed)))
        for name, group in zip(names, found.values(), strict=True)
    ]


def _kind(run: Finished) -> dict[str, Any]:
    recipe = {k: v for k, v in run.recipe.items() if k not in _FREE}
    stages = {k: v for k, v in recipe["stages"].items() if k != run.stage}
    return {**recipe, "stages": stages}


def _check_seeds(runs: Sequence[Finished]) -> None:
    by_seed: dict[int, Finished] = {}
    for run in runs:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            same = other.folder.resolve() == run.folder.resolve()
            problem = "is given twice" if same else f"is the same system and seed as {other.folder}"
            raise RunFolderError(f"{run.folder}: {problem}", hint="give each run of a system once")


def _names(firsts: Sequence[Finished], titles: Mapping[Path, str]) -> list[str]:
    names = [titles.get(run.folder) or stem(run) for run in firsts]
    return [
        name if names.count(name) == 1 else f"{name} ({run.folder})"
        for name, run in zip(names, firsts, strict=True)
    ]


def stem(run: Finished) -> str:
    """Name a run by its folder, without its seed."""
    name = run.folder.resolve().name
    return re.sub(rf"[-_.]?(seed)?[-_.]?{run.seed}$", "", name) or name


def check_conditions(systems: Sequence[System]) -> None:
    """Raise RunFolderError if corpus, split or number of clips differ: nothing compares."""
    first = systems[0].runs[0]
    for run in (run for system in systems for run in system.runs):
        for what, one, other in (
            ("corpora", _corpus(first), _corpus(run)),
            ("splits", first.split, run.split),
            ("numbers of clips", first.max_clips, run.max_clips),
        ):
            if one != other:
                raise RunFolderError(
                    f"{first.folder} and {run.folder} are not comparable: their {what} "
                    f"differ: {_differ(one, other)}",
                    hint="compare runs of one corpus and split; `--split` and `--clips` measure them anew",
                )
        _check_clips(first, run)


def _check_clips(first: Finished, run: Finished) -> None:
    for name in set(first.figures) & set(run.figures):
        one, other = set(first.figures[name].clips), set(run.figures[name].clips)
        if one and other and not one & other:
            raise RunFolderError(
                f"{first.folder} and {run.folder} are not comparable: they were measured "
                f"on different clips (of '{name}', none is in both)"
            )


def _corpus(run: Finished) -> dict[str, Any]:
    data = run.recipe["data"]
    return {k: v for k, v in data.items() if k not in _PLACES}


def _differ(one: Any, other: Any) -> str:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return f"{_all(one)} and {_all(other)}"
    keys = [k for k in {**one, **other} if one.get(k) != other.get(k)]
    return "; ".join(f"{k} is {one.get(k)!r} and {other.get(k)!r}" for k in keys)


def _all(value: Any) -> str:
    return "all" if value is None else str(value)


def refusal(name: str, systems: Sequence[System], registry: Registry) -> str:
    """Explain why a metric's figures cannot be compared; empty: they can."""
    measured = [run for system in systems for run in system.runs if name in run.figures]
    for what, of in (
        ("its options", lambda run: run.metrics.get(name)),
        ("its definition", lambda run: run.figures[name].definition),
        ("who evaluators", lambda run: _evaluators(run, name, registry)),
    ):
        first = of(measured[0])
        for run in measured[1:]:
            if of(run) != first:
                return (
                    f"{what} differs between {measured[0].folder} and {run.folder}: {_differ(first, of(run))}"
                )
    return ""


def _evaluators(run: Finished, name: str, registry: Registry) -> dict[str, Any]:
    """Return the slots of the networks that a metric asks."""
    found = {}
    for want in wants(run, name, registry):
        part, _, which = want.partition(".")
        if part == "evaluator":
            found[want] = (run.recipe.get("evaluators") or {}).get(which)
        elif part == "sync_evaluator":
            found[want] = run.recipe.get("sync_evaluator")
        elif part == "landmarks":
            found[want] = run.recipe.get("landmarks")
    return found


def wants(run: Finished, name: str, registry: Registry) -> tuple[str, ...]:
    """List what a metric of a run was given, as it is registered; nothing where it is not."""
    entry = registry.entries.get(("metric", str(_use(run, name))))
    return entry.wants if entry else ()


def better(name: str, systems: Sequence[System], registry: Registry) -> str:
    """Return which direction of a metric is better; "none" if it is not declared."""
    for system in systems:
        for run in system.runs:
            entry = registry.entries.get(("metric", str(_use(run, name))))
            if name in run.figures and entry:
                return entry.better
    return "none"


def _use(run: Finished, name: str) -> str:
    slot = run.metrics.get(name)
    return str(slot.get("use") if isinstance(slot, dict) else slot)
