"""The markup of 68 points of 300-W (Sagonas et al. 2013), as the landmarks of corpora come in it."""

from __future__ import annotations

POINTS = 68


def _run(first: int, end: int) -> tuple[int, ...]:
    return tuple(range(first, end))


GROUPS = {
    "lips": _run(48, 68),
    "upper_inner_lip": (61, 62, 63),
    "lower_inner_lip": (67, 66, 65),
    "left_eye": _run(36, 42),
    "right_eye": _run(42, 48),
    "left_brow": _run(17, 22),
    "right_brow": _run(22, 27),
    "rigid": (0, 16, 27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45),
}
"""The groups of points by their places, from 0: temples, nose and eye corners move with the head alone."""
