"""Structural similarity (Wang et al. 2004), with the windows and ends of other programs too."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from s2vkit import InputError
from s2vkit_metrics import SsimOptions

WANG = SsimOptions()
_K1, _K2 = 0.01, 0.03


def ssim(made: Tensor, true: Tensor, options: SsimOptions = WANG) -> Tensor:
    """Give the SSIM (N,) of (N, C, H, W) frames in [0, 1], mean over channels and windows.

    By default as `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`, which also averages over whole windows only;
    with `borders: reflect` as torchmetrics. The separable window is one small matrix a side.
    Raises InputError where a frame is smaller than the window.
    """
    rows, columns = made.shape[-2:]
    if min(rows, columns) < options.size:
        raise InputError(
            f"SSIM needs frames of at least {options.size} px, but these are {rows}x{columns}",
            hint="leave 'ssim' out of the metrics of this recipe, or set a smaller `size`",
        )
    down, across = (_window(side, options).to(made) for side in (rows, columns))
    maps = torch.stack([made, true, made * made, true * true, made * true])
    x, y, xx, yy, xy = (down @ (maps @ across.mT)).unbind()
    count = options.size**2
    free = count / (count - 1) if options.covariance == "sample" else 1.0
    c1, c2 = (_K1 * options.data_range) ** 2, (_K2 * options.data_range) ** 2
    variance = free * (xx - x * x + yy - y * y)
    index = (2 * x * y + c1) * (2 * free * (xy - x * y) + c2)
    index = index / ((x * x + y * y + c1) * (variance + c2))
    return index.mean((1, 2, 3))


@lru_cache(maxsize=8)
def _window(side: int, options: SsimOptions) -> Tensor:
    """Make the matrix that slides the window along a line of `side` pixels.

    It has a row for each place: `side - size + 1`, or `side` where the ends are reflected.
    """
    size, half = options.size, options.size // 2
    taps = torch.ones(size)
    if options.window == "gaussian":
        taps = torch.exp(-0.5 * ((torch.arange(size) - half) / options.sigma) ** 2)
    taps = taps / taps.sum()
    reflect = options.borders == "reflect"
    places = side if reflect else side - size + 1
    at = torch.arange(places)[:, None] + torch.arange(size) - (half if reflect else 0)
    at = at.abs()
    at = torch.where(at >= side, 2 * (side - 1) - at, at)
    return torch.zeros(places, side).scatter_add_(1, at, taps.expand(places, -1))
