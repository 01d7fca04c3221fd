"""Announcing at the start what will be done, and about how long it takes on this machine."""

from __future__ import annotations

from copy import deepcopy

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from s2vkit.build import Builder
from s2vkit.data.corpus import FootageCorpus
from s2vkit.device import Policy
from s2vkit.engine.preflight import Trial, time_load, try_stages
from s2vkit.engine.view import clock
from s2vkit.interfaces.stage import Stage
from s2vkit.recipe.load import Loaded
from s2vkit.runs.cache import Cache
from s2vkit.runs.cache_plan import frozen_parts
from s2vkit.runs.plan import Plan, Step
from s2vkit.units import size_text

Row = tuple[str, str, float | None]  # the step, what it does, the seconds it will take

_PREPARING = 5.0  # seconds that preparing takes beside the loading of clips


def announce(loaded: Loaded, console: Console, plan: Plan, cache: Cache, trial: Trial) -> None:
    """Print what will be done, and how long it takes by the trial of every pending stage."""
    rows = [_corpus(cache), *_features(cache), *_stages(plan, trial.seconds)]
    policy = trial.policy
    table = Table(title=escape(f"{loaded.path} on {policy}"), title_justify="left")
    table.add_column("step")
    table.add_column("what")
    table.add_column("time", justify="right")
    for name, what, seconds in rows:
        table.add_row(name, what, "" if seconds is None else f"about {clock(seconds)}")
    whole = sum(seconds or 0 for _, _, seconds in rows)
    table.add_row("", "all of it", f"about {clock(whole)}", style="bold")
    console.print(table)


def _corpus(cache: Cache) -> Row:
    clips = len(cache.dataset.clips())
    if isinstance(cache.dataset, FootageCorpus):
        where = cache.dataset.folder
        if cache.dataset.ready:
            return "corpus", f"{clips} clips, prepared in {where}", None
        return "corpus", f"clips to be cut out of {clips} videos into {where}", None
    if cache.corpus.is_dir():
        return "corpus", f"{clips} clips, there already", None
    workers = max(1, cache.recipe.compute.workers)
    seconds = time_load(cache.dataset) * clips / workers + _PREPARING
    return "corpus", f"{clips} clips from {cache.recipe.data.use}", seconds


def _features(cache: Cache) -> list[Row]:
    """Say what of the frozen networks' outputs will be cached, and what is computed live, with sizes."""
    ways = {True: "computed live in each step, not cached", False: "cached, if it is not yet"}
    parts = frozen_parts(cache, *cache.count())
    return [(part.what, f"{ways[part.way == 'live']}: about {size_text(part.size)}", None) for part in parts]


def try_pending(plan: Plan, builder: Builder, policy: Policy) -> Trial:
    """Step every pending stage on fake clips, on a copy of the graph. Raises S2vkitError."""
    todo = {step.name for step in plan.steps if not (step.done or step.idle)}
    probe = deepcopy(plan.graph, {id(builder): builder})  # its weights move; the builder is no part of it
    stages = builder.stages(probe, policy.device)
    trained = {n: s for n, s in stages.items() if n in todo and isinstance(s, Stage)}
    must_compile = plan.recipe.compute.compile == "always"
    return try_stages(trained, builder, probe, policy, must_compile=must_compile)


def _stages(plan: Plan, seconds: dict[str, float]) -> list[Row]:
    times = dict(seconds)
    for step in plan.steps:
        if step.name in times and isinstance(step.stage, Stage):
            times[step.name] *= 1 - step.progress.start / step.stage.options.steps
    return [(step.name, _what(step, plan), times.get(step.name)) for step in plan.steps]


def _what(step: Step, plan: Plan) -> str:
    if step.idle:
        return f"nothing to do: {step.idle}"
    if step.done:
        return f"done already in {clock(step.seconds or 0)}"
    again = f"{step.progress.note}: " if step.progress.note else ""
    if isinstance(step.stage, Stage):
        moved = ", ".join(step.stage.optimizers())
        return f"{again}{step.stage.options.steps} steps of {moved}"
    return again + plan.recipe.stages[step.name].use
