"""Reading the frames of a video, upright and in time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from s2vkit.errors import InputError
from s2vkit.media.film import Film, Scaler


def read_frames(path: str | Path, max_frames: int | None = None) -> tuple[np.ndarray, Fraction]:
    """Read at most `max_frames` frames of a video: uint8 RGB (V, H, W, 3), and frames a second.

    Raises InputError if the file is missing, damaged from its start, or without pictures.
    """
    with Film(path) as film:
        frames = [frame for _, frame in islice(_scaled(film), max_frames)]
        if not frames:
            raise InputError(f"{path}: not one frame of the video can be decoded")
        return np.stack(frames), film.rate


def iter_frames(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """Return each frame's time (s from the container's start) and uint8 RGB (H, W, 3).

    For long videos: one frame is held at a time. Damaged pieces are passed over.
    """
    with Film(path) as film:
        yield from _scaled(film)


def _scaled(film: Film) -> Iterator[tuple[float, np.ndarray]]:
    scaler = Scaler(film)
    for time, frame in film:
        yield time - film.origin, np.ascontiguousarray(scaler(frame))
