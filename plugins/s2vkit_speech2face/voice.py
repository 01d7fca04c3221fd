"""The voice encoder of Speech2Face: 6 s of speech to the embedding of a face."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import AudioEncoder, Student
from s2vkit.nn import scale_width, valid_mask
from s2vkit_speech2face import VoiceHeadOptions, VoiceOptions

HOP = 160
POWER = 0.3  # of the spectrum's compression
HIDDEN = 4096
# Channels, stride, and whether time is halved after the layer.
LAYERS = (
    (64, 1, False),
    (64, 1, False),
    (128, 1, True),
    (128, 1, True),
    (128, 1, True),
    (256, 1, True),
    (512, 1, False),
    (512, 2, False),
    (512, 2, False),
)


class VoiceEncoder(AudioEncoder):
    """Nine convolutions of 4 x 4 (time x frequency) over a compressed complex spectrogram.

    Each is followed by ReLU and batch norm; four by a pool of time. The last is averaged over
    all time before them. Then fc1 and its ReLU: the summary. fc2 is the student `speech2face`.
    A clip is repeated until it fills `seconds`, and cut there, whatever it is batched with. The
    features, which nothing of Speech2Face needs, are its log spectrum at each 10 ms.
    """

    sample_rate = 16000
    rate = 100.0
    causal = True
    pretrained = False

    def __init__(self, options: VoiceOptions) -> None:
        super().__init__()
        self.fft, self.window = options.fft, min(options.window, options.fft)
        self.samples = int(options.seconds * self.sample_rate)
        self.dim = options.fft // 2 + 1
        self.summary_dim = scale_width(HIDDEN, options.width, 4)
        before, layers = 2, []
        for channels, stride, _ in LAYERS:
            out = scale_width(channels, options.width, 4)
            layers.append(nn.Conv2d(before, out, 4, stride))
            before = out
        self.convs = nn.ModuleList(layers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(conv.out_channels) for conv in layers)
        self.fc1 = nn.Linear(before * _bins_left(self.dim), self.summary_dim)
        self.register_buffer("hann", torch.hann_window(self.window), persistent=False)

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, S // 160, dim), summary (B, summary_dim)."""
        return self._features(speech, lengths), self.embed(self.spectrum(speech, lengths))

    def spectrum(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Return sgn(x) |x|^0.3 of real and imaginary parts: (B, 2, T, dim), T of `seconds`."""
        at = torch.arange(self.samples, device=speech.device) % lengths.clamp(min=1).unsqueeze(1)
        side = (self.fft - self.window) // 2  # so that a step needs no more than its window
        windows = F.pad(speech.gather(1, at), (side, self.fft - self.window - side))
        found = self._transform(windows)
        parts = torch.view_as_real(found).permute(0, 3, 2, 1)
        return parts.sign() * parts.abs().pow(POWER)

    def embed(self, spectrum: Tensor) -> Tensor:
        """Embed (B, 2, T, dim): (B, summary_dim)."""
        x = spectrum.contiguous(memory_format=torch.channels_last)
        for (_, _, pooled), conv, norm in zip(LAYERS, self.convs, self.norms, strict=True):
            x = conv(x)
            x = x.mean(2, keepdim=True) if conv is self.convs[-1] else x
            x = norm(F.relu(x))
            x = F.max_pool2d(x, (2, 1)) if pooled else x
        return F.relu(self.fc1(x.flatten(1)))

    def _transform(self, speech: Tensor) -> Tensor:
        return torch.stft(
            speech.float(), self.fft, HOP, self.window, self.hann, center=False, return_complex=True
        )

    @torch.no_grad()
    def _features(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Return the log power at each 10 ms, of the window that ends there; silence past a clip."""
        own = valid_mask(lengths, speech.shape[1])
        steps = max(1, speech.shape[1] // HOP)
        end = max(0, steps * HOP - speech.shape[1])
        padded = F.pad(speech * own, (self.fft - HOP, end))
        power = self._transform(padded).abs().square().transpose(1, 2)[:, :steps]
        valid = valid_mask((lengths // HOP).clamp(min=1), steps)
        return (power.clamp(min=1e-5).log() + 5.0) / 4.0 * valid.unsqueeze(2)


class VoiceHead(Student):
    """fc2: from the voice's 4096 numbers to the face's embedding, with no activation."""

    def __init__(self, options: VoiceHeadOptions, *, inputs: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.fc2 = nn.Linear(inputs, dim)

    def forward(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to (B, dim)."""
        code: Tensor = self.fc2(summary)
        return code


def _bins_left(bins: int) -> int:
    for _, stride, _ in LAYERS:
        bins = (bins - 4) // stride + 1
    return bins
