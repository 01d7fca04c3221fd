"""Small movements of a clip: the head sways and nods, lids blink, brows rise with the voice."""

from __future__ import annotations

import numpy as np
import torch

from s2vkit_synthetic.portrait import Light, Motion


def move(frames: int, fps: float, level: np.ndarray, calm: float, rng: np.random.Generator) -> Motion:
    """Make the movements of a clip of V frames; `level` (V,) in [0, 1] is the loudness.

    `calm` divides the sway; 1 moves the head by about 1.5 % of the picture.
    """
    at = np.arange(frames) / fps
    nod = _soften(level, 4)
    values = {
        "x": 0.024 * _wander(at, rng) / calm,
        "y": 0.014 * _wander(at, rng) / calm + 0.012 * (nod - nod.mean()),
        "turn": 0.028 * _wander(at, rng) / calm,
        "size": 1.0 + 0.008 * _wander(at, rng) / calm,
        "closure": _blinks(at, rng),
        "brows": 0.016 * nod,
    }
    return Motion(**{k: torch.tensor(v, dtype=torch.float32) for k, v in values.items()})


def lighting(rng: np.random.Generator) -> Light:
    """Light a clip a little differently from the next."""
    return Light(
        brightness=float(1.0 + 0.03 * rng.uniform(-1, 1)),
        warmth=float(0.015 * rng.uniform(-1, 1)),
        grain=0.010,
    )


def _wander(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sum three slow waves: (V,) within about [-1, 1]."""
    hertz = rng.uniform(0.15, 0.75, 3)
    phase = rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * hertz * at[:, None] + phase) * np.array([0.5, 0.3, 0.2])
    return waves.sum(1)


def _blinks(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    closure = np.zeros(len(at))
    when = rng.uniform(0.2, 2.6)
    while when < at[-1]:
        closure = np.maximum(closure, (1.25 - np.abs(at - when) / 0.085).clip(0.0, 1.0))
        when += rng.uniform(1.4, 3.6)
    return closure


def _soften(values: np.ndarray, radius: int) -> np.ndarray:
    kernel = np.hanning(2 * radius + 3)[1:-1]
    padded = np.pad(values, radius, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
