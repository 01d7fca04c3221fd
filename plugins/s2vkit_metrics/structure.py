"""Structural similarity (Wang et al. 2004), with the windows and ends of other programs too."""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import InputError
from s2vkit_metrics import SsimOptions

WANG = SsimOptions()
_K1, _K2 = 0.01, 0.03
_LINE, _BLOCK = 64, 32  # places that one matrix does: of short lines, and of longer ones


def ssim(generated: Tensor, real: Tensor, options: SsimOptions = WANG) -> Tensor:
    """Return the SSIM (N,) of (N, C, H, W) frames in [0, 1], mean over channels and windows.

    By default as `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`, which also averages over whole windows only;
    with `borders: reflect` as torchmetrics. The separable window is small matrix products.
    Raises InputError if a frame is smaller than the window.
    """
    rows, columns = generated.shape[-2:]
    if min(rows, columns) < options.size:
        raise InputError(
            f"SSIM needs frames of at least {options.size} px, but these are {rows}x{columns}",
            hint="leave 'ssim' out of the metrics of this recipe, or set a smaller `size`",
        )
    maps = torch.stack([generated, real, generated * generated, real * real, generated * real])
    if options.borders == "reflect":
        half = (options.size // 2,) * 4
        maps = F.pad(maps.flatten(0, 1), half, mode="reflect").unflatten(0, (5, len(generated)))
    x, y, xx, yy, xy = _down(_across(maps, options), options).unbind()
    count = options.size**2
    free = count / (count - 1) if options.covariance == "sample" else 1.0
    c1, c2 = (_K1 * options.data_range) ** 2, (_K2 * options.data_range) ** 2
    variance = free * (xx - x * x + yy - y * y)
    index = (2 * x * y + c1) * (2 * free * (xy - x * y) + c2)
    index = index / ((x * x + y * y + c1) * (variance + c2))
    return index.mean((1, 2, 3))


def _across(maps: Tensor, options: SsimOptions) -> Tensor:
    """Slide the window along rows, whole windows only: (..., H, W) to (..., H, W - size + 1)."""
    pieces = []
    for start, places in _blocks(maps.shape[-1] - options.size + 1):
        window = _window(places, options).to(maps)
        pieces.append(maps[..., start : start + len(window)] @ window)
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, -1)


def _down(maps: Tensor, options: SsimOptions) -> Tensor:
    """Slide the window along columns: (..., H, W) to (..., H - size + 1, W)."""
    pieces = []
    for start, places in _blocks(maps.shape[-2] - options.size + 1):
        window = _window(places, options).to(maps)
        pieces.append(window.mT @ maps[..., start : start + len(window), :])
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, -2)


def _blocks(places: int) -> list[tuple[int, int]]:
    """Cut a long line into blocks, (first place, places): one small matrix does each."""
    block = places if places <= _LINE else _BLOCK
    return [(at, min(block, places - at)) for at in range(0, places, block)]


@lru_cache(maxsize=8)
def _window(places: int, options: SsimOptions) -> Tensor:
    """Make the matrix (places + size - 1, places) that slides the window along a line."""
    size = options.size
    taps = torch.ones(size)
    if options.window == "gaussian":
        taps = torch.exp(-0.5 * ((torch.arange(size) - size // 2) / options.sigma) ** 2)
    at = torch.arange(places)[:, None] + torch.arange(size)
    rows = torch.zeros(places, places + size - 1)
    return rows.scatter_(1, at, (taps / taps.sum()).expand(places, -1)).T.contiguous()
