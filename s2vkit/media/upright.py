"""Setting pictures upright: the eight ways in which a display matrix can turn and mirror them."""

from __future__ import annotations

import struct
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type


class Pose(NamedTuple):
    """What sets a picture upright: first rows become columns, then it is mirrored."""

    swaps: bool = False  # rows and columns change places
    mirrors: bool = False  # left and right change places
    flips: bool = False  # top and bottom change places

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """Set a picture (H, W, C) upright."""
        if self.swaps:
            picture = picture.swapaxes(0, 1)
        across, down = (
            slice(None, None, -1 if self.mirrors else 1),
            slice(None, None, -1 if self.flips else 1),
        )
        return picture[down, across]


AS_IT_IS = Pose()


def pose_of(frame: av.VideoFrame) -> Pose:
    """Read a frame's display matrix, rounded to quarter turns and mirrorings."""
    data = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]
    if data is None:
        return AS_IT_IS
    # x' = a x + c y and y' = b x + d y, of which FFmpeg stores a b u, c d v, x y w.
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Pose(False, a < 0, d < 0)
    return Pose(True, c < 0, b < 0)
