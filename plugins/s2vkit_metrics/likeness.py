"""SSIM and PSNR of generated frames against the true ones."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean

import torch
from torch import Tensor

from s2vkit import Metric, Options, Outcome, Score
from s2vkit.nn import exact
from s2vkit_metrics import SsimOptions
from s2vkit_metrics.structure import ssim

_MAX_DB = 100.0
_LUMA = (0.299, 0.587, 0.114)
_PART = 2**19  # numbers compared at once: copies of whole clips cost more than the comparing


class _Likeness(Metric):
    """Base: a figure a frame, its mean over a clip, the mean over clips.

    The chance figure pairs each generated clip with the real frames of the clip before it (the
    first with the last's), cut to the shorter: what any face of this corpus would score.
    """

    definition = ""
    best = 1.0

    def __init__(self, options: Options) -> None:
        self.names: list[str] = []
        self.values: list[float] = []
        self.others: list[float] = []
        self.first: Outcome | None = None
        self.last: Outcome | None = None

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.names.append(outcome.name)
        self.values.append(self.mean(outcome.generated, outcome.real))
        if self.last is None:
            self.first = replace(outcome, real=outcome.real[:0], shared={})
        else:
            self.others.append(self.mean(outcome.generated, self.last.real))
        self.last = replace(outcome, generated=outcome.generated[:0], shared={})

    def compute(self) -> Score:
        """Return the mean over clips."""
        others = list(self.others)
        if self.first is not None and self.last is not None and len(self.values) > 1:
            others.append(self.mean(self.first.generated, self.last.real))
        return Score(
            value=fmean(self.values) if self.values else float("nan"),
            on_real=self.best,
            chance=fmean(others) if others else None,
            n=len(self.values),
            definition=f"{self.definition}; mean over a clip's frames, then over clips; on real: "
            "by definition; chance: against the real frames of another clip",
            clips=dict(zip(self.names, self.values, strict=True)),
        )

    def measure(self, generated: Tensor, real: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,)."""
        raise NotImplementedError

    def mean(self, generated: Tensor, real: Tensor) -> float:
        """Compare (V, 3, H, W) frames in [-1, 1], cut to the shorter clip, a few at a time."""
        frames = min(len(generated), len(real))
        few = max(1, _PART // generated[0].numel())
        pairs = zip(generated[:frames].split(few), real[:frames].split(few), strict=True)
        return float(torch.cat([self.measure(unit(m), unit(t)) for m, t in pairs]).mean())


class Ssim(_Likeness):
    """SSIM of Wang et al. 2004, equal to scikit-image's Gaussian form; see `structure.ssim`."""

    def __init__(self, options: SsimOptions) -> None:
        super().__init__(options)
        self.options = options
        on = "luma (Rec. 601)" if options.channel == "grey" else "RGB, mean over channels"
        window = f"{options.window} window {options.size}x{options.size}"
        window += f" sigma {options.sigma:g}" if options.window == "gaussian" else ""
        ends = "whole windows only" if options.borders == "inside" else "ends reflected"
        self.definition = (
            f"SSIM on {on} in [0, 1], data range {options.data_range:g}, {window}, K1 0.01, "
            f"K2 0.03, {options.covariance} covariance, {ends}"
        )

    def measure(self, generated: Tensor, real: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,)."""
        if self.options.channel == "grey":
            generated, real = luma(generated), luma(real)
        return ssim(generated, real, self.options)


class Psnr(_Likeness):
    """Peak signal to noise, 10 log10(1 / mean squared error)."""

    definition = "PSNR in dB on RGB in [0, 1], peak 1; equal frames count as 100 dB"
    best = _MAX_DB

    def measure(self, generated: Tensor, real: Tensor) -> Tensor:
        """Compare (N, 3, H, W) frames in [0, 1]: (N,) dB, at most 100."""
        return psnr(generated, real)


def unit(frames: Tensor) -> Tensor:
    """Bring frames from [-1, 1] to [0, 1], float32 on the CPU's or their own device."""
    return (frames.detach().float() + 1).div_(2).clamp_(0, 1)


def luma(frames: Tensor) -> Tensor:
    """Return the luma (N, 1, H, W) of RGB frames (Rec. 601)."""
    red, green, blue = frames.unbind(1)
    return (red * _LUMA[0]).add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2]).unsqueeze(1)


def psnr(generated: Tensor, real: Tensor) -> Tensor:
    """Return the PSNR (N,) in dB of (N, C, H, W) frames in [0, 1], at most 100."""
    error = exact((generated - real).square_()).mean((1, 2, 3))
    return (-10 * error.clamp(min=1e-30).log10()).clamp(max=_MAX_DB)
