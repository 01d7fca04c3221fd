"""Finding the cuts of a film in small grey pictures of it."""

from __future__ import annotations

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

SIDE = 24  # of the small pictures
_LUMA_FIRST = ("yuv4", "yuvj4", "nv12", "nv21", "gray")
_NEAR = 10  # frames compared on either side of a cut: longer than a flash
_BLANK = 10  # grey levels; what differs less is a blank picture, as of a flash or a fade


class Thumbs:
    """Makes small grey pictures of decoded frames, at nearly no cost."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._shape = (0, 0, 0)
        self._places = np.zeros(0, int)

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Return uint8 (SIDE, SIDE), stretched to a square."""
        plane = self._luma(frame)
        shape = (plane.height, plane.width, plane.line_size)
        if shape != self._shape:
            self._shape, self._places = shape, _spread(*shape)
        some = np.frombuffer(memoryview(plane), np.uint8).take(self._places)
        return np.asarray(some.sum(axis=0, dtype=np.uint16) >> 2, np.uint8)

    def _luma(self, frame: av.VideoFrame) -> VideoPlane:
        name = frame.format.name
        eight_bits = name.startswith(_LUMA_FIRST) and frame.format.components[0].bits == 8
        if eight_bits and frame.width >= SIDE and frame.height >= SIDE:
            return frame.planes[0]
        small = self._reformatter.reformat(
            frame, 2 * SIDE, 2 * SIDE, "gray", interpolation=Interpolation.AREA, threads=1
        )
        return small.planes[0]


def _spread(height: int, width: int, line: int) -> np.ndarray:
    """Spread points over a plane of lines of `line` bytes, four to a pixel: (4, SIDE, SIDE)."""
    rows, columns = (np.linspace(0, n - 1, 2 * SIDE).astype(int) for n in (height, width))
    all_of_them = rows[:, None] * line + columns
    return np.stack([all_of_them[i::2, j::2] for i in (0, 1) for j in (0, 1)])


def find_cuts(thumbs: np.ndarray, threshold: float = 0.12) -> list[int]:
    """Find the indices of uint8 (V, SIDE, SIDE) at which another shot begins.

    At a cut no picture just after it resembles any just before it: the mean difference of
    the closest two is above `threshold` of full scale, and three times what neighbours differ
    by. A flash passes, as the picture before it comes back; blank pictures are looked past.
    """
    flat = thumbs.reshape(len(thumbs), -1)
    rows = np.flatnonzero(np.ptp(flat, axis=1) > _BLANK)
    scaled = flat[rows].astype(np.float32) / 255
    if len(scaled) < 2:
        return []
    steps = np.abs(np.diff(scaled, axis=0)).mean(axis=1)
    cuts = [0]
    for k in (np.flatnonzero(steps > threshold) + 1).tolist():
        before, after = scaled[max(cuts[-1], k - _NEAR) : k], scaled[k : k + _NEAR]
        closest = np.abs(before[:, None] - after[None]).mean(axis=2).min()
        around = [*steps[max(0, k - 9) : k - 1], *steps[k : k + 8]]
        if closest > max(threshold, 3 * float(np.median([*around, 0.0]))):
            cuts.append(k)
    return [int(rows[k]) for k in cuts[1:]]
