"""A discriminator of frames beside the loudness of their speech."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s2vkit import Batch, Discriminator, GeneratorOutput, Inputs
from s2vkit_sides import LoudFramesOptions
from s2vkit_sides.field import Loudness


class LoudFrames(Discriminator):
    """Scores a frame and a number together."""

    fields = (Loudness(scale=5.0),)

    def __init__(
        self, options: LoudFramesOptions, *, size: int, features: int, map_shapes: list[tuple[int, int, int]]
    ) -> None:
        super().__init__()
        self.image = nn.Conv2d(3, options.channels, 4, 4)
        self.score = nn.Linear(options.channels + 1, 1)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Take every frame with its loudness."""
        return output.frames.flatten(0, 1), batch["loudness"].flatten().unsqueeze(1)

    def forward(self, images: Tensor, loudness: Tensor) -> Tensor:
        """Score (N, 3, H, W) with (N, 1): (N, 1)."""
        seen = torch.tanh(self.image(images)).mean((2, 3))
        scores: Tensor = self.score(torch.cat([seen, loudness], 1))
        return scores
