"""Where to crop: a steady, upright square round the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Proportions of an adult's face, in units of its height from chin to hairline (0.185 m):
_EYES = 3.0  # heights a distance between the eyes is worth
_EYES_TO_MOUTH = 2.65  # and one from eyes to mouth; a turned head shortens the first alone
_BELOW_EYES = 0.12  # of the height: the middle of the head lies that much below the eyes
_GIVES_WAY = 0.1  # of its side: how far the square moves to stay within the picture


@dataclass
class Place:
    """The square to crop, at every frame of a clip."""

    centres: np.ndarray  # (V, 2) pixels of the upright source
    sides: np.ndarray  # (V,) pixels
    angles: np.ndarray  # (V,) radians, of the face against the picture, clockwise

    def transforms(self, size: int) -> np.ndarray:
        """Return (V, 2, 3): from pixels of the source to those of a (size, size) crop."""
        scale = size / self.sides
        cos, sin = scale * np.cos(self.angles), scale * np.sin(self.angles)
        turn = np.stack([np.stack([cos, sin], 1), np.stack([-sin, cos], 1)], 1)  # (V, 2, 2)
        shift = size / 2 - np.einsum("vij,vj->vi", turn, self.centres)
        transform: np.ndarray = np.concatenate([turn, shift[:, :, None]], axis=2)
        return transform

    def boxes(self) -> np.ndarray:
        """Return (V, 4): the upright boxes that hold the squares."""
        half = self.sides / 2 * (np.abs(np.cos(self.angles)) + np.abs(np.sin(self.angles)))
        corners: np.ndarray = np.hstack([self.centres - half[:, None], self.centres + half[:, None]])
        return corners


def face_height(landmarks: np.ndarray) -> np.ndarray:
    """Return the heights (V,) of faces, chin to hairline, from landmarks (V, 5, 2)."""
    across, down = _axes(landmarks)
    wide, long = (np.linalg.norm(axis, axis=1) for axis in (across, down))
    return np.asarray(np.maximum(_EYES * wide, _EYES_TO_MOUTH * long))


def _axes(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    eyes, mouth = landmarks[:, :2].mean(1), landmarks[:, 3:].mean(1)
    return landmarks[:, 1] - landmarks[:, 0], mouth - eyes


def place_by_landmarks(landmarks: np.ndarray, margin: float, steady: float, width: int, height: int) -> Place:
    """Place the square on landmarks (V, 5, 2), smoothed over `steady` frames.

    The place of the head is followed closely, its size and tilt only slowly, so that what is
    left of its motion is the head's own. A square that would reach out of the picture gives
    way by at most a tenth of its side. Sizes as in FFHQ's alignment (Karras et al. 2019),
    whose crop has a margin of 0.17.
    """
    across, down = _axes(landmarks)
    upright = across - np.stack([-down[:, 1], down[:, 0]], 1)
    tall = smooth(face_height(landmarks), 4 * steady)
    sides = tall * (1 + 2 * margin)
    way = smooth(upright / np.linalg.norm(upright, axis=1, keepdims=True), 4 * steady)
    angles = np.arctan2(way[:, 1], way[:, 0])
    below = np.stack([-np.sin(angles), np.cos(angles)], 1)
    centres = landmarks[:, :2].mean(1) + _BELOW_EYES * tall[:, None] * below
    inside = _within(centres, sides, width, height)
    limit = _GIVES_WAY * sides[:, None]
    return Place(smooth(centres + np.clip(inside - centres, -limit, limit), steady), sides, angles)


def place_by_boxes(boxes: np.ndarray, margin: float, steady: float, width: int, height: int) -> Place:
    """Place the square on boxes (V, 4), kept within the picture; there is no tilt to see."""
    sides = smooth((boxes[:, 2:] - boxes[:, :2]).max(1), 4 * steady) * (1 + 2 * margin)
    sides = np.minimum(sides, min(width, height))
    centres = smooth((boxes[:, :2] + boxes[:, 2:]) / 2, steady)
    return Place(_within(centres, sides, width, height), sides, np.zeros(len(boxes)))


def _within(centres: np.ndarray, sides: np.ndarray, width: int, height: int) -> np.ndarray:
    """Move centres (V, 2) so that their squares lie within the picture; too large ones halfway."""
    limit = np.array([width, height])
    half = np.minimum(sides[:, None], limit) / 2
    return np.asarray(np.clip(centres, half, limit - half))


def smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth (V, ...) over time by a Gaussian of `sigma` frames; ends keep their slope."""
    radius = min(int(3 * sigma + 0.5), len(values) - 1)
    if radius < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    flat = values.reshape(len(values), -1)
    head = 2 * flat[:1] - flat[radius:0:-1]
    tail = 2 * flat[-1:] - flat[-2 : -radius - 2 : -1]
    long = np.concatenate([head, flat, tail])
    out = [np.convolve(column, kernel / kernel.sum(), "valid") for column in long.T]
    return np.stack(out, 1).reshape(values.shape)
