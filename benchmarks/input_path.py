"""Does training wait for its batches? Images a second through the true input path.

    python benchmarks/input_path.py runs/speech2video
    python benchmarks/input_path.py runs/speech2video --stages compose --set compute.threads=1

Of a finished run, with its corpus and caches: the steps of a stage on true batches, loaded by 0,
1 and 2 worker processes, against the same steps on one fake batch. All take turns, each with
a loader of its own, and the median of their turns counts. The last column is what a GPU would
wait that needs 10 ms for a step: the same batches, a sleep in the place of the step.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measuring import load, machine, print_table
from rich.console import Console

from s2vkit.engine.loading import PREFETCH, BatchDataset, BatchLoader
from s2vkit.engine.preflight import make_up
from s2vkit.engine.run import Run
from s2vkit.engine.trainer import Trainer
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.stage import Stage
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe

MADE_UP = -1  # in the place of a number of workers
GPU_STEPS = 200  # of the pretended GPU, in a turn


@dataclass
class Turn:
    """What a turn took, in seconds a step."""

    step: float
    waiting: float  # for the batch


class Bench:
    """A stage of a finished run, and the ways to feed it."""

    def __init__(self, run: Run, name: str, steps: int) -> None:
        stage = run.stages[name]
        assert isinstance(stage, Stage)
        self.run, self.name, self.stage, self.steps = run, name, stage, steps
        sources = run.cache.sources(stage, run.store)
        self.dataset = BatchDataset(sources, stage, name, seed=run.recipe.seed)
        self.made_up = make_up(stage, run.graph, run.policy.device)
        self.waited = 0.0
        self.loader: Callable[[int], Batch] = self._give_made_up
        self.trainer = Trainer(
            stage,
            name,
            run.graph,
            self._batch,
            policy=run.policy,
            seed=run.recipe.seed,
            make_optimizer=run.builder.make,
        )

    def turn(self, workers: int) -> Turn:
        """Do the steps of a turn; those before them let the workers start and the queue settle."""
        if workers == MADE_UP:
            self.loader = self._give_made_up
            return self._timed(1, self.trainer.step)
        first = 1 + PREFETCH * workers
        with closing(self._open(workers, first + self.steps)) as loader:
            self.loader = loader
            return self._timed(first, self.trainer.step)

    def gpu_waits(self, workers: int, seconds: float) -> float:
        """Say how long a device waits for each batch that needs so many seconds for a step."""
        first = 1 + PREFETCH * workers
        with closing(self._open(workers, first + GPU_STEPS)) as loader:
            for number in range(first):
                loader(number)
            self.waited = 0.0
            self.loader = loader
            for number in range(first, first + GPU_STEPS):
                self._batch(number)
                time.sleep(seconds)
        return self.waited / GPU_STEPS

    def _timed(self, first: int, step: Callable[[int], object]) -> Turn:
        for number in range(first):
            step(number)
        self.waited, start = 0.0, time.perf_counter()
        for number in range(first, first + self.steps):
            step(number)
        whole = time.perf_counter() - start
        return Turn(whole / self.steps, self.waited / self.steps)

    def _batch(self, number: int) -> Batch:
        start = time.perf_counter()
        batch = self.loader(number)
        self.waited += time.perf_counter() - start
        return batch

    def _give_made_up(self, number: int) -> Batch:
        return self.made_up

    def _open(self, workers: int, steps: int) -> BatchLoader:
        total = steps * self.stage.options.accumulate
        return BatchLoader(self.dataset, device=self.run.policy.device, workers=workers, total=total)

    @property
    def images(self) -> int:
        """Images that a step trains on; clips, where it sees none."""
        frames = self.made_up.get("frames")
        count = frames.shape[0] * frames.shape[1] if frames is not None else self.stage.options.batch
        return count * self.stage.options.accumulate


def main() -> None:
    """Measure the stages asked for and print a table."""
    args = _arguments()
    loaded = load_recipe(args.run / "recipe.yaml", [f"output={args.run}", *args.set], registry())
    run = Run(loaded, args.run, Console(stderr=True), threading.Event(), registry())
    with closing(run.cache), run.view:
        run.take_up()
        names = args.stages or [n for n, s in run.stages.items() if isinstance(s, Stage) and not s.idle()]
        rows = [row for name in names for row in measure(Bench(run, name, args.steps), args)]
    print(f"{machine()}, {load()}; {run.policy}\n")
    gpu = f"a GPU step of {args.gpu_step * 1e3:.0f} ms waits"
    print_table(("stage", "batches", "images/s", "ms a step", "waiting for data", gpu), rows)


def measure(bench: Bench, args: argparse.Namespace) -> list[tuple[str, ...]]:
    """Let the ways take turns; give a row of the table for each."""
    ways = [MADE_UP, *args.workers]
    turns: dict[int, list[Turn]] = {way: [] for way in ways}
    for _ in range(args.rounds):
        for way in ways:
            turns[way].append(bench.turn(way))
    rows = []
    for way in ways:
        step = median(turn.step for turn in turns[way])
        share = median(turn.waiting / turn.step for turn in turns[way])
        cells = [bench.name, _name(way), f"{bench.images / step:.0f}", f"{step * 1e3:.1f}"]
        if way == MADE_UP:
            rows.append((*cells, "", ""))
            continue
        waits = median(bench.gpu_waits(way, args.gpu_step) for _ in range(args.rounds))
        rows.append((*cells, f"{share:.1%}", f"{waits * 1e3:.2f} ms"))
    return rows


def _name(workers: int) -> str:
    return "made up" if workers == MADE_UP else f"{workers} worker{'s' * (workers != 1)}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("--stages", nargs="+", default=[], help="all that train, if absent")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=20, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--gpu-step", type=float, default=0.01, help="seconds")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the recipe")
    return parser.parse_args()


if __name__ == "__main__":
    main()
