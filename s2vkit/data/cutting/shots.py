"""Finding the cuts of a film in small grey pictures of it."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

SIDE = 24  # of the small pictures
_LUMA_FIRST = ("yuv4", "yuvj4", "nv12", "nv21", "gray")
_BEFORE, _AFTER = 3, 8  # frames compared across a cut: longer than a flash


class Thumbs:
    """Makes small grey pictures of decoded frames, at nearly no cost."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Give uint8 (SIDE, SIDE), stretched to a square."""
        luma = self._luma(frame)
        height, width = luma.shape
        rows = np.linspace(0, height - 1, 2 * SIDE).astype(int)
        columns = np.linspace(0, width - 1, 2 * SIDE).astype(int)
        some = luma[rows][:, columns].astype(np.uint16)
        total = some[::2, ::2] + some[1::2, ::2] + some[::2, 1::2] + some[1::2, 1::2]
        return np.asarray(total >> 2, np.uint8)

    def _luma(self, frame: av.VideoFrame) -> np.ndarray:
        name = frame.format.name
        eight_bits = name.startswith(_LUMA_FIRST) and frame.format.components[0].bits == 8
        if eight_bits and frame.width >= SIDE and frame.height >= SIDE:
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
            return np.asarray(rows[: frame.height, : frame.width])
        small = self._reformatter.reformat(
            frame, 2 * SIDE, 2 * SIDE, "gray", interpolation=Interpolation.AREA
        )
        return small.to_ndarray()


def find_cuts(thumbs: np.ndarray, threshold: float = 0.12) -> list[int]:
    """Find the indices of uint8 (V, SIDE, SIDE) at which another shot begins.

    At a cut no picture just after it resembles any just before it: the mean difference of
    the closest two is above `threshold` of full scale, and three times what neighbours differ
    by. A flash passes, as the picture before it comes back.
    """
    scaled = thumbs.reshape(len(thumbs), -1).astype(np.float32) / 255
    if len(scaled) < 2:
        return []
    steps = np.abs(np.diff(scaled, axis=0)).mean(axis=1)  # (V - 1,)
    cuts: list[int] = []
    for k in (np.flatnonzero(steps > threshold) + 1).tolist():
        start = cuts[-1] if cuts else 0
        before = scaled[max(start, k - _BEFORE) : k]
        after = scaled[k : k + _AFTER]
        closest = np.abs(before[:, None] - after[None]).mean(axis=2).min()
        around = np.delete(steps[max(0, k - 9) : k + 8], int(min(8, k - 1)))
        usual = float(np.median(around)) if len(around) else 0.0
        if closest > max(threshold, 3 * usual):
            cuts.append(k)
    return cuts
