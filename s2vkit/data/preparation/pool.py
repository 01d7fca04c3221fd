"""Worker processes that cut sources; one that dies takes nothing with it but its source."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.data.preparation.cut_one import UNDECODABLE, Cutter, rejected
from s2vkit.data.workers import end_workers, on_progress, worker_pool, worker_state
from s2vkit.files import write_json
from s2vkit.interfaces.dataset import Source

PATIENCE = 0.5  # s; so often is looked whether to stop
STANDSTILL = 600.0  # s without a decoded frame after which a worker is ended


@dataclass(frozen=True)
class Task:
    """A source to cut, and where what becomes of it is written (without a suffix)."""

    part: int
    source: Source
    out: Path


class Pool:
    """Cuts tasks in `workers` processes, or in this one where `workers` is below 2."""

    def __init__(self, cutter: Cutter, workers: int) -> None:
        self.cutter, self.workers = cutter, workers
        self._executor: Executor | None = None
        self._running: dict[Future[dict[str, Any]], Task] = {}
        self._here: list[Task] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        if self._executor is None:
            return
        if error[0] is not None:  # what is being cut is cut again; it may take for ever
            end_workers(self._executor)
        self._executor.shutdown(wait=error[0] is None, cancel_futures=True)

    @property
    def waiting(self) -> int:
        """How many tasks are not finished."""
        return len(self._running) + len(self._here)

    def add(self, task: Task) -> None:
        """Accept a task."""
        if self.workers < 2:
            self._here.append(task)
            return
        if self._executor is None:
            self._executor = worker_pool(self.workers, self.cutter)
        self._running[self._executor.submit(_cut_in_worker, task.source, task.out)] = task

    def finished(self) -> Iterator[tuple[Task, dict[str, Any]]]:
        """Return what is finished within a second or so: nothing, one or several tasks."""
        if self._here:
            task = self._here.pop(0)
            yield task, self.cutter.cut(task.source, task.out)
            return
        done, _ = wait(self._running, PATIENCE, return_when=FIRST_COMPLETED)
        for future in done:
            if isinstance(future.exception(), BrokenProcessPool):
                yield from self._mend()
                return
            yield self._running.pop(future), future.result()
        if not done:
            _end_hung(self._running.values())

    def _mend(self) -> Iterator[tuple[Task, dict[str, Any]]]:
        """Go on after a worker died: what it may have died of is cut again, each alone."""
        tasks, self._running, self._executor = list(self._running.values()), {}, None
        begun = [task for task in tasks if _mark(task.out).exists()]
        for task in tasks:
            if task not in begun:
                self.add(task)
        for task in begun:
            yield task, self._cut_alone(task)

    def _cut_alone(self, task: Task) -> dict[str, Any]:
        with worker_pool(1, self.cutter) as alone:
            future = alone.submit(_cut_in_worker, task.source, task.out)
            try:
                while not wait([future], PATIENCE).done:
                    _end_hung([task])
                return future.result()
            except BrokenProcessPool:
                result = {"name": task.source.name, "file": str(task.source.path)}
                result |= rejected(UNDECODABLE, "the process that decoded it stood still or died of it")
                write_json(task.out.with_suffix(".json"), result)
                _mark(task.out).unlink(missing_ok=True)
                return result
            except BaseException:
                end_workers(alone)
                raise


def _end_hung(tasks: Iterable[Task]) -> None:
    """End the worker of each task that made no progress for long; the pool mends itself then."""
    for task in tasks:
        mark = _mark(task.out)
        with suppress(OSError, ValueError):
            if time.time() - mark.stat().st_mtime > STANDSTILL:
                os.kill(int(mark.read_text()), getattr(signal, "SIGKILL", signal.SIGTERM))


def _cut_in_worker(source: Source, out: Path) -> dict[str, Any]:
    mark = _mark(out)
    mark.write_text(str(os.getpid()))
    on_progress(mark.touch)
    result = worker_state().cut(source, out)
    on_progress(None)
    mark.unlink(missing_ok=True)
    return {k: v for k, v in result.items() if k != "clips"}


def _mark(out: Path) -> Path:
    return out.with_suffix(".begun")
