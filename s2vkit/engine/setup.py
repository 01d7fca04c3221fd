"""The setup of a run: its policy, dataset, graph, stages, plan and cache."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from s2vkit.build import Builder, data_spec_of
from s2vkit.data.corpus import FootageCorpus
from s2vkit.data.preparation.ranks import Rank
from s2vkit.data.store import ClipStore
from s2vkit.device import Policy, choose
from s2vkit.engine.announce import announce, try_pending
from s2vkit.engine.preflight import Trial, check_evaluators, check_hearing, check_labels, check_splits
from s2vkit.engine.process_group import ProcessGroup, join_processes
from s2vkit.engine.stop import Stopped
from s2vkit.engine.view import View
from s2vkit.interfaces.logger import Logger
from s2vkit.recipe.load import Loaded
from s2vkit.registry import Registry
from s2vkit.runs.cache import Cache
from s2vkit.runs.folder import precision_of
from s2vkit.runs.plan import Plan
from s2vkit.runs.split import write_split
from s2vkit.runs.start_from import Start, Started, describe_start, keep_start, open_start, start
from s2vkit.runs.warning_log import Notes
from s2vkit.settings import Compute


class RunSetup:
    """One recipe, built in its run folder; `store` is its corpus once that is open."""

    store: ClipStore
    source: Start | None  # what it starts from
    started: Started
    profile = False  # whether a trace of some steps of each stage is written

    def __init__(
        self,
        loaded: Loaded,
        folder: Path,
        console: Console,
        stopped: threading.Event,
        registry: Registry,
        precision: str = "",
        *,
        finished: bool = False,
    ) -> None:
        """Build the run.

        `precision` is rank 0's, where this process works beside it; empty: as the folder or machine
        says. `finished`: it is only taken up, with the weights that it did start from.
        """
        self.loaded, self.recipe, self.folder = loaded, loaded.recipe, folder
        self.console, self.stopped, self.view = console, stopped, View(console)
        self.notes, self.command = Notes(folder), ""
        self.group: ProcessGroup = join_processes()
        self.policy, self.not_compiled = _choose(self.recipe.compute, folder, precision), ""
        self.builder = Builder(self.recipe, registry)
        dataset = self.builder.dataset()
        self.dataset, self.registry = dataset, registry
        self.finished = finished
        self._build()

    def _build(self) -> None:
        """Build the graph and the stages on it, and plan what is to be done."""
        self.graph = self.builder.graph(data_spec_of(self.dataset))
        self._start()
        self.stages = self.builder.stages(self.graph, self.policy.device)
        self._plan()

    def _start(self) -> None:
        """Load the weights that the recipe starts from, if it names any."""
        options = self.recipe.start_from
        self.source, self.started = None, Started({}, (), {})
        if options is not None:
            self.source = open_start(options, self.folder, finished=self.finished)
            self.started = start(self.graph, self.source, options, self.builder)

    def keep_start(self) -> None:
        """Keep a copy of the weights that the run starts from in its folder, and say what they are."""
        if self.source is not None:
            keep_start(self.folder, self.source, self.started)
            for line in describe_start(self.source, self.started):
                self.console.print(f"start_from: {escape(line)}", highlight=False)

    def _plan(self) -> None:
        check_splits(self.dataset.clips(), self.stages)
        check_labels(self.graph)
        check_evaluators(self.graph, self.stages, self.started.parts)
        check_hearing(self.graph, self.stages, self.started.parts)
        dataset: Any = self.dataset
        identity = dataset.identity if isinstance(dataset, FootageCorpus) else ""
        self.plan = Plan(
            self.recipe,
            self.registry,
            self.graph,
            self.stages,
            self.folder,
            self.policy,
            identity,
            self.started.parts,
        )
        self.cache = Cache(self.plan, self.dataset, self.policy, self.view, self.progress, self.group)

    def announce(self) -> None:
        """Print what will be done and about how long it takes here."""
        for note in self.loaded.dropped:
            self.console.print(f"note: {escape(note)}", highlight=False)
        self.console.print("checking the machine: one step of every stage on fake data ...")
        announce(self.loaded, self.console, self.plan, self.cache, self.try_out())

    def try_out(self) -> Trial:
        """Step every pending stage on fake clips; compiling is given up where it fails."""
        trial = try_pending(self.plan, self.builder, self.policy)
        self.policy = self.plan.policy = self.cache.policy = trial.policy
        if trial.not_compiled:
            self.not_compiled = trial.not_compiled
            self.view.warn(f"not compiled, and slower for it: torch.compile fails: {trial.not_compiled}")
        return trial

    def loggers(self) -> list[Logger]:
        """Build the loggers of the recipe."""
        return [self.builder.make(slot) for slot in self.recipe.loggers.values()]

    def warn(self, what: str) -> None:
        """Show a warning and record it."""
        if self.group.leads:
            self.view.warn(what)
            self.notes.add(what)

    def cut_footage(self) -> None:
        """Cut clips out of footage that is not prepared, and plan anew; the graph stays if it fits.

        Of several processes each cuts its share.
        """
        footage = self.dataset if isinstance(self.dataset, FootageCorpus) else None
        if not self.group.from_leader(footage is not None and not footage.ready):
            return
        assert footage is not None
        with self.view:
            self.view.begin("cutting clips")
            share, workers = self.group.part, self.recipe.compute.workers
            footage.prepare(workers=workers, progress=self.progress, rank=Rank(share.rank, share.world))
            self.group.wait()
            if self.group.leads:
                footage.prepare(workers=workers, progress=self.progress)  # if nobody saw that all was done
            self.group.wait()
            self.view.end(str(footage.folder))
        footage.await_ready()
        if data_spec_of(self.dataset) == self.graph.data_spec:
            self._plan()
        else:
            self._build()

    def open_corpus(self) -> None:
        """Open the corpus, made where it is not there; the run's folder keeps the split of its clips."""
        with self.group.first() as leads:
            self.store = self.cache.open()
            if leads:
                write_split(self.folder, self.store)

    def progress(self, done: int, total: int) -> None:
        """Show progress. Raises Stopped where the user wants it to end."""
        if self.stopped.is_set():
            raise Stopped
        self.view.advance(done, total)


def _choose(compute: Compute, folder: Path, precision: str) -> Policy:
    """Choose what suits this machine, and of precisions the one that a run has begun in.

    Elsewhere `auto` may choose another, and what is trained already would be trained again.
    """
    policy = choose(compute)
    before = precision or precision_of(folder).get(policy.device.type, policy.precision)
    return policy if before == policy.precision else choose(compute, before)
