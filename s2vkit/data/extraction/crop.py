"""Cropping: upright squares of one size, antialiased."""

from __future__ import annotations

import av
import numpy as np
from PIL import Image

from s2vkit.data.extraction.align import Place
from s2vkit.media.film import Film, Scaler
from s2vkit.media.upright import pose_of

_OVER = 2  # the crop is drawn that many times larger, then averaged down


class Cropper:
    """Crops one face of a film, frame by frame: uint8 RGB (size, size, 3).

    The picture is scaled to about twice the clip's resolution by a filter that fits, turned
    and cut from there, and averaged; beyond its edge, its last pixels go on.
    """

    def __init__(self, film: Film, place: Place, size: int) -> None:
        self.place, self.size = place, size
        self.still = _is_still(place)
        self._corner = place.boxes()[0, :2]
        fit = size / float(np.median(place.sides))
        self._scaler = Scaler(film, fit if self.still else min(1.0, _OVER * fit))
        self._film = film
        self._inverse = invert(place.transforms(size))

    def __call__(self, row: int, frame: av.VideoFrame) -> np.ndarray:
        """Crop a frame at the place of `row`."""
        picture = self._scaler(frame)
        factor = np.array(picture.shape[1::-1]) / self._upright(frame)
        if self.still:
            left, top = np.rint(self._corner * factor).astype(int).tolist()
            part = picture[top : top + self.size, left : left + self.size]
            if part.shape[:2] == (self.size, self.size):
                return part
        return warp(picture, self._inverse[row] * factor[:, None], self.size)

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        sides = np.array([self._film.width * self._film.aspect, self._film.height])
        return sides[::-1] if pose_of(frame).swaps else sides


def invert(transforms: np.ndarray) -> np.ndarray:
    """Invert affine maps (V, 2, 3) of the plane."""
    turned = np.linalg.inv(transforms[:, :, :2])
    return np.concatenate([turned, -turned @ transforms[:, :, 2:]], axis=2)


def _is_still(place: Place) -> bool:
    """Return whether all crops are the same upright square, as where pictures are faces already."""
    moved = max(np.ptp(place.centres, axis=0).max(), np.ptp(place.sides))
    return bool(moved < 1e-3) and not place.angles.any()


def warp(picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Draw the square that `matrix` (2, 3) maps from clip pixels to those of `picture`."""
    height, width = picture.shape[:2]
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    low = np.floor(corners.min(1)).astype(int) - 2
    high = np.ceil(corners.max(1)).astype(int) + 2
    limit = np.array([width, height])
    inside, end = np.clip(low, 0, limit - 1), np.clip(high, 1, limit)
    part = picture[inside[1] : end[1], inside[0] : end[0]]
    before, after = np.maximum(inside - low, 0), np.maximum(high - end, 0)
    if before.any() or after.any():
        pads = [(before[1], after[1]), (before[0], after[0]), (0, 0)]
        part = np.pad(part, pads, mode="edge")
    over = matrix / [[_OVER, _OVER, 1]]
    over[:, 2] -= inside - before
    image = Image.fromarray(np.ascontiguousarray(part))
    drawn = image.transform(
        (_OVER * size, _OVER * size),
        Image.Transform.AFFINE,
        over.ravel().tolist(),
        resample=Image.Resampling.BILINEAR,
    )
    return np.asarray(drawn.reduce(_OVER))
