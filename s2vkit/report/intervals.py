"""Intervals over clips and seeds: a hierarchical bootstrap, seeds first and clips within them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES, LEVEL, SEED = 2000, 0.95, 20210830
"""How often is resampled, how much an interval holds, and the seed of the resampling."""


@dataclass(frozen=True)
class Interval:
    """Where a figure lies, and how that was found."""

    low: float
    high: float
    method: str


def resample(samples: Sequence[np.ndarray], over: str = "mean") -> np.ndarray:
    """Draw seeds with replacement, then clips within each; give the figures (R, K) of each draw.

    `samples` holds, of each seed, the figures (N, K) of its clips in K systems: a drawn clip
    counts in all systems at once. What is drawn for a seed is brought to one figure by the mean
    or median over clips, and seeds by the mean. The same samples give the same figures.
    """
    rng = np.random.default_rng(SEED)
    seeds = rng.integers(len(samples), size=(RESAMPLES, len(samples)))
    found = np.empty((*seeds.shape, samples[0].shape[1]))
    bring = np.median if over == "median" else np.mean
    for number, clips in enumerate(samples):
        drawn = seeds == number
        rows = rng.integers(len(clips), size=(int(drawn.sum()), len(clips)))
        found[drawn] = bring(clips[rows], axis=1)
    means: np.ndarray = found.mean(axis=1)
    return means


def interval_of(figures: np.ndarray, method: str) -> Interval:
    """Return the middle 95 % of resampled figures (R,)."""
    edge = 50 * (1 - LEVEL)
    low, high = np.percentile(figures, [edge, 100 - edge])
    return Interval(float(low), float(high), method)


def clip_interval(of_seeds: Mapping[int, Mapping[str, float]], over: str) -> Interval | None:
    """Return the interval of one system: seed -> clip -> figure; None if a seed has no clips."""
    samples = [np.array(list(clips.values()))[:, None] for clips in of_seeds.values() if clips]
    if not samples or len(samples) != len(of_seeds):
        return None
    return interval_of(resample(samples, over)[:, 0], method_of(len(samples)))


@dataclass(frozen=True)
class Paired:
    """How two systems differ on the same clips and seeds."""

    value: float
    interval: Interval
    seeds: int
    clips: int  # of all seeds together


def paired(
    first: Mapping[int, Mapping[str, float]], second: Mapping[int, Mapping[str, float]], over: str
) -> Paired | None:
    """Return the difference first less second on the clips and seeds of both; None: there is none."""
    samples = []
    for seed in sorted(set(first) & set(second)):
        both = sorted(set(first[seed]) & set(second[seed]))
        if both:
            samples.append(np.array([[first[seed][c], second[seed][c]] for c in both]))
    if not samples:
        return None
    bring = np.median if over == "median" else np.mean
    value = float(np.mean([bring(s[:, 0]) - bring(s[:, 1]) for s in samples]))
    figures = resample(samples, over)
    interval = interval_of(figures[:, 0] - figures[:, 1], method_of(len(samples)))
    return Paired(value, interval, len(samples), sum(map(len, samples)))


def method_of(seeds: int) -> str:
    """Name the method, as every output does."""
    what = f"over {seeds} seeds, and clips within each" if seeds > 1 else "over clips alone (1 seed)"
    return f"{LEVEL:.0%} percentile bootstrap {what}, {RESAMPLES} resamples"
