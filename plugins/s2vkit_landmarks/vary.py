"""Varying real images with their points, so that a network holds on faces that are pictured otherwise."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as pictures

from s2vkit import draw_rows
from s2vkit_landmarks import LandmarksStageOptions

_SIGMA = 0.02  # of the widest blur, in sides
_DRAWS = 9  # numbers that decide how one image is varied


def vary(images: Tensor, points: Tensor, options: LandmarksStageOptions) -> tuple[Tensor, Tensor]:
    """Move, tint, blur and roughen images (N, 3, H, W) in [-1, 1], each its own way.

    Their points (N, P, 2) in pixels move along.
    """
    drawn = draw_rows(lambda count: torch.rand(count, _DRAWS), len(images)).to(images)
    images, points = _move(images, points, 2 * drawn[:, :4] - 1, options)
    gain, tint = (2 * drawn[:, 4:5] - 1), (2 * drawn[:, 5:8] - 1)
    scale = 1 + options.colour * (gain + tint / 2)
    images = (images + 1) * scale[:, :, None, None] - 1
    blurred = drawn[:, 8] < options.blur
    amount = (blurred * drawn[:, 8] / max(options.blur, 1e-6)).view(-1, 1, 1, 1)
    sigma = _SIGMA * images.shape[-1]
    soft = pictures.gaussian_blur(images, [2 * math.ceil(2 * sigma) + 1] * 2, [sigma] * 2)
    images = images + amount * (soft - images)
    grain = draw_rows(lambda count: torch.randn(count, *images.shape[1:]), len(images)).to(images)
    level = draw_rows(lambda count: torch.rand(count, 1, 1, 1), len(images)).to(images)
    return (images + options.noise * level * grain).clamp(-1, 1), points


def _move(
    images: Tensor, points: Tensor, drawn: Tensor, options: LandmarksStageOptions
) -> tuple[Tensor, Tensor]:
    """Turn, scale and shift images about their middle by what was drawn, (N, 4) in [-1, 1].

    No matrix products: mixed precision would round coordinates to a fraction of a pixel.
    """
    angle = math.radians(options.rotation) * drawn[:, 0].view(-1, 1, 1)
    size = 1 + options.scale * drawn[:, 1].view(-1, 1, 1, 1)
    shift = 2 * options.shift * drawn[:, 2:].view(-1, 1, 1, 2)
    height, width = images.shape[2:]
    grid = torch.stack(torch.meshgrid(_middles(width, images), _middles(height, images), indexing="xy"), -1)
    back = _turn((grid - shift) / size, -angle)  # what a pixel shows lay there
    moved = F.grid_sample(images, back, padding_mode="border", align_corners=False)
    sides = points.new_tensor([width, height])
    there = _turn((2 * points / sides - 1).unsqueeze(1), angle) * size + shift
    return moved, (there.squeeze(1) + 1) / 2 * sides


def _turn(places: Tensor, angle: Tensor) -> Tensor:
    """Turn places (N, ..., 2) about the middle by angles (N, 1, 1)."""
    x, y = places.unbind(-1)
    c, s = angle.cos(), angle.sin()
    return torch.stack([x * c - y * s, x * s + y * c], -1)


def _middles(count: int, like: Tensor) -> Tensor:
    """Return where the middles of `count` pixels lie, from -1 to 1."""
    return (2 * torch.arange(count, dtype=like.dtype, device=like.device) + 1) / count - 1
