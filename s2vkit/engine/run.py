"""Running a recipe: prepare the corpus, run the stages, write the results."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from s2vkit.engine.leaving import leave, show_figures
from s2vkit.engine.process_group import check_batches, check_same, join_processes
from s2vkit.engine.setup import RunSetup
from s2vkit.engine.stage_run import load_all, run_stage, work_of
from s2vkit.engine.stop import stop_flag
from s2vkit.engine.workspace import RunWork
from s2vkit.files import naming_full_disk, write_text
from s2vkit.plugins import registry as installed
from s2vkit.recipe.load import Loaded, dump_recipe
from s2vkit.recipe.stages import check_names
from s2vkit.registry import Registry
from s2vkit.runs.folder import check_place, taken
from s2vkit.runs.graph_facts import keep_facts
from s2vkit.runs.plan import Step
from s2vkit.runs.reuse import reuse


def run_recipe(
    loaded: Loaded,
    *,
    console: Console,
    fresh: bool = False,
    stages: Sequence[str] = (),
    dry: bool = False,
    registry: Registry | None = None,
    donors: Sequence[Path] = (),
    quiet: bool = False,
    command: str = "",
    profile: bool = False,
    log_level: str = "info",
) -> Path:
    """Run a recipe to its end, from wherever it was; give the run folder.

    `stages` runs only the stages named and what they depend on; `dry` only prints what would be
    done, and writes nothing. Raises S2vkitError; Stopped (a KeyboardInterrupt) when asked to
    stop. Without a registry, the installed plugins' is taken. From `donors`, folders of other
    runs, finished stages are taken over that would come out the same here. `quiet` leaves out
    the announcement; `command` is what was called: the run folder keeps it.
    `profile` writes a trace of some steps of each stage; `log_level` is of run.log.
    """
    check_names(stages, loaded.recipe.stages)
    folder, registry = Path(loaded.recipe.output), registry or installed()
    group = join_processes()
    check_batches(loaded.recipe.stages, group.part.world)
    if not group.leads:
        return folder if dry else _follow(loaded, folder, stages, registry)
    if dry:
        check_place(folder)
        run = Run(loaded, folder, console, threading.Event(), registry)
        reuse(run.plan, donors, run.view, dry=True)
        run.announce()
        return folder
    full = naming_full_disk(folder, Path(loaded.recipe.cache))
    take = taken(folder, fresh=fresh, command=command, log_level=log_level)
    with full, take, stop_flag() as stopped:
        write_text(folder / "recipe.yaml", dump_recipe(loaded))
        run = Run(loaded, folder, console, stopped, registry)
        run.keep_start()
        reuse(run.plan, donors, run.view)
        if not quiet:
            run.announce()
        elif run.policy.compile:
            run.try_out()
        if run.not_compiled:
            run.notes.add(f"not compiled: {run.not_compiled}")
        run.group.from_leader((loaded.data, run.policy.precision))
        run.cut_footage()
        run.command, run.profile = command, profile
        keep_facts(run)
        progress = [step.progress for step in run.plan.steps]
        run.group.from_leader((progress, run.policy.compile))
        with closing(run.cache), run.notes.listening(), run.notes.telling_why():
            run.all(stages)
        show_figures(run)
    return folder


def _follow(loaded: Loaded, folder: Path, stages: Sequence[str], registry: Registry) -> Path:
    """Work beside rank 0, which has taken the run folder and decides what is still to be done."""
    with naming_full_disk(folder, Path(loaded.recipe.cache)), stop_flag() as stopped:
        group = join_processes()
        recipe, precision = group.from_leader(None)
        check_same(loaded.path, loaded.data, recipe, group.part.rank)
        run = Run(loaded, folder, Console(quiet=True), stopped, registry, precision)
        run.cut_footage()
        progress, compiles = group.from_leader(None)
        run.policy = replace(run.policy, compile=compiles)  # rank 0 has tried it
        for step, known in zip(run.plan.steps, progress, strict=True):
            step.progress = known
        with closing(run.cache):
            run.all(stages)
    return folder


class Run(RunSetup):
    """One run of one recipe in its folder."""

    def all(self, only: Sequence[str]) -> None:
        """Run everything that is not done, or what `only` names and needs."""
        chosen = self.plan.with_needs(only)
        with self.view:
            self.open_corpus()
            for step in self.plan.steps:
                if step.name in chosen and not step.idle:
                    run_stage(self, step)
            self.notes.stage = ""
            if self.group.leads:
                leave(self, whole=len(chosen) == len(self.plan.steps))
            self.group.wait()

    def take_up(self) -> None:
        """Open the corpus and load what every stage has trained; nothing is trained."""
        load_all(self)

    def work(self, step: Step | None = None, folder: Path | None = None) -> RunWork:
        """Return the `Work` of a job; its results go into `folder`, or the run's own."""
        return work_of(self, step, folder)
