"""Fronts of CPC: what turns samples into encodings, 160 samples a step.

The published networks have five convolutions over samples. Log-mel energies serve where there is
not enough speech to learn those from.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from s2vkit.nn import valid_mask

HOP = 160
_WIDTH, _BANDS = 400, 40  # samples, mel bands from 0 to 8 kHz
_FLOOR = 1e-5  # of the energies, under the noise of any recording at one level
_MEAN, _SCALE = -4.0, 3.0  # of log energies of speech at one level, about


class Front(nn.Module):
    """Base of fronts: layers without memory of their own, so that speech can come in pieces."""

    layers: ClassVar[tuple[tuple[int, int, int], ...]]  # kernel, stride, padding
    widths: tuple[int, ...]  # channels after each layer

    def apply_layer(self, index: int, x: Tensor) -> Tensor:
        """Apply a layer to an input (B, C, S) that is padded already."""
        raise NotImplementedError

    def forward(
        self, speech: Tensor, lengths: Tensor | None = None, pooled: list[Tensor] | None = None
    ) -> Tensor:
        """Encode (B, S) as (B, C, A); given (B,) lengths, each clip as if it were alone.

        Every layer then sees zeros past a clip's own steps, as its padding would be. The
        statistics of every layer but the last are added to `pooled`, if given.
        """
        x = speech.unsqueeze(1)
        for i, layer in enumerate(self.layers):
            pad = layer[2]
            x = self.apply_layer(i, F.pad(x, (pad, pad)))
            if lengths is not None:
                lengths = count_steps(lengths, layer)
                x = x * valid_mask(lengths, x.shape[2]).unsqueeze(1)
                if pooled is not None and i + 1 < len(self.layers):
                    pooled.append(pool_steps(x, lengths))
        return x


class ChannelNorm(nn.Module):
    """Normalise each step over its channels, by the unbiased variance (not as LayerNorm)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, A)."""
        x = x.float()  # in reduced precision the variance would suffer
        var, mean = torch.var_mean(x, dim=1, keepdim=True)
        return (x - mean) * torch.rsqrt(var + 1e-5) * self.weight + self.bias


class ConvStack(Front):
    """Five strided convolutions over the samples, as in the published checkpoints."""

    layers = ((10, 5, 3), (8, 4, 2), (4, 2, 1), (4, 2, 1), (4, 2, 1))

    def __init__(self, channels: int, norm: str = "channel") -> None:
        super().__init__()
        make = {"channel": ChannelNorm, "batch": nn.BatchNorm1d}[norm]
        for i, (kernel, stride, _) in enumerate(self.layers):
            conv = nn.Conv1d(1 if i == 0 else channels, channels, kernel, stride)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"batchNorm{i}", make(channels))  # the checkpoint's name
        self.widths = (channels,) * len(self.layers)

    def apply_layer(self, index: int, x: Tensor) -> Tensor:
        """Apply a convolution with its norm to an input that is padded already."""
        conv, norm = self.get_submodule(f"conv{index}"), self.get_submodule(f"batchNorm{index}")
        return F.relu(norm(conv(x)))


class LogMelStack(Front):
    """Log-mel energies of 25 ms every 10 ms, and two convolutions: 160 samples a step.

    A step reaches 22.5 ms past its middle.
    """

    layers = ((_WIDTH, HOP, 120), (3, 1, 1), (1, 1, 0))

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("basis", _fourier(), persistent=False)
        banks = melscale_fbanks(_WIDTH // 2 + 1, 0.0, 8000.0, _BANDS, 16000)
        self.register_buffer("banks", banks.T.unsqueeze(2).contiguous(), persistent=False)
        self.conv1 = nn.Conv1d(_BANDS, 2 * channels, 3)
        self.conv2 = nn.Conv1d(2 * channels, channels, 1)
        self.norm = ChannelNorm(channels)
        self.widths = (_BANDS, 2 * channels, channels)

    def apply_layer(self, index: int, x: Tensor) -> Tensor:
        """Apply a layer to an input that is padded already."""
        if index == 0:
            return self._energies(x)
        if index == 1:
            return F.relu(self.conv1(x))
        normed: Tensor = self.norm(self.conv2(x))
        return normed

    def _energies(self, x: Tensor) -> Tensor:
        """Measure log energies (B, 40, A) of padded samples (B, 1, S)."""
        with torch.autocast(x.device.type, enabled=False):  # half precision has no room for energies
            real, imaginary = F.conv1d(x.float(), self.basis, stride=HOP).chunk(2, dim=1)
            energies = F.conv1d(real.square() + imaginary.square(), self.banks)
        return ((energies + _FLOOR).log() - _MEAN) / _SCALE


def _fourier() -> Tensor:
    """Make the windowed Fourier basis as a convolution: (2 * 201, 1, 400), cosines before sines."""
    at = np.arange(_WIDTH)
    phase = 2 * np.pi * np.outer(np.arange(_WIDTH // 2 + 1), at) / _WIDTH
    window = np.sin(np.pi * at / _WIDTH) ** 2  # Hann, periodic
    basis = np.concatenate([np.cos(phase) * window, np.sin(phase) * window])
    return torch.from_numpy(basis.astype(np.float32)).unsqueeze(1)


def count_steps(lengths: Tensor, layer: tuple[int, int, int]) -> Tensor:
    """Count the steps that a layer makes of so many."""
    kernel, stride, pad = layer
    return (lengths + 2 * pad - kernel) // stride + 1


def pool_steps(x: Tensor, steps: Tensor) -> Tensor:
    """Take mean and deviation of (B, C, A) over each clip's own steps: (B, 2 C)."""
    valid, count = valid_mask(steps, x.shape[2]).unsqueeze(1), steps.view(-1, 1)
    mean = (x * valid).sum(2) / count
    var = ((x - mean.unsqueeze(2)).square() * valid).sum(2) / count
    return torch.cat([mean, (var + 1e-6).sqrt()], 1)
