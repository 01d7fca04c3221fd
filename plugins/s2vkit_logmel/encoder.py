"""Log-mel spectra at 100 steps a second, their mean and deviation as the summary."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from s2vkit import AudioEncoder
from s2vkit.nn import valid_mask
from s2vkit_logmel import LogMelOptions

HOP, WINDOW, FFT = 160, 400, 512


class LogMel(AudioEncoder):
    """Log-mel spectra; step a looks at 25 ms around the time (a + 0.5) / 100 s."""

    sample_rate = 16000
    rate = 100.0
    pretrained = True  # there is nothing to train

    def __init__(self, options: LogMelOptions) -> None:
        super().__init__()
        self.around = options.context
        self.floor, self.level = options.floor, options.level
        self.dim = options.n_mels * (2 * self.around + 1)
        self.summary_dim = 2 * self.dim
        self.causal = self.around == 0
        self.mel = MelSpectrogram(self.sample_rate, FFT, WINDOW, HOP, n_mels=options.n_mels, center=False)

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, 2 * dim).

        Past a clip's own steps, S // 160 of them, all features are 0.
        """
        speech = speech * valid_mask(lengths, speech.shape[1])
        side = (FFT - HOP) // 2
        speech = F.pad(speech, (side, side + max(0, HOP - speech.shape[1])))
        steps = (lengths // HOP).clamp(min=1)
        power = self.mel(speech).transpose(1, 2)
        valid = valid_mask(steps, power.shape[1]).unsqueeze(2)
        # The constants bring speech to about zero mean and unit deviation.
        features = self._stack((power.clamp(min=self.floor).log() + 5.0) / 4.0 * valid) * valid
        mean = features.sum(1) / steps.unsqueeze(1)
        var = ((features - mean.unsqueeze(1)).square() * valid).sum(1) / steps.unsqueeze(1)
        return features, torch.cat([mean, (var + 1e-6).sqrt()], 1)

    def _stack(self, x: Tensor) -> Tensor:
        if not self.around:
            return x
        padded = F.pad(x, (0, 0, self.around, self.around))
        return padded.unfold(1, 2 * self.around + 1, 1).flatten(2)
