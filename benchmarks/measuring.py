"""What the benchmarks share: the best time of several, taken in turns, and the machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch


def best_of(tasks: Mapping[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Time tasks in turns, so that what else the machine does falls on all: the best seconds.

    Each is called once before, unmeasured.
    """
    for task in tasks.values():
        task()
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def machine() -> str:
    """Describe the machine in one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{name or platform.processor() or platform.machine()}, {cores} cores, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
