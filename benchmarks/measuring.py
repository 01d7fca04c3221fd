"""What benchmarks share: timing, and a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median


def seconds_of(work: Callable[[], object], *, repeats: int = 5, warm: int = 1) -> float:
    """Give the median seconds of a call, after `warm` calls that do not count."""
    for _ in range(warm):
        work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return median(found)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their headings, as Markdown."""
    print(f"| {' | '.join(headings)} |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print(f"| {' | '.join(row)} |")
