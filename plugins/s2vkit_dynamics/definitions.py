"""The figures of facial movement, on plain arrays: V frames of P points (V, P, 3) in pixels.

Definitions of THEval (CVPR 2026) and KeySync's LipLeak. Frames without a face hold NaN and are
left out. None: there is nothing to measure.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Groups = Mapping[str, tuple[int, ...]]


def interocular(points: np.ndarray, groups: Groups) -> np.ndarray:
    """Return the distance (V,) between the middles of the eyes, in pixels."""
    left, right = (points[:, groups[eye], :2].mean(1) for eye in ("left_eye", "right_eye"))
    distance: np.ndarray = np.linalg.norm(right - left, axis=1)
    return distance


def openness(points: np.ndarray, groups: Groups) -> np.ndarray:
    """Return the mouth's opening (V,): mean vertical gap of inner-lip pairs over interocular distance."""
    upper, lower = (points[:, groups[f"{lip}_inner_lip"], 1] for lip in ("upper", "lower"))
    opening: np.ndarray = np.abs(lower - upper).mean(1) / interocular(points, groups)
    return opening


def frame_rms(speech: np.ndarray, rate: int, frames: int, fps: float, window: float) -> np.ndarray:
    """Return the RMS (V,) of `window` s of speech around each frame's middle; silence beyond its ends."""
    half = round(window * rate / 2)
    energy = np.concatenate([[0.0], np.cumsum(np.square(speech, dtype=np.float64))])
    middle = np.round((np.arange(frames) + 0.5) / fps * rate).astype(int)
    first, end = (np.clip(middle + side * half, 0, len(speech)) for side in (-1, 1))
    rms: np.ndarray = np.sqrt(np.maximum(energy[end] - energy[first], 0) / (2 * half))
    return rms


def lip_sync(opening: np.ndarray, rms: np.ndarray, voiced: np.ndarray, least: float) -> float | None:
    """Return the mean difference of opening and RMS, both scaled to [0, 1] over the frames of speech.

    None where less than `least` of the frames is speech.
    """
    used = voiced & np.isfinite(opening)
    if not len(voiced) or voiced.mean() < least or not used.any():
        return None
    return float(np.abs(_min_max(opening[used]) - _min_max(rms[used])).mean())


def _min_max(values: np.ndarray) -> np.ndarray:
    """Scale to [0, 1]; what is constant becomes 0."""
    low, span = values.min(), np.ptp(values)
    return (values - low) / span if span > 0 else np.zeros(len(values))


def long_silences(voiced: np.ndarray, least: int) -> np.ndarray:
    """Mark (V,) the frames of silences that last at least so many frames."""
    silent = np.concatenate([[False], ~voiced, [False]])
    edges = np.flatnonzero(silent[1:] != silent[:-1]).reshape(-1, 2)
    marked = np.zeros(len(voiced), bool)
    for first, end in edges:
        marked[first:end] = end - first >= least
    return marked


def silent_stability(opening: np.ndarray, silent: np.ndarray) -> float | None:
    """Return the median absolute deviation of the opening from its mean, in silent frames."""
    values = opening[silent & np.isfinite(opening)]
    return float(np.median(np.abs(values - values.mean()))) if len(values) else None


def lip_leak(opening: np.ndarray, silent: np.ndarray, threshold: float) -> float | None:
    """Return the share of silent frames in which the mouth moves: it opened by more than `threshold`.

    Frames count whose predecessor is silent too; the opening is in interocular distances.
    """
    change = np.abs(np.diff(opening))
    used = silent[1:] & silent[:-1] & np.isfinite(change)
    return float((change[used] > threshold).mean()) if used.any() else None


def lip_dynamics(points: np.ndarray, groups: Groups) -> float | None:
    """Return the deviation over time of the distances of all pairs of lip points, a mean over pairs.

    Distances are in interocular distances, a mean over the clip.
    """
    points = points[np.isfinite(points).all((1, 2))]
    if len(points) < 2:
        return None
    lips = points[:, groups["lips"], :2]
    one, other = np.triu_indices(lips.shape[1], 1)
    distances = np.linalg.norm(lips[:, one] - lips[:, other], axis=2)
    return float(distances.std(axis=0).mean() / interocular(points, groups).mean())


def eyebrow_dynamics(points: np.ndarray, groups: Groups) -> float | None:
    """Return the mean change from frame to frame of the distance of brow and eye, over both sides.

    The distance is that of their middles, over the interocular distance of the frame.
    """
    distances = []
    for side in ("left", "right"):
        brow, eye = (points[:, groups[f"{side}_{part}"], :2].mean(1) for part in ("brow", "eye"))
        distances.append(np.linalg.norm(brow - eye, axis=1) / interocular(points, groups))
    change = np.abs(np.diff(np.stack(distances, 1), axis=0)).mean(1)
    change = change[np.isfinite(change)]
    return float(change.mean()) if len(change) else None


def head_motion(angles: np.ndarray, places: np.ndarray) -> float | None:
    """Combine angles (V, 3), pitch, yaw and roll in degrees, and places (V, D) of the head.

    sqrt(mean std of the angles * mean variance of their differences + mean variance of the places).
    """
    kept = np.isfinite(angles).all(1) & np.isfinite(places).all(1)
    angles, places = angles[kept], places[kept]
    if len(angles) < 2:
        return None
    turning = angles.std(axis=0).mean() * np.diff(angles, axis=0).var(axis=0).mean()
    return float(np.sqrt(turning + places.var(axis=0).mean()))


def closeness(generated: float, real: float) -> float | None:
    """Return 1 - |generated - real| / |real|; None where the real figure is 0."""
    return 1 - abs(generated - real) / abs(real) if real else None
