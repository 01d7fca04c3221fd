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
_CACHED = 2**16  # pixels windowed at once: what fits a core's cache, whatever the frames' size
_LINE, _BLOCK = 64, 32  # places that one matrix does: of short lines, and of longer ones


@torch.no_grad()
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
    if options.borders == "reflect":
        half = (options.size // 2,) * 4
        generated, real = (F.pad(frames, half, mode="reflect") for frames in (generated, real))
    few = min(len(real), max(1, _CACHED // real[0, 0].numel()))
    windows = _Windows(real, few, options)
    planes = zip(generated.unbind(1), real.unbind(1), strict=True)
    return torch.stack([windows.similarity(x, y) for x, y in planes]).mean(0)


class _Windows:
    """Slides the window over a few planes at a time, in memory that is allocated once.

    With m for windowed means, SSIM is (2 mx my + c1) (2 cov + c2) / ((mx^2 + my^2 + c1) (variances +
    c2)): of the squares only their sum matters, so four maps are windowed and not five. They stand
    side by side in each row, which makes either direction a few plain matrix products.
    """

    def __init__(self, like: Tensor, few: int, options: SsimOptions) -> None:
        self.few, self.options = few, options
        height, width = like.shape[-2:]
        rows, columns = height - options.size + 1, width - options.size + 1
        self.maps = like.new_empty(height, 4, few, width)
        self.down = like.new_empty(rows, 4, few, width)
        self.across = like.new_empty(rows, 4, few, columns)
        self.spare = like.new_empty(2, rows, few, columns)

    def similarity(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the SSIM (N,) of planes (N, H, W)."""
        pairs = zip(x.split(self.few), y.split(self.few), strict=True)
        return torch.cat([self._of_few(one, other) for one, other in pairs])

    def _of_few(self, x: Tensor, y: Tensor) -> Tensor:
        if len(x) < self.few:  # the last ones
            return _Windows(x, len(x), self.options).similarity(x, y)
        self._fill(x, y)
        self._slide()
        o, count = self.options, self.options.size**2
        free = count / (count - 1) if o.covariance == "sample" else 1.0
        c1, c2 = (_K1 * o.data_range) ** 2, (_K2 * o.data_range) ** 2
        mx, my, squares, product = self.across.unbind(1)
        means, both = torch.mul(mx, my, out=self.spare[0]), torch.mul(mx, mx, out=self.spare[1])
        both.addcmul_(my, my)
        variances = squares.sub_(both).mul_(free).add_(c2)
        covariance = product.sub_(means).mul_(2 * free).add_(c2)
        index = means.mul_(2).add_(c1).mul_(covariance).div_(both.add_(c1).mul_(variances))
        return index.mean((0, 2))

    def _fill(self, x: Tensor, y: Tensor) -> None:
        one, other, squares, product = self.maps.unbind(1)
        one.copy_(x.movedim(0, 1))
        other.copy_(y.movedim(0, 1))
        torch.mul(one, one, out=squares).addcmul_(other, other)
        torch.mul(one, other, out=product)

    def _slide(self) -> None:
        """Slide the window along columns and along rows, whole windows only."""
        rows, out = self.maps.flatten(1), self.down.flatten(1)
        for at, places in _blocks(len(out)):
            window = _window(places, self.options).to(rows)
            torch.mm(window.T, rows[at : at + len(window)], out=out[at : at + places])
        lines, out = self.down.flatten(0, 2), self.across.flatten(0, 2)
        for at, places in _blocks(out.shape[1]):
            window = _window(places, self.options).to(lines)
            torch.mm(lines[:, at : at + len(window)], window, out=out[:, at : at + places])


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
