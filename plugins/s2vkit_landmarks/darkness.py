"""Landmarks without weights: lips and brows where an upright face is dark, all else where it usually is."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import Landmarks
from s2vkit_landmarks import DarknessOptions

_LUMA = (0.299, 0.587, 0.114)
_MOUTH, _BROW = (0.12, 0.08), (0.07, 0.08)  # sides: to either end of the rows read, half their width
_SKIN = 0.75  # quantile of the rows' brightness that is the skin's
_CONTRAST = 0.1  # of full scale, by which a row is darker than its region's skin


class Darkness(Landmarks):
    """Finds the height of the mouth's opening and of the brows in crops of faces, drawn ones above all.

    Eyes, mouth corners and nose stand still where the options say. Made for faces that are cropped
    alike; it neither turns nor moves with the head.
    """

    groups = {
        "lips": (0, 1, 2, 3),
        "upper_inner_lip": (2,),
        "lower_inner_lip": (3,),
        "left_eye": (4,),
        "right_eye": (5,),
        "left_brow": (6,),
        "right_brow": (7,),
        "rigid": (4, 5, 8),
    }

    def __init__(self, options: DarknessOptions) -> None:
        super().__init__()
        self.options = options

    def forward(self, frames: Tensor) -> Tensor:
        """Find the points in upright faces (N, 3, H, W) in [-1, 1]: (N, 9, 3)."""
        o = self.options
        weights = frames.new_tensor(_LUMA).view(3, 1, 1)
        luma = ((frames.float() + 1) / 2 * weights).sum(1)
        upper, lower = _dark_rows(luma, 0.5, o.mouth, _MOUTH)
        left, right = 0.5 - o.apart / 2, 0.5 + o.apart / 2
        brows = [sum(_dark_rows(luma, x, o.eyes - 0.11, _BROW)) / 2 for x in (left, right)]
        still = luma.new_ones(len(luma))
        middle = (upper + lower) / 2
        places = [
            (0.4 * still, middle),
            (0.6 * still, middle),
            (0.5 * still, upper),
            (0.5 * still, lower),
            (left * still, o.eyes * still),
            (right * still, o.eyes * still),
            (left * still, brows[0]),
            (right * still, brows[1]),
            (0.5 * still, 0.6 * still),
        ]
        flat = torch.stack([torch.stack([x, y, 0 * still], 1) for x, y in places], 1)
        height, width = luma.shape[1:]
        return flat * flat.new_tensor([width, height, 0])


def _dark_rows(luma: Tensor, x: float, y: float, reach: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """Find the first and last dark row (N,) of (N, H, W) around a place, in sides, to parts of a row."""
    height, width = luma.shape[1:]
    first, end = round((y - reach[0]) * height), round((y + reach[0]) * height)
    part = luma[:, first:end, round((x - reach[1]) * width) : round((x + reach[1]) * width)]
    rows = part.mean(2)
    depth = (rows.quantile(_SKIN, dim=1, keepdim=True) - rows - _CONTRAST).clamp(min=0)
    share = (depth / _CONTRAST).clamp(max=1)
    at = torch.arange(first, end, device=luma.device) + 0.5
    total = share.sum(1)
    middle = torch.where(total > 0, (share * at).sum(1) / total.clamp(min=1e-6), y * height)
    return (middle - total / 2) / height, (middle + total / 2) / height
