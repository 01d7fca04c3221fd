"""Measuring: seconds, the machine's ceiling, the memory a step adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

Work = Callable[[], object]


def seconds(work: Work, device: torch.device) -> float:
    """Time one piece of work, to the end of what it set going on a device."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceilings(device: torch.device, dtype: torch.dtype) -> dict[str, tuple[Work, float]]:
    """Return a matrix product and a convolution of a good size, each with its operations."""
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
