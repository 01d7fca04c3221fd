"""The MFCC that SyncNet hears: those of python_speech_features with its defaults."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from s2vkit.nn import exact

SAMPLE_RATE = 16000
LENGTH, STEP, FFT = 400, 160, 512  # samples: 25 ms every 10 ms
FILTERS, COEFFICIENTS, LIFTER = 26, 13, 22
EMPHASIS = 0.97
_EPS = torch.finfo(torch.float64).eps


def mfcc(signal: Tensor) -> Tensor:
    """Return the MFCC (B, T, 13) of signals (B, S) at 16 kHz, in the amplitudes of int16.

    Pre-emphasis 0.97, rectangular windows of 25 ms every 10 ms, the last padded with zeros,
    512-point power spectrum, 26 mel filters from 0 to 8 kHz, logarithm, orthonormal DCT-II,
    lifter 22, the logarithm of the energy in place of the first. float64 inside and out, on the CPU
    where the device has none.
    """
    signal = exact(signal)
    first, rest = signal[:, :1], signal[:, 1:] - EMPHASIS * signal[:, :-1]
    power = _power(torch.cat([first, rest], 1))
    energy = power.sum(-1)
    mel = power @ filters().T.to(power)
    feat = _log(mel) @ cosines().T.to(power) * lifter().to(power)
    return torch.cat([_log(energy).unsqueeze(-1), feat[..., 1:]], -1)


def steps_of(samples: int) -> int:
    """Count the steps T that so many samples give."""
    return 1 + max(0, math.ceil((samples - LENGTH) / STEP))


def _power(signal: Tensor) -> Tensor:
    padded = (steps_of(signal.shape[1]) - 1) * STEP + LENGTH - signal.shape[1]
    frames = torch.nn.functional.pad(signal, (0, padded)).unfold(1, LENGTH, STEP)
    return torch.fft.rfft(frames, FFT).abs().square() / FFT


def _log(values: Tensor) -> Tensor:
    return torch.where(values == 0, _EPS, values).log()


@cache
def filters() -> Tensor:
    """Make the 26 triangles over the 257 bins; their corners are whole bins."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    mel = torch.linspace(0, top, FILTERS + 2, dtype=torch.float64)
    corner = ((FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / SAMPLE_RATE).floor().unsqueeze(1)
    low, middle, high = corner[:-2], corner[1:-1], corner[2:]
    bins = torch.arange(FFT // 2 + 1, dtype=torch.float64)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return torch.where(bins < middle, rising, falling).clamp(min=0)


@cache
def cosines() -> Tensor:
    """Make the first 13 rows of the orthonormal DCT-II of 26."""
    k = torch.arange(COEFFICIENTS, dtype=torch.float64).unsqueeze(1)
    n = torch.arange(FILTERS, dtype=torch.float64)
    rows = torch.cos(math.pi * k * (n + 0.5) / FILTERS) * math.sqrt(2 / FILTERS)
    rows[0] /= math.sqrt(2)
    return rows


@cache
def lifter() -> Tensor:
    """Make the 13 factors that lift the higher coefficients."""
    n = torch.arange(COEFFICIENTS, dtype=torch.float64)
    return 1 + LIFTER / 2 * torch.sin(math.pi * n / LIFTER)
