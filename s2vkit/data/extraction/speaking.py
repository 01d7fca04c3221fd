"""Active speaker detection: the face whose mouth moves with the sound."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from s2vkit.data.extraction.align import smooth

_MIN_CORRELATION = 0.2  # correlation below which nothing is said to go with the sound
_MIN_MARGIN = 0.12  # by which the best must lead the second best
_LAGS = range(-3, 4)  # frames that sound and mouth may be apart


def active_speaker(crops: list[np.ndarray], speech: np.ndarray) -> int | None:
    """Choose among uint8 (V, s, s, 3) crops of the same frames by speech (S,); None if it is unclear.

    The motion of the mouth's part of the crop, less that of the eyes' part (the head's own),
    is correlated with the loudness of the sound.
    """
    loud = loudness(speech, len(crops[0]))
    scores = [_agreement(mouth_motion(crop), loud) for crop in crops]
    order = np.argsort(scores)[::-1]
    best, second = scores[order[0]], scores[order[1]] if len(order) > 1 else -1.0
    if best < _MIN_CORRELATION or best - second < _MIN_MARGIN:
        return None
    return int(order[0])


def mouth_motion(crops: np.ndarray) -> np.ndarray:
    """Measure (V,) how much the mouth moves in aligned crops (V, s, s, 3), in grey levels."""
    grey = crops[:, :, :, 1].astype(np.float32)
    size = grey.shape[1]
    across = slice(round(0.3 * size), round(0.7 * size))
    mouth = np.abs(np.diff(grey[:, round(0.58 * size) : round(0.82 * size), across], axis=0))
    eyes = np.abs(np.diff(grey[:, round(0.25 * size) : round(0.5 * size), across], axis=0))
    motion = mouth.mean((1, 2)) - eyes.mean((1, 2))
    return np.concatenate([motion[:1], motion])


def loudness(speech: np.ndarray, frames: int) -> np.ndarray:
    """Measure (V,) the loudness of speech (S,) in dB, at each of V frames."""
    edges = np.linspace(0, len(speech), frames + 1).astype(int)
    power = [float(np.mean(speech[a:b] ** 2)) if b > a else 0.0 for a, b in pairwise(edges)]
    return 10 * np.log10(np.array(power) + 1e-6)


def _agreement(motion: np.ndarray, loud: np.ndarray) -> float:
    motion, loud = smooth(motion, 1.5), smooth(loud, 1.5)
    found = [-1.0]
    for lag in _LAGS:
        a = motion[max(0, lag) : len(motion) + min(0, lag)]
        b = loud[max(0, -lag) : len(loud) + min(0, -lag)]
        if len(a) > 5 and a.std() > 0 and b.std() > 0:
            found.append(float(np.corrcoef(a, b)[0, 1]))
    return max(found)
