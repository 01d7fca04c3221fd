"""Measuring for the benchmarks: alternatives run in turn, the best of each, on which machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path


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
