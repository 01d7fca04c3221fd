"""The pose of a head, from points that move with it."""

from __future__ import annotations

import numpy as np

_ROUNDS = 2  # of fitting the frames to their own mean shape


def head_pose(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit each frame's rigid points (V, P, 3) to the clip's mean shape.

    Returns pitch, yaw and roll (V, 3) in degrees against that shape, and the middles (V, 2) of the
    points. Frames without a face stay NaN. Points without depth can only roll.
    """
    angles, places = np.full((len(points), 3), np.nan), points[:, :, :2].mean(1)
    kept = np.isfinite(points).all((1, 2))
    if not kept.any():
        return angles, places
    centred = points[kept] - points[kept].mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    shapes = centred / np.maximum(size, 1e-12)
    mean = shapes[0]
    for _ in range(_ROUNDS):
        turns = rotations(mean, shapes)
        mean = (shapes @ turns).mean(0)  # each turned back
    angles[kept] = euler(rotations(mean, shapes))
    return angles, places


def rotations(shape: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """Return the rotations (V, 3, 3) that bring `shape` (P, 3) nearest to each of (V, P, 3); Kabsch."""
    left, _, right = np.linalg.svd(np.einsum("vpi,pj->vij", shapes, shape))
    flip = np.ones((len(shapes), 3))
    flip[:, 2] = np.sign(np.linalg.det(left @ right))
    turns: np.ndarray = (left * flip[:, None]) @ right
    return turns


def euler(turns: np.ndarray) -> np.ndarray:
    """Return pitch, yaw and roll (V, 3) in degrees of rotations Rz(roll) Ry(yaw) Rx(pitch)."""
    pitch = np.arctan2(turns[:, 2, 1], turns[:, 2, 2])
    yaw = np.arcsin(np.clip(-turns[:, 2, 0], -1, 1))
    roll = np.arctan2(turns[:, 1, 0], turns[:, 0, 0])
    return np.degrees(np.stack([pitch, yaw, roll], 1))


def in_video(points: np.ndarray, crops: np.ndarray | None) -> np.ndarray:
    """Bring points (V, P, 3) from a crop to its video by the crops' maps (V, 2, 3); depth is scaled alike."""
    if crops is None:
        return points
    back = np.linalg.inv(crops[:, :, :2])
    flat = np.einsum("vij,vpj->vpi", back, points[:, :, :2] - crops[:, None, :, 2])
    scale = np.sqrt(np.abs(np.linalg.det(back)))[:, None, None]
    return np.concatenate([flat, points[:, :, 2:] * scale], axis=2)
