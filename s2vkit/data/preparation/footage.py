"""Preparing footage: every source cut once, by many processes and machines, into shards.

    OUT/shards/000000.tar ...            the clips, as WebDataset reads them
    OUT/index.json, *_at.npy             what is in them, and where each frame lies
    OUT/report.csv                       what became of every source
    OUT/corpus.json                      what it was made of; written last
    OUT/parts/                           work in progress

A part is up to 64 sources. Whoever works on a part holds its lock; a part that is done has its
shard and PART.json, one that is not has a file for each source that is.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from s2vkit.data.preparation.cut_one import Cutter
from s2vkit.data.preparation.finish import finish, is_finished
from s2vkit.data.preparation.listing import Listing
from s2vkit.data.preparation.outcome import stop_if_hopeless, write_report
from s2vkit.data.preparation.part import Part
from s2vkit.data.preparation.pool import Pool, Task
from s2vkit.data.preparation.ranks import ALONE, Rank
from s2vkit.data.shards.shard_store import SHARDS
from s2vkit.errors import InputError
from s2vkit.files import locked

Progress = Callable[[int, int], None]


def prepare_footage(
    listing: Listing,
    out: Path,
    *,
    workers: int,
    progress: Progress,
    rank: Rank = ALONE,
    max_rejected: float = 0.5,
) -> bool:
    """Cut this rank's share of the sources; whoever is last makes the corpus whole.

    Returns whether the corpus is whole. A killed preparation goes on where it was, and no source
    is cut twice. Raises InputError if more than `max_rejected` of the sources are rejected
    (seen after 200 of them, or at the end), or where the folder holds something else.
    """
    if is_finished(out):
        return True
    listing.check()
    (out / "parts").mkdir(parents=True, exist_ok=True)
    (out / SHARDS).mkdir(exist_ok=True)
    with locked(out / "parts" / ".plan.lock", wait=True):
        listing.claim(out)
    _Preparation(listing, out, workers, progress, rank, max_rejected).run()
    parts = [Part(out, number) for number in range(len(listing.parts))]
    if not (is_finished(out) or all(part.done for part in parts)):
        return False
    with locked(out / "parts" / ".finish.lock", wait=True):
        if not is_finished(out):
            finish(listing, out, max_rejected)
    shutil.rmtree(out / "parts", ignore_errors=True)
    return True


class _Preparation:
    """One process's work on its parts."""

    def __init__(
        self, listing: Listing, out: Path, workers: int, progress: Progress, rank: Rank, max_rejected: float
    ) -> None:
        self.listing, self.out, self.progress = listing, out, progress
        self.max_rejected, self.workers = max_rejected, workers
        self.mine = [n for n in range(len(listing.parts)) if rank.has(n)]
        self.total = sum(len(listing.parts[n]) for n in self.mine)
        self.tally: Counter[str] = Counter()
        self.example: dict[str, Any] = {}
        self._left: dict[int, int] = {}  # part in work -> sources not cut yet
        self._locks: dict[int, ExitStack] = {}

    def run(self) -> None:
        """Cut all parts; first those that nobody holds, then those that others gave up."""
        options = self.listing.options
        cutter = Cutter(self.listing.make_detector, self.listing.cutting, options.quality)
        try:
            with Pool(cutter, min(self.workers, self.total)) as pool:
                for wait in (False, True):
                    for number in self.mine:
                        self._begin(number, pool, wait)
                        while pool.waiting > 2 * self.workers or (wait and pool.waiting):
                            self._take(pool)
                    while pool.waiting:
                        self._take(pool)
        finally:
            for lock in self._locks.values():
                lock.close()

    def _begin(self, number: int, pool: Pool, wait: bool) -> None:
        """Take the lock of a part and queue what is not cut of it."""
        part, sources = Part(self.out, number), self.listing.parts[number]
        if wait and part.done:
            return
        lock = ExitStack()
        if not lock.enter_context(locked(part.lock, wait=wait)):
            return
        if part.done or is_finished(self.out):
            lock.close()
            self._count(part.results())
            return
        self._locks[number] = lock
        part.folder.mkdir(exist_ok=True)
        results = {i: result for i in sources if (result := part.result_of(i))}
        self._count(results.values())
        self._left[number] = len(sources) - len(results)
        for i in sources:
            if i not in results:
                pool.add(Task(number, self.listing.sources[i], part.place(i)))
        if not self._left[number]:
            self._close(number)

    def _take(self, pool: Pool) -> None:
        self.progress(self.tally.total(), self.total)  # where the user may have asked to stop
        for task, result in pool.finished():
            self._count([result])
            self._left[task.part] -= 1
            if not self._left[task.part]:
                self._close(task.part)

    def _close(self, number: int) -> None:
        Part(self.out, number).close(self.listing.parts[number])
        self._locks.pop(number).close()

    def _count(self, results: Iterable[dict[str, Any]]) -> None:
        for result in results:
            self.tally[result["status"]] += 1
            if result["status"] == "rejected":
                self.example = result
        self.progress(self.tally.total(), self.total)
        try:
            stop_if_hopeless(self.tally, len(self.listing.sources), self.max_rejected, self.example)
        except InputError:
            write_report(self.out, self.listing, self._so_far())
            raise

    def _so_far(self) -> Iterator[dict[str, Any]]:
        for number, sources in enumerate(self.listing.parts):
            part = Part(self.out, number)
            if part.done:
                yield from part.results()
            else:
                yield from (result for i in sources if (result := part.result_of(i)))
