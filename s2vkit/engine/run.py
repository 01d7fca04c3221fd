"""Running a recipe: prepare the corpus, go through the stages, leave what was asked for."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from s2vkit.build import Builder, world_of
from s2vkit.data.files import write_text
from s2vkit.data.frozen import Arrays, cached, hear_all, look_all
from s2vkit.data.prepare import prepare
from s2vkit.data.store import ClipStore
from s2vkit.engine.batches import Batches, Sources
from s2vkit.engine.checkpoint import load_modules
from s2vkit.engine.device import choose
from s2vkit.engine.folder import clear_cache_of, need_room, record, taken
from s2vkit.engine.gallery import show_run
from s2vkit.engine.listener import Listener
from s2vkit.engine.model import save_model
from s2vkit.engine.plan import Plan, Step
from s2vkit.engine.preflight import time_load, time_stages
from s2vkit.engine.train import Hooks, Stopped, Trainer
from s2vkit.engine.view import View, clock
from s2vkit.engine.work import RunWork
from s2vkit.errors import RecipeError
from s2vkit.parts.seed import generator
from s2vkit.parts.stage import Job, Stage
from s2vkit.plugins import registry
from s2vkit.recipe.load import Loaded, dump_recipe
from s2vkit.registry import nearest


def run_recipe(
    loaded: Loaded, *, console: Console, fresh: bool = False, stages: Sequence[str] = (),
    dry: bool = False,
) -> Path:  # fmt: skip
    """Run a recipe to its end, from wherever it was; give the run folder.

    `stages` runs only the stages named and what they depend on; `dry` only says what would be
    done. Raises S2vkitError; Stopped (a KeyboardInterrupt) when asked to stop.
    """
    _check_names(loaded, stages)
    with taken(Path(loaded.recipe.output), fresh=fresh) as folder, _stop_flag() as stopped:
        write_text(folder / "recipe.yaml", dump_recipe(loaded))
        run = Run(loaded, folder, console, stopped)
        run.announce()
        if not dry:
            run.all(stages)
    return folder


class Run:
    """One run of one recipe in its folder."""

    def __init__(
        self, loaded: Loaded, folder: Path, console: Console, stopped: threading.Event
    ) -> None:
        self.loaded, self.recipe, self.folder = loaded, loaded.recipe, folder
        self.console, self.stopped = console, stopped
        self.registry = registry()
        self.policy = choose(self.recipe.compute)
        self.builder = Builder(self.recipe, self.registry)
        self.dataset = self.builder.dataset()
        self.world = world_of(self.dataset)
        self.graph = self.builder.graph(self.world)
        self.stages = self._make_stages(self.graph)
        self.plan = Plan(self.recipe, self.registry, self.graph, self.stages, folder)
        self.cache = Path(self.recipe.cache)
        self.corpus = self.cache / f"corpus-{self.recipe.data.use}-{self.plan.data}"

    def _make_stages(self, graph: Any) -> dict[str, Stage | Job]:
        with self.policy.device:  # the losses a stage builds may hold filters
            return {
                name: self.builder.make(slot, graph=graph)
                for name, slot in self.recipe.stages.items()
            }

    def announce(self) -> None:
        """Say what will be done and about how long it takes here."""
        for note in self.loaded.dropped:
            self.console.print(f"note: {note}", highlight=False)
        todo = self._estimate()
        table = Table(title=f"{self.loaded.path} on {self.policy}", title_justify="left")
        table.add_column("step")
        table.add_column("what")
        table.add_column("time", justify="right")
        for name, what, seconds in todo:
            table.add_row(name, what, "" if seconds is None else f"about {clock(seconds)}")
        whole = sum(seconds or 0 for _, _, seconds in todo)
        table.add_row("", "all of it", f"about {clock(whole)}", style="bold")
        self.console.print(table)

    def _estimate(self) -> list[tuple[str, str, float | None]]:
        self.console.print("looking at the machine: one made-up step of every stage ...")
        rows: list[tuple[str, str, float | None]] = []
        clips = len(self.dataset.clips())
        if self.corpus.is_dir():
            rows.append(("corpus", f"{clips} clips, there already", None))
        else:
            seconds = time_load(self.dataset) * clips / max(1, self.recipe.compute.workers)
            rows.append(("corpus", f"{clips} clips from {self.recipe.data.use}", seconds + 5))
        probe = self.builder.graph(self.world)
        stages = self._make_stages(probe)
        todo = [s.name for s in self.plan.steps if not s.done and not s.idle]
        trained = {n: s for n in todo if isinstance(s := stages[n], Stage)}
        times = time_stages(trained, self.builder, probe, self.policy)
        for step in self.plan.steps:
            rows.append((step.name, self._what(step), times.get(step.name)))
        return rows

    def _what(self, step: Step) -> str:
        if step.idle:
            return f"nothing to do: {step.idle}"
        if step.done:
            return f"done already in {clock(step.seconds or 0)}"
        if isinstance(step.stage, Stage):
            moved = ", ".join(step.stage.optimizers())
            return f"{step.stage.options.steps} steps of {moved}"
        return self.recipe.stages[step.name].use

    def all(self, only: Sequence[str]) -> None:
        """Go through everything that is not done."""
        chosen = self._with_needs(only) if only else {s.name for s in self.plan.steps}
        clear_cache_of(self.cache)
        with View(self.console) as view:
            self.view = view
            self.store = self._corpus()
            for step in self.plan.steps:
                if step.name in chosen and not step.idle:
                    self._one(step)
            if chosen == {s.name for s in self.plan.steps}:
                self._leave()

    def _with_needs(self, only: Sequence[str]) -> set[str]:
        chosen = set(only)
        for step in reversed(self.plan.steps):
            if step.name in chosen:
                chosen |= set(self.recipe.stages[step.name].options.after)  # type: ignore[attr-defined]
        return chosen

    def _corpus(self) -> ClipStore:
        if not self.corpus.is_dir():
            self.cache.mkdir(parents=True, exist_ok=True)
            clips = len(self.dataset.clips())
            frame = self.world.size**2 * 3
            need_room(self.cache, int(clips * 2.2 * (60 * frame + 2.5 * 64000)), "the corpus")
            self.view.begin("corpus")
            prepare(
                self.dataset, self.corpus, workers=self.recipe.compute.workers,
                progress=self._progress,
            )  # fmt: skip
            self.view.end(f"{clips} clips in {self.corpus}")
        return ClipStore(self.corpus)

    def _progress(self, done: int, total: int) -> None:
        if self.stopped.is_set():
            raise Stopped
        self.view.advance(done, total)

    def _one(self, step: Step) -> None:
        folder = self.folder / "stages" / step.name
        if step.done:
            if isinstance(step.stage, Stage):
                load_modules(folder / "weights.safetensors", self.graph.modules())
            return
        self._begin_anew_if_changed(folder, step)
        start = time.monotonic()
        if isinstance(step.stage, Job):
            self._job(step, step.stage)
        else:
            self._train(step, step.stage, folder)
        seconds = round(time.monotonic() - start, 1)
        record(folder, step.fingerprint, seconds)
        step.done, step.seconds = True, seconds

    def _begin_anew_if_changed(self, folder: Path, step: Step) -> None:
        """Keep a checkpoint only if it is of the very same stage."""
        mark = folder / "fingerprint"
        if not mark.exists() or mark.read_text() != step.fingerprint:
            for left in ("checkpoint", ".checkpoint.old"):
                _remove(folder / left)
            _remove(folder / "log.jsonl")
            write_text(mark, step.fingerprint)
        _remove(folder / "done.json")

    def _train(self, step: Step, stage: Stage, folder: Path) -> None:
        sources = self._sources(step.name, stage)
        self.view.begin(step.name)
        seed = self.recipe.seed
        batches = Batches(sources, stage, step.name, seed=seed, device=self.policy.device)
        trainer = Trainer(
            stage, step.name, self.graph, batches, policy=self.policy, seed=seed,
            make_optimizer=self.builder.make,
        )  # fmt: skip
        hooks = Hooks(self.view.advance_step, self.stopped.is_set)
        trainer.run(folder, hooks, self.recipe.checkpoint_seconds)
        self.view.end(f"{stage.options.steps} steps")

    def _sources(self, name: str, stage: Stage) -> Sources:
        caches = self.plan.caches[name]
        speech = self._hear(caches.speech) if stage.needs & _HEARD else None
        looked = {
            side: self._look(side, caches.faces[side])
            for side in self.graph.teachers
            if "targets" in stage.needs or ("maps" in stage.needs and side == "identity")
        }
        return Sources(self.store, speech, looked)

    def _hear(self, fingerprint: str) -> Arrays:
        def make(out: Path) -> None:
            self.view.begin("hearing every clip once")
            self._freeze(self.graph.encoder)
            alignment = self.recipe.alignment
            hear_all(
                self.store, self.graph.encoder, out, device=self.policy.device,
                mode=alignment.mode, shift=alignment.shift, progress=self._progress,
            )  # fmt: skip
            self.view.end("speech features kept")

        return cached(self.cache / f"speech-{fingerprint}", make)

    def _look(self, side: str, fingerprint: str) -> Arrays:
        def make(out: Path) -> None:
            self.view.begin(f"looking at every clip once ({side})")
            teacher = self.graph.teachers[side]
            self._freeze(teacher)
            look_all(
                self.store, teacher, out, device=self.policy.device,
                views=self.plan.views[side], maps=self.plan.maps and side == "identity",
                generator=generator(self.recipe.seed, "views", side), progress=self._progress,
            )  # fmt: skip
            self.view.end("teacher's vectors kept")

        return cached(self.cache / f"faces-{side}-{fingerprint}", make)

    def _freeze(self, module: Any) -> None:
        self.policy.place(module).eval().requires_grad_(False)

    def _work(self) -> RunWork:
        exact = choose(self.recipe.compute.model_copy(update={"precision": "fp32"}))
        listener = Listener(self.graph, self.recipe.alignment, exact)
        return RunWork(self.graph, self.folder, self.store, listener, self._progress)

    def _job(self, step: Step, job: Job) -> None:
        self.view.begin(step.name)
        job.run(self._work())
        self.view.end()

    def _leave(self) -> None:
        """Leave the model, pictures, curves and clips of a finished run."""
        versions = "-".join(sorted(s.fingerprint for s in self.plan.steps))
        mark = self.folder / "shown"
        if not mark.exists() or mark.read_text() != versions:
            from s2vkit import __version__

            save_model(self.folder / "model", self.graph, self.loaded.data, __version__)
            self.view.begin("pictures, curves and clips")
            show_run(self._work(), self.recipe.name)
            write_text(mark, versions)
            self.view.end(str(self.folder))


_HEARD = frozenset({"features", "mismatched", "summary", "codes"})


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_names(loaded: Loaded, stages: Sequence[str]) -> None:
    known = loaded.recipe.stages
    for name in stages:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'? " if near else ""
            raise RecipeError(f"unknown stage '{name}'", hint=f"{hint}stages: {', '.join(known)}")


@contextmanager
def _stop_flag() -> Iterator[threading.Event]:
    """Let the first Ctrl-C (or TERM) end the step in hand and save; the second ends at once."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {sig: signal.signal(sig, ask) for sig in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
