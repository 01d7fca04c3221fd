"""Varying real images, so that a network goes by the face and not by what pictures it by chance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from s2vkit_stages import ClassifyOptions

_GROUPS = 8  # of images, each varied its own way


def vary(images: Tensor, options: ClassifyOptions) -> Tensor:
    """Shift, tint, blur and roughen images (N, 3, H, W) in [-1, 1]; the same for one RNG state."""
    varied = [_vary(group, options) for group in images.chunk(_GROUPS)]
    return torch.cat(varied).clamp(-1, 1)


def _vary(images: Tensor, options: ClassifyOptions) -> Tensor:
    if options.shift:
        images = _shift(images, options.shift)
    if options.colour:
        c = options.colour
        jitter = v2.ColorJitter(brightness=c, contrast=c, saturation=c)
        tint = 1 + c / 2 * (2 * torch.rand(3, 1, 1) - 1).to(images)  # of the light
        images = jitter(((images + 1) / 2 * tint).clamp(0, 1)) * 2 - 1
    if torch.rand(()) < options.blur:
        images = v2.GaussianBlur(7, (0.3, 1.5))(images)
    if options.noise:
        images = images + options.noise * float(torch.rand(())) * torch.randn_like(images)
    return images


def _shift(images: Tensor, max_shift: int) -> Tensor:
    """Shift images together by up to `most` pixels, edges repeated."""
    size = images.shape[-1]
    dx, dy = torch.randint(2 * max_shift + 1, (2,)).tolist()
    padded = F.pad(images, (max_shift,) * 4, mode="replicate")
    return padded[..., dy : dy + size, dx : dx + size]
