"""Measuring for benchmarks: rates of several ways, taken in turn in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def rates(
    ways: Mapping[str, Callable[[], int]], seconds: float, rounds: int = 5
) -> dict[str, float]:
    """Run each way in turn, `seconds` in all a way; give items a second, the median of rounds.

    A way does some work and returns how many items it did. Taking turns lets whatever else the
    machine does fall on all of them alike.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            items, began = 0, time.perf_counter()
            while (passed := time.perf_counter() - began) < seconds / rounds:
                items += way()
            found[name].append(items / passed)
    return {name: sorted(held)[len(held) // 2] for name, held in found.items()}


def report(measured: Mapping[str, float], unit: str, alternative: str) -> None:
    """Print each rate, and how many times that of the alternative it is."""
    for name, rate in measured.items():
        print(f"{name:<44} {rate:12.1f} {unit}  {rate / measured[alternative]:8.2f} x")
