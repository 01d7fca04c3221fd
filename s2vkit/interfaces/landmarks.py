"""The contract of landmarks: where the parts of a face are, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

GROUPS = (
    "lips",
    "upper_inner_lip",
    "lower_inner_lip",
    "left_eye",
    "right_eye",
    "left_brow",
    "right_brow",
    "rigid",
)
"""The groups of points that every component names."""


class Landmarks(nn.Module):
    """Base of what finds the points of a face, built as `Landmarks(options)`.

    `groups` names the places of points among the P that it finds, by GROUPS: points of
    `upper_inner_lip` and `lower_inner_lip` are pairs, one above the other; `rigid` are points that
    move with the head alone. Left is the viewer's left. Outside its own training it runs frozen,
    in eval mode and without gradient.
    """

    groups: Mapping[str, tuple[int, ...]]

    pretrained: bool = True
    """Whether its weights came from a file, or it has none."""

    def forward(self, frames: Tensor) -> Tensor:
        """Find the points in upright faces (N, 3, H, W) in [-1, 1]: (N, P, 3).

        In pixels: x to the right, y down, z away from the viewer, 0 where depth is not known. A
        frame in which no face is found has NaN.
        """
        raise NotImplementedError
