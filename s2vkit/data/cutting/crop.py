"""Cropping: upright squares of one size, antialiased."""

from __future__ import annotations

import av
import numpy as np
from PIL import Image

from s2vkit.data.cutting.align import Place
from s2vkit.media.film import Film, Scaler

_OVER = 2  # the crop is drawn that many times larger, then averaged down


class Cropper:
    """Crops one face of a film, frame by frame: uint8 RGB (size, size, 3).

    The picture is scaled to about twice the clip's resolution by a filter that fits, turned
    and cut from there, and averaged; beyond its edge, its last pixels go on.
    """

    def __init__(self, film: Film, place: Place, size: int) -> None:
        self.place, self.size = place, size
        self.whole = _is_whole(film, place)
        fit = _OVER * size / float(np.median(place.sides))
        scale = size / film.height if self.whole else min(1.0, fit)
        self._scaler = Scaler(film, scale)
        self._film = film
        self._scale = scale
        inverse = [np.linalg.inv(np.vstack([t, [0, 0, 1]])) for t in place.transforms(size)]
        self._inverse = np.stack(inverse)[:, :2]

    def __call__(self, row: int, frame: av.VideoFrame) -> np.ndarray:
        """Crop a frame at the place of `row`."""
        picture = self._scaler(frame)
        if self.whole:
            return np.ascontiguousarray(picture)
        x, y = (np.array(picture.shape[1::-1]) / self._upright(frame)).tolist()
        matrix = self._inverse[row] * np.array([[x], [y]])
        return warp(picture, matrix, self.size)

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        sides = np.array([self._film.width * self._film.aspect, self._film.height])
        return sides[::-1] if round(frame.rotation / 90) % 2 else sides


def _is_whole(film: Film, place: Place) -> bool:
    side = film.height
    square = abs(film.width * film.aspect - side) < 1
    level = not place.angles.any()
    return square and level and bool((np.abs(place.sides - side) < 1e-3).all())


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
        (_OVER * size, _OVER * size), Image.Transform.AFFINE, over.ravel().tolist(),
        resample=Image.Resampling.BILINEAR,
    )  # fmt: skip
    return np.asarray(drawn.reduce(_OVER))
