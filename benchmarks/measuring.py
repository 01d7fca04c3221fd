"""What benchmarks share: timing of alternatives, the machine in a line, and a table."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s2vkit.engine.run import Run

WARM = 3  # first steps that are not counted


def machine() -> str:
    """Describe the machine in one line: processor, cores this process may use, Python."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open() as file:
            model = next(line.split(":")[1].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} core(s), Python {platform.python_version()}"


def best_of(alternatives: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Time alternatives in turn, `rounds` times each: the least processor seconds of each.

    Taking turns lets a busy spell hit all of them; processor time leaves out the waiting.
    """
    best = dict.fromkeys(alternatives, float("inf"))
    for _ in range(rounds):
        for name, work in alternatives.items():
            begun = time.process_time()
            work()
            best[name] = min(best[name], time.process_time() - begun)
    return best


def processor_seconds_of(work: Callable[[], object], *, repeats: int = 5, warm: int = 1) -> float:
    """Return the median processor seconds of a call, all threads together: what a core would take."""
    for _ in range(warm):
        work()
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return median(found)


class Stopwatch:
    """The processor seconds that a `with` block took, all threads together."""

    seconds = 0.0


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Measure what is done inside."""
    watch, start = Stopwatch(), time.process_time()
    yield watch
    watch.seconds = time.process_time() - start


def steps_a_second(run: Run, stage: str, steps: int) -> float:
    """Train some steps of a stage, by the clock, with loading, logging and callbacks but no pictures."""
    from s2vkit.engine.stage_run import trainer_of  # what measures processor time alone needs no engine
    from s2vkit.engine.stop import Stopped
    from s2vkit.interfaces.stage import Stage

    with closing(run.cache):
        run.open_corpus()
        step = next(step for step in run.plan.steps if step.name == stage)
        assert isinstance(step.stage, Stage)
        step.stage.sample_pictures = 0
        trainer, times = trainer_of(run, step, step.stage), list[float]()

        def enough() -> bool:
            times.append(time.perf_counter())
            return len(times) > WARM + steps

        with tempfile.TemporaryDirectory() as folder, suppress(Stopped):
            trainer.run(Path(folder), save_seconds=1e9, stopped=enough)
    return (len(times) - 1 - WARM) / (times[-1] - times[WARM])


def load() -> str:
    """Say how busy the machine is: the mean number of processes that ran, of a minute."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} core(s)"


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings, as Markdown."""
    print(f"| {' | '.join(headings)} |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print(f"| {' | '.join(row)} |")
