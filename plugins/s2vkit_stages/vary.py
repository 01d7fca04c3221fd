"""Varying real images, so that a network goes by the face and not by what pictures it by chance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms import v2

from s2vkit import current_part
from s2vkit_stages import ClassifyOptions

_GROUPS = 8  # of images, each varied its own way


def vary(images: Tensor, options: ClassifyOptions) -> Tensor:
    """Shift, mirror, tint, blur and roughen images (N, 3, H, W) in [-1, 1]; the same for one RNG state."""
    part = current_part()
    whole, first = len(images) * part.world, part.rank * len(images)
    size, varied = -(-whole // _GROUPS), []
    for start in range(0, whole, size):
        stop = min(start + size, whole)
        begin, end = max(start, first), min(stop, first + len(images))
        if begin < end:
            own = images[begin - first : end - first]
            varied.append(_vary(own, options, begin - start, stop - start))
        else:  # of another process, but the draws of a group follow those of all before it
            _vary(images[:1], options, 0, stop - start)
    return torch.cat(varied).clamp(-1, 1)


def _vary(images: Tensor, options: ClassifyOptions, place: int, count: int) -> Tensor:
    """Vary the images from `place` on of a group of `count`, drawing for all of it."""
    if options.shift:
        images = _shift(images, options.shift)
    if options.flip and torch.rand(()) < 0.5:
        images = images.flip(-1)
    if options.colour:
        c = options.colour
        jitter = v2.ColorJitter(brightness=c, contrast=c, saturation=c)
        tint = 1 + c / 2 * (2 * torch.rand(3, 1, 1) - 1).to(images)  # of the light
        images = jitter(((images + 1) / 2 * tint).clamp(0, 1)) * 2 - 1
    if torch.rand(()) < options.blur:
        images = v2.GaussianBlur(7, (0.3, 1.5))(images)
    if options.noise:
        images = images + options.noise * float(torch.rand(())) * _grain(images, place, count)
    return images


def _shift(images: Tensor, max_shift: int) -> Tensor:
    """Shift images together by up to `most` pixels, edges repeated."""
    size = images.shape[-1]
    dx, dy = torch.randint(2 * max_shift + 1, (2,)).tolist()
    padded = F.pad(images, (max_shift,) * 4, mode="replicate")
    return padded[..., dy : dy + size, dx : dx + size]


def _grain(images: Tensor, place: int, count: int) -> Tensor:
    """Draw noise for a group of `count` images, in one order whatever their layout in memory."""
    channels, *sides = images.shape[1:]  # on strides other than those of its shape, `normal_` takes ten times
    return images.new_empty((count, *sides, channels)).normal_().movedim(-1, 1)[place : place + len(images)]
