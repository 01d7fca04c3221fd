"""What benchmarks share: timing of alternatives, the machine and its ceiling, memory, a table."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

Work = Callable[[], object]


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


def alternate(works: Mapping[str, Work], device: torch.device, repeats: int) -> dict[str, float]:
    """Run pieces of work in turn, so that all meet the same load: the least seconds of each."""
    found = {name: float("inf") for name in works}
    for work in works.values():
        work()
    for _ in range(repeats):
        for name, work in works.items():
            found[name] = min(found[name], seconds(work, device))
    return found


def seconds(work: Work, device: torch.device) -> float:
    """Time one piece of work, to the end of what it set going on a device."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceilings(device: torch.device, dtype: torch.dtype) -> dict[str, tuple[Work, float]]:
    """Give a matrix product and a convolution of a good size, each with its operations."""
    import torch
    import torch.nn.functional as F

    side, images = (8192, 256) if device.type == "cuda" else (1024, 32)
    a = torch.randn(side, side, device=device, dtype=dtype)
    x = torch.randn(images, 128, 32, 32, device=device, dtype=dtype)
    w = torch.randn(128, 128, 3, 3, device=device, dtype=dtype)
    x, w = (t.contiguous(memory_format=torch.channels_last) for t in (x, w))
    return {
        "matrix product": (lambda: a @ a, 2.0 * side**3),
        "convolution": (lambda: F.conv2d(x, w, padding=1), 2.0 * x.numel() * 128 * 9),
    }


def peak_memory(work: Work, device: torch.device) -> float:
    """Run work once: the megabytes by which the peak rises."""
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return (torch.cuda.max_memory_allocated(device) - before) / 1e6
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far (Linux)
    before = _peak()
    work()
    return (_peak() - before) / 1e3


def _peak() -> float:
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0])
