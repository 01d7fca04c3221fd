"""What benchmarks share: timing of alternatives, the machine in a line, and a table."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median


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


def seconds_of(work: Callable[[], object], *, repeats: int = 5, warm: int = 1) -> float:
    """Give the median wall seconds of a call, after `warm` calls that do not count."""
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
