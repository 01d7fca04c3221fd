"""Running a recipe: prepare the corpus, go through the stages, leave what was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from s2vkit.build import Builder, data_spec_of
from s2vkit.data.corpus import FootageCorpus
from s2vkit.device import choose
from s2vkit.engine.announce import announce
from s2vkit.engine.callbacks.finishing import Finishing
from s2vkit.engine.callbacks.logging import Logging, Progress
from s2vkit.engine.callbacks.monitor import Monitor
from s2vkit.engine.callbacks.validation import Validation
from s2vkit.engine.loading import BatchDataset, BatchLoader, default_workers
from s2vkit.engine.log import spent
from s2vkit.engine.memory import Peak
from s2vkit.engine.preflight import check_evaluators, check_labels, check_splits
from s2vkit.engine.sources import Sources
from s2vkit.engine.stop import Stopped, stop_flag
from s2vkit.engine.trainer import Trainer
from s2vkit.engine.view import View
from s2vkit.engine.workspace import RunWork
from s2vkit.errors import RecipeError, RunFolderError
from s2vkit.files import naming_full_disk, read_json, remove, write_text
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.callback import Callback
from s2vkit.interfaces.stage import Job, Stage
from s2vkit.plugins import registry as installed
from s2vkit.recipe.load import Loaded, dump_recipe
from s2vkit.registry import Registry, nearest
from s2vkit.rendering.held_out import show_run
from s2vkit.rendering.training_samples import SamplePictures
from s2vkit.report.page import write_page
from s2vkit.report.table import metrics_table
from s2vkit.runs.cache import Cache
from s2vkit.runs.folder import check_place, record, taken
from s2vkit.runs.graph_facts import keep_facts
from s2vkit.runs.plan import Plan, Step
from s2vkit.runs.progress import IDENTITY
from s2vkit.runs.reuse import reuse
from s2vkit.runs.segments import write_segments
from s2vkit.runs.split import write_split
from s2vkit.runs.warning_log import Notes
from s2vkit.tensors import load_modules


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
) -> Path:
    """Run a recipe to its end, from wherever it was; give the run folder.

    `stages` runs only the stages named and what they depend on; `dry` only says what would be
    done, and writes nothing. Raises S2vkitError; Stopped (a KeyboardInterrupt) when asked to
    stop. Without a registry, the installed plugins' is taken. From `donors`, folders of other
    runs, finished stages are taken over that would come out the same here. `quiet` leaves out
    the announcement; `command` is what was called: the run folder keeps it.
    """
    _check_names(loaded, stages)
    folder, registry = Path(loaded.recipe.output), registry or installed()
    if dry:
        check_place(folder)
        Run(loaded, folder, console, threading.Event(), registry).announce()
        return folder
    full = naming_full_disk(folder, Path(loaded.recipe.cache))
    with full, taken(folder, fresh=fresh, command=command), stop_flag() as stopped:
        write_text(folder / "recipe.yaml", dump_recipe(loaded))
        run = Run(loaded, folder, console, stopped, registry)
        reuse(run.plan, donors, run.view)
        if not quiet:
            run.announce()
        run.cut_footage()
        run.command = command
        keep_facts(run)
        with closing(run.cache), run.notes.listening(), run.notes.telling_why():
            run.all(stages)
        run.conclude()
    return folder


class Run:
    """One run of one recipe in its folder."""

    def __init__(
        self, loaded: Loaded, folder: Path, console: Console, stopped: threading.Event, registry: Registry
    ) -> None:
        self.loaded, self.recipe, self.folder = loaded, loaded.recipe, folder
        self.console, self.stopped, self.view = console, stopped, View(console)
        self.notes, self.command = Notes(folder), ""
        self.policy = choose(self.recipe.compute)
        self.builder = Builder(self.recipe, registry)
        dataset = self.builder.dataset()
        self.dataset, self.registry = dataset, registry
        self._build()

    def _build(self) -> None:
        """Build the graph and the stages on it, and plan what is to be done."""
        self.graph = self.builder.graph(data_spec_of(self.dataset))
        self.stages = self.builder.stages(self.graph, self.policy.device)
        self._plan()

    def _plan(self) -> None:
        check_splits(self.dataset.clips(), self.stages)
        check_labels(self.graph)
        check_evaluators(self.graph, self.stages)
        dataset: Any = self.dataset
        identity = dataset.identity if isinstance(dataset, FootageCorpus) else ""
        self.plan = Plan(
            self.recipe, self.registry, self.graph, self.stages, self.folder, self.policy, identity
        )
        self.cache = Cache(self.plan, self.dataset, self.policy, self.view, self._progress)

    def announce(self) -> None:
        """Say what will be done and about how long it takes here."""
        announce(self.loaded, self.console, self.plan, self.cache, self.builder, self.policy)

    def warn(self, what: str) -> None:
        """Say what looks wrong, and keep it."""
        self.view.warn(what)
        self.notes.add(what)

    def cut_footage(self) -> None:
        """Cut clips out of footage that is not prepared, and plan anew; the graph stays if it fits."""
        if not isinstance(self.dataset, FootageCorpus) or self.dataset.ready:
            return
        with self.view:
            self.view.begin("cutting clips")
            self.dataset.prepare(workers=self.recipe.compute.workers, progress=self._progress)
            self.view.end(str(self.dataset.folder))
        if data_spec_of(self.dataset) == self.graph.data_spec:
            self._plan()
        else:
            self._build()

    def all(self, only: Sequence[str]) -> None:
        """Go through everything that is not done."""
        everything = {step.name for step in self.plan.steps}
        chosen = self._with_needs(only) if only else everything
        with self.view:
            self.store = self.cache.open()
            write_split(self.folder, self.store)
            for step in self.plan.steps:
                if step.name in chosen and not step.idle:
                    self._one(step)
            self.notes.stage = ""
            if chosen == everything:
                self._leave()
            else:
                write_page(self.folder)

    def conclude(self) -> None:
        """Show the figures of the run, if it has come to them."""
        metrics = read_json(self.folder / "metrics.json")
        if metrics:
            still = self.graph.takes_reference_image
            source = "speech and a still of the speaker" if still else "speech alone"
            title = f"clips made from {source} (how defined: metrics.json)"
            self.console.print(metrics_table(metrics, title, definitions=False))
        self.console.print(f"everything is in {escape(str(self.folder))}", highlight=False)

    def _with_needs(self, only: Sequence[str]) -> set[str]:
        chosen = set(only)
        for step in reversed(self.plan.steps):
            if step.name in chosen:
                chosen |= step.before
        return chosen

    def _progress(self, done: int, total: int) -> None:
        if self.stopped.is_set():
            raise Stopped
        self.view.advance(done, total)

    def _one(self, step: Step) -> None:
        folder = self.folder / "stages" / step.name
        if step.done:
            self._take_up(step, folder)
            return
        self._open_stage(folder, step)
        start, peak = time.monotonic() - spent(folder / "log.jsonl"), Peak(self.policy.device)
        self.notes.stage = step.name
        if isinstance(step.stage, Job):
            self.view.begin(step.name)
            step.stage.run(self.work(step))
            self.view.end()
        else:
            self._train(step, step.stage, folder)
        seconds = round(time.monotonic() - start, 1)
        record(folder, step, seconds, memory=peak.read(), command=self.command)
        step.progress = replace(step.progress, done=True, seconds=seconds)

    def _take_up(self, step: Step, folder: Path) -> None:
        if isinstance(step.stage, Stage):
            modules = self.graph.modules()
            moved = {name: modules[name] for name in step.stage.optimizers() if name in modules}
            load_modules(folder / "weights.safetensors", moved)

    def take_up(self) -> None:
        """Open the corpus and load what every stage has trained; nothing is trained.

        Raises RunFolderError where a stage has left no weights.
        """
        self.store = self.cache.open()
        for step in self.plan.steps:
            folder = self.folder / "stages" / step.name
            if step.idle or not isinstance(step.stage, Stage):
                continue
            if not (folder / "weights.safetensors").is_file():
                raise RunFolderError(
                    f"{self.folder}: stage '{step.name}' has left no weights",
                    hint="run its recipe again; it goes on from its last checkpoint",
                )
            self._take_up(step, folder)

    def _open_stage(self, folder: Path, step: Step) -> None:
        """Write down what is about to be trained; a checkpoint that it cannot go on from goes."""
        if not step.progress.start:
            for left in ("checkpoint", ".checkpoint.old", "log.jsonl", "samples"):
                remove(folder / left)
            self.notes.forget(step.name)
        write_segments(folder, step.segments)
        write_text(folder / IDENTITY, step.identity)
        remove(folder / "done.json")

    def _train(self, step: Step, stage: Stage, folder: Path) -> None:
        sources = self.cache.sources(stage, self.store)
        self.view.begin(step.name)
        seed = self.recipe.seed
        loader = BatchLoader(
            BatchDataset(sources, stage, step.name, seed=seed),
            device=self.policy.device,
            workers=default_workers(self.recipe.compute.loader_workers, self.policy.device),
            total=stage.options.steps * stage.options.accumulate,
        )
        trainer = Trainer(
            stage,
            step.name,
            self.graph,
            loader,
            policy=self.policy,
            seed=seed,
            make_optimizer=self.builder.make,
            callbacks=self._callbacks(stage, loader),
        )
        trainer.run(folder, save_seconds=self.recipe.checkpoint_seconds, stopped=self.stopped.is_set)
        self.view.end(f"{stage.options.steps} steps")

    def _callbacks(self, stage: Stage, loader: BatchLoader) -> list[Callback]:
        """Give what is done beside the steps of a stage, in this order."""
        return [
            Validation(stage, self.policy, partial(loader.held_out, stage.held_out)),
            SamplePictures(
                self.folder, self.store, self.graph, self.recipe.alignment, self.policy, stage.sample_pictures
            ),
            Logging(),
            Progress(self.view.advance, stage.progress_metrics),
            Monitor(stage.thresholds(), self.warn),
            Finishing(stage, partial(loader.training_clips, stage.finish_with)),
        ]

    def work(self, step: Step | None = None, folder: Path | None = None) -> RunWork:
        """Give what a job is offered; its results go into `folder`, or the run's own."""
        exact = choose(self.recipe.compute.model_copy(update={"precision": "fp32"}))
        pipeline = InferencePipeline(self.graph, self.recipe.alignment, exact)

        def sources() -> Sources:
            assert step is not None
            return self.cache.sources(step.stage, self.store)

        place = folder or self.folder
        return RunWork(self.graph, place, self.store, pipeline, self._progress, sources)

    def _leave(self) -> None:
        """Leave the model, pictures, curves and clips of a finished run."""
        versions = "-".join(sorted(s.result for s in self.plan.steps))
        mark, model = self.folder / "shown", self.folder / "model"
        there = model.is_dir() or not self.plan.draws
        if mark.exists() and mark.read_text(encoding="utf-8") == versions and there:
            return
        if self.plan.draws:
            self.builder.save_bundle(model, self.graph)
        self.view.begin("pictures, curves and clips" if self.plan.draws else "curves")
        show_run(self.work(), clips=self.plan.draws)
        write_text(mark, versions)
        self.view.end(str(self.folder))


def _check_names(loaded: Loaded, stages: Sequence[str]) -> None:
    known = loaded.recipe.stages
    for name in stages:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'? " if near else ""
            raise RecipeError(f"unknown stage '{name}'", hint=f"{hint}stages: {', '.join(known)}")
