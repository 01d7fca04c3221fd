"""Figures of matching two sets of embeddings, from their likeness alone: plain arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def equal_error_rate(scores: np.ndarray, same: np.ndarray) -> float | None:
    """Return where false acceptances and false rejections are equally frequent.

    `scores` (N,) are accepted from a threshold on, `same` (N,) says which should be. Between two
    thresholds both rates go on in straight lines. None where all should be, or none.
    """
    wanted, others = np.sort(scores[same]), np.sort(scores[~same])
    if not len(wanted) or not len(others):
        return None
    thresholds = np.append(np.unique(scores), np.inf)
    rejected = np.searchsorted(wanted, thresholds, "left") / len(wanted)
    accepted = 1 - np.searchsorted(others, thresholds, "left") / len(others)
    after = int(np.argmax(rejected >= accepted))  # the first: both are equal or have crossed there
    if after == 0 or rejected[after] == accepted[after]:
        return float((rejected[after] + accepted[after]) / 2)
    before = accepted[after - 1] - rejected[after - 1]
    share = before / (before + rejected[after] - accepted[after])
    return float(rejected[after - 1] + share * (rejected[after] - rejected[after - 1]))


def pairs_of(
    likeness: np.ndarray, rows: Sequence[str], columns: Sequence[str], groups: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores (N,) of all pairs of (R, C) likeness, and which are of one speaker.

    With `groups`, (R,) and (C,) joined, only pairs within one group: it alone then tells nothing.
    """
    same = np.array(rows)[:, None] == np.array(columns)
    used = np.ones_like(same)
    if groups is not None:
        of = np.array(groups)
        used = of[: len(rows), None] == of[len(rows) :]
    return likeness[used], same[used]


def recall_at(likeness: np.ndarray, right: np.ndarray, k: int) -> float:
    """Return the share of rows (R, C) whose right column (R,) is among the k likest; ties count against."""
    own = np.take_along_axis(likeness, right[:, None], 1)
    before = (likeness >= own).sum(1) - 1
    return float((before < k).mean())


def matching(likeness: np.ndarray, right: np.ndarray, of: int) -> float | None:
    """Return how often the right one of `of` candidates is the likest, over all choices of the others.

    A row of C columns has its right one and others to draw `of - 1` from; the share of draws in
    which none of them is as like. None where there are fewer than `of` columns.
    """
    others = likeness.shape[1] - 1
    if others < of - 1 or of < 2:
        return None
    own = np.take_along_axis(likeness, right[:, None], 1)
    less = (likeness < own).sum(1)
    share = np.ones(len(likeness))
    for drawn in range(of - 1):
        share *= np.maximum(less - drawn, 0) / (others - drawn)
    return float(share.mean())
