"""A front of log-mel energies for CPC, where there is not enough speech to learn one from samples."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from s2vkit_cpc.front import ChannelNorm, Front

_WIDTH, _HOP, _BANDS = 400, 160, 40  # samples, samples, mel bands from 0 to 8 kHz
_FLOOR = 1e-5  # of the energies, under the noise of any recording at one level
_MEAN, _SCALE = -4.0, 3.0  # of log energies of speech at one level, about


class LogMelStack(Front):
    """Log-mel energies of 25 ms every 10 ms, and two convolutions: 160 samples a step.

    A step reaches 22.5 ms past its middle.
    """

    layers = ((_WIDTH, _HOP, 120), (3, 1, 1), (1, 1, 0))

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
            real, imaginary = F.conv1d(x.float(), self.basis, stride=_HOP).chunk(2, dim=1)
            energies = F.conv1d(real.square() + imaginary.square(), self.banks)
        return ((energies + _FLOOR).log() - _MEAN) / _SCALE


def _fourier() -> Tensor:
    """Make the windowed Fourier basis as a convolution: (2 * 201, 1, 400), cosines before sines."""
    at = torch.arange(_WIDTH, dtype=torch.float64)
    phase = 2 * math.pi * torch.outer(torch.arange(_WIDTH // 2 + 1, dtype=torch.float64), at) / _WIDTH
    window = torch.hann_window(_WIDTH, dtype=torch.float64)
    return torch.cat([phase.cos() * window, phase.sin() * window]).float().unsqueeze(1)
