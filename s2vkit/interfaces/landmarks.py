"""The contract of landmarks: where the parts of a face are, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping

import torch
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

    @torch.no_grad()
    def mouths(self, frames: Tensor) -> Tensor:
        """Measure the mouths in faces (N, 3, H, W): opening and width (N, 2), NaN where there is no face.

        Both are parts of the distance between the eyes: the mean gap of the pairs of inner lips, and
        how far the points of the lips lie apart from left to right.
        """
        points = self(frames)[..., :2].float()

        def group(name: str) -> Tensor:
            found: Tensor = points[:, torch.tensor(self.groups[name]).to(points.device)]
            return found

        left, right = (group(eye).mean(1) for eye in ("left_eye", "right_eye"))
        gap = group("lower_inner_lip")[..., 1] - group("upper_inner_lip")[..., 1]
        lips = group("lips")[..., 0]
        sizes = torch.stack([gap.mean(1), lips.amax(1) - lips.amin(1)], 1)
        shapes: Tensor = sizes / (right - left).norm(dim=1, keepdim=True)
        return shapes
