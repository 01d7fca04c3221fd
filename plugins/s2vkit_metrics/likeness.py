"""SSIM and PSNR of made frames against the true ones."""

from __future__ import annotations

from statistics import fmean

import torch
from torch import Tensor

from s2vkit import InputError, Options, Outcome, Score
from s2vkit_metrics import SsimOptions

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2  # of a data range of 1
_MOST_DB = 100.0
_LUMA = (0.299, 0.587, 0.114)
_CHUNK = 16  # frames measured at once: what fits a cache, whatever the length of the clip


class _Likeness:
    """Base: a figure a frame, its mean over a clip, the mean over clips.

    The chance figure pairs each made clip with the true frames of the clip before it (the
    first with the last's), cut to the shorter: what any face of this corpus would score.
    """

    definition = ""
    best = 1.0

    def __init__(self, options: Options) -> None:
        self.values: list[float] = []
        self.others: list[float] = []
        self.first: Tensor | None = None
        self.last: Tensor | None = None

    def update(self, outcome: Outcome) -> None:
        """Take in one clip."""
        made, true = unit(outcome.made), unit(outcome.true)
        self.values.append(self._clip(made, true))
        if self.last is None:
            self.first = made
        else:
            self.others.append(self._clip(made, self.last))
        self.last = true

    def compute(self) -> Score:
        """Give the mean over clips."""
        others = list(self.others)
        if self.first is not None and self.last is not None and len(self.values) > 1:
            others.append(self._clip(self.first, self.last))
        return Score(
            value=fmean(self.values) if self.values else float("nan"),
            on_real=self.best,
            chance=fmean(others) if others else None,
            n=len(self.values),
            definition=f"{self.definition}; mean over a clip's frames, then over clips; on real: "
            "by definition; chance: against the true frames of another clip",
        )

    def measure(self, made: Tensor, true: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,)."""
        raise NotImplementedError

    def _clip(self, made: Tensor, true: Tensor) -> float:
        frames = min(len(made), len(true))
        pairs = zip(made[:frames].split(_CHUNK), true[:frames].split(_CHUNK), strict=True)
        return float(torch.cat([self.measure(m, t) for m, t in pairs]).mean())


class Ssim(_Likeness):
    """SSIM of Wang et al. 2004, equal to scikit-image's Gaussian form."""

    def __init__(self, options: SsimOptions) -> None:
        super().__init__(options)
        self.grey = options.channel == "grey"
        self.definition = (
            f"SSIM on {'luma' if self.grey else 'RGB, mean over channels'} in [0, 1], data range "
            "1, Gaussian window 11x11 sigma 1.5, K1 0.01, K2 0.03, population covariance, whole "
            "windows only"
        )

    def measure(self, made: Tensor, true: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,)."""
        if self.grey:
            made, true = luma(made), luma(true)
        return ssim(made, true)


class Psnr(_Likeness):
    """Peak signal to noise, 10 log10(1 / mean squared error)."""

    definition = "PSNR in dB on RGB in [0, 1], peak 1; equal frames count as 100 dB"
    best = _MOST_DB

    def measure(self, made: Tensor, true: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,) dB, at most 100."""
        return psnr(made, true)


def unit(frames: Tensor) -> Tensor:
    """Bring frames from [-1, 1] to [0, 1], float32 on the CPU's or their own device."""
    return ((frames.detach().float() + 1) / 2).clamp(0, 1)


def luma(frames: Tensor) -> Tensor:
    """Give the luma (N, 1, H, W) of RGB frames (Rec. 601)."""
    weights = frames.new_tensor(_LUMA).view(1, 3, 1, 1)
    return (frames * weights).sum(1, keepdim=True)


def psnr(made: Tensor, true: Tensor) -> Tensor:
    """Give the PSNR (N,) in dB of (N, C, H, W) frames in [0, 1], at most 100."""
    error = (made.double() - true.double()).square().mean((1, 2, 3))
    return (-10 * error.clamp(min=1e-30).log10()).clamp(max=_MOST_DB)


def ssim(made: Tensor, true: Tensor) -> Tensor:
    """Give the SSIM (N,) of (N, C, H, W) frames in [0, 1], mean over channels and windows.

    Agrees with `skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`, which also averages over whole windows only.
    The separable window is one small matrix a side. Raises InputError below 11 px.
    """
    rows, columns = made.shape[-2:]
    if min(rows, columns) < _WINDOW:
        raise InputError(
            f"SSIM needs frames of at least {_WINDOW} px, but these are {rows}x{columns}",
            hint="leave 'ssim' out of the metrics of this recipe",
        )
    down, across = _window(rows).to(made.device), _window(columns).to(made.device)
    maps = torch.stack([made, true, made * made, true * true, made * true])
    x, y, xx, yy, xy = (down @ (maps @ across.mT)).unbind()
    variance = xx - x * x + yy - y * y
    index = (2 * x * y + _C1) * (2 * (xy - x * y) + _C2)
    index = index / ((x * x + y * y + _C1) * (variance + _C2))
    return index.mean((1, 2, 3))


def _window(side: int) -> Tensor:
    """Make the (side - 10, side) matrix that slides the Gaussian along a line."""
    taps = torch.exp(-0.5 * ((torch.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    places = side - _WINDOW + 1
    at = torch.arange(places)[:, None] + torch.arange(_WINDOW)
    return torch.zeros(places, side).scatter_(1, at, (taps / taps.sum()).expand(places, -1))
