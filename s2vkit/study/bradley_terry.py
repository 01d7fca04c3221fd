"""Strengths out of paired comparisons: Bradley and Terry's model, ties as Davidson has them.

With strengths s and a tie parameter d, a and b compared: a wins with weight exp(s_a), b with
exp(s_b), neither with exp(d + (s_a + s_b) / 2) (Davidson 1970). Without ties it is Bradley and
Terry 1952. The likelihood is concave, and Newton's method finds its top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PSEUDO = 0.5  # of a vote, each way and tied, where the votes alone have no finite answer
_STEPS, _CLOSE = 100, 1e-10


@dataclass(frozen=True)
class Fit:
    """The fitted model of K systems."""

    strengths: Array  # (K,) logarithms, their mean 0
    tie: float  # Davidson's d; -inf where there was no tie
    regularised: bool  # the votes alone have no finite answer, so PSEUDO was added
    connected: bool  # whether every system can be compared with every other, over others if need be

    def chance(self, one: int, other: int) -> float:
        """Return the probability that `one` is preferred to `other` where one is preferred."""
        return float(1 / (1 + np.exp(self.strengths[other] - self.strengths[one])))


def fit(wins: Array, ties: Array) -> Fit:
    """Fit K systems: wins[i, j] votes for i over j, ties (symmetric) where neither won.

    Where some systems never lost, or only lost, to the others (Ford's condition, a tie counting
    both ways), or where nobody ever won, the top lies at infinity: then half a vote each way
    is added to every pair that was compared, and a half tie if there are ties, and said so.
    """
    exists = has_answer(wins, ties)
    strengths, tie = fit_many(wins[None], ties[None])
    compared = wins + wins.T + ties > 0
    return Fit(strengths[0], float(tie[0]), not exists, _reaches_all(compared | compared.T))


def has_answer(wins: Array, ties: Array) -> bool:
    """Return whether the likelihood has its top at finite strengths.

    For systems in parts that were never compared with each other, this is asked of each part.
    """
    beats = (wins > 0) | (ties > 0)
    reachable = _closure(beats)
    compared = _closure(beats | beats.T)
    return bool((reachable == compared).all()) and (bool((wins > 0).any()) or not ties.any())


def fit_many(wins: Array, ties: Array) -> tuple[Array, Array]:
    """Fit R sets of votes (R, K, K) at once: strengths (R, K) of mean 0, and ties (R,).

    Sets without a finite answer get PSEUDO votes, as `fit` says.
    """
    wins, ties = wins.astype(float).copy(), ties.astype(float).copy()
    for i in range(len(wins)):
        if not has_answer(wins[i], ties[i]):
            both = wins[i] + wins[i].T + ties[i] > 0
            wins[i] += PSEUDO * both
            ties[i] += PSEUDO * both * bool(ties[i].any())
    some = ties.sum((1, 2)) > 0
    strengths, tie = _newton(wins, ties, some)
    return strengths, np.where(some, tie, -np.inf)


def _newton(wins: Array, ties: Array, some: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Climb to the top for R sets at once; where a set has no ties, its d stays out."""
    rounds, count = wins.shape[0], wins.shape[1]
    at = np.zeros((rounds, count + 1))
    for _ in range(_STEPS):
        slope, bend = _derivatives(wins, ties, some, at)
        step = np.clip(np.einsum("rij,rj->ri", np.linalg.pinv(bend, hermitian=True), slope), -2, 2)
        at += step
        if np.abs(step).max(initial=0) < _CLOSE:
            break
    return at[:, :count] - at[:, :count].mean(1, keepdims=True), at[:, count]


def _derivatives(wins: Array, ties: Array, some: NDArray[np.bool_], at: Array) -> tuple[Array, Array]:
    """Return the slope (R, K + 1) of the log-likelihood, and its curvature, negated.

    Each comparison is a choice among three whose weights are exponentials of linear sums, so
    the slope is the observed less the expected, the curvature the choice's covariance.
    """
    rounds, count = wins.shape[0], wins.shape[1]
    slope = np.zeros((rounds, count + 1))
    bend = np.zeros((rounds, count + 1, count + 1))
    for i in range(count):
        for j in range(i + 1, count):
            sums = np.zeros((3, count + 1))
            sums[0, i] = sums[1, j] = sums[2, count] = 1.0
            sums[2, i] = sums[2, j] = 0.5
            counts = np.stack([wins[:, i, j], wins[:, j, i], ties[:, i, j]], 1)
            logits = at @ sums.T
            logits[:, 2] = np.where(some, logits[:, 2], -np.inf)
            share = np.exp(logits - logits.max(1, keepdims=True))
            share /= share.sum(1, keepdims=True)
            total = counts.sum(1)
            slope += (counts - total[:, None] * share) @ sums
            mean = share @ sums
            spread = np.einsum("rc,ca,cb->rab", share, sums, sums)
            bend += total[:, None, None] * (spread - np.einsum("ra,rb->rab", mean, mean))
    return slope, bend


def _closure(beats: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the transitive closure of `beats`; each system reaches itself."""
    reachable = beats | np.eye(len(beats), dtype=bool)
    for _ in range(len(beats)):
        reachable = (reachable.astype(int) @ reachable.astype(int)) > 0
    return reachable


def _reaches_all(compared: NDArray[np.bool_]) -> bool:
    return bool(_closure(compared).all())
