"""Landmarks by a small network that a run trains: it regresses where each point lies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s2vkit import Landmarks
from s2vkit.nn import resize
from s2vkit_landmarks import RegressedPointsOptions
from s2vkit_landmarks.markup import GROUPS, POINTS

_HIDDEN = 256
_SPREAD = 0.2  # of a side, what an output of 1 is away from the middle


class RegressedPoints(Landmarks):
    """Finds the 68 points of 300-W's markup; z is 0, and every frame is taken to hold a face.

    Convolutions down to a sixteenth of the input's side, then two layers that see the whole face and
    give the coordinates directly. Its weights are those of a stage of the run.
    """

    groups = GROUPS
    pretrained = False

    def __init__(self, options: RegressedPointsOptions) -> None:
        super().__init__()
        self.side, c = options.input_size, options.channels
        self.see = nn.Sequential(
            *_convolution(3, c, 2, 5),
            *_convolution(c, 2 * c, 2),
            *_convolution(2 * c, 2 * c),
            *_convolution(2 * c, 4 * c, 2),
            *_convolution(4 * c, 4 * c),
            *_convolution(4 * c, 8 * c, 2),
            nn.Flatten(),
        )
        self.place = nn.Sequential(
            nn.Linear(8 * c * (self.side // 16) ** 2, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 2 * POINTS)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Find the points in upright faces (N, 3, H, W) in [-1, 1]: (N, 68, 3)."""
        height, width = frames.shape[-2:]
        images = resize(frames, self.side)
        found = 0.5 + _SPREAD * self.place(self.see(images)).float().unflatten(1, (POINTS, 2))
        points = found * found.new_tensor([width, height])
        return torch.cat([points, torch.zeros_like(points[..., :1])], 2)


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
