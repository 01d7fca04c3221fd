"""Learning rates over the steps of a stage: a function of the step, never of history."""

from __future__ import annotations

import math

from torch import optim

from s2vkit.options import OptimizerOptions


def share(options: OptimizerOptions, step: int, total: int) -> float:
    """Return the factor of `lr` at a step, counted from 0, of a stage of `total` steps."""
    if step < options.warmup:
        return (step + 1) / (options.warmup + 1)
    if options.schedule == "step":
        return float(options.decay ** ((step - options.warmup) // options.every))
    if options.schedule == "constant":
        return 1.0
    along = (step - options.warmup) / max(1, total - 1 - options.warmup)
    left = 1 - along if options.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * along))
    return options.final + (1 - options.final) * left


def set_rate(optimizer: optim.Optimizer, options: OptimizerOptions, step: int, total: int) -> float:
    """Set the learning rate of every group for a step; give it."""
    rate = options.lr * share(options, step, total)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate
