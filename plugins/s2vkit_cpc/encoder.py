"""The CPC encoder: five strided convolutions, then a recurrent network over their steps."""

from __future__ import annotations

from dataclasses import asdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import AudioEncoder, SpeechStream, fit_weights, open_weights
from s2vkit.nn import valid_mask
from s2vkit_cpc import CpcOptions
from s2vkit_cpc.layout import layout_of, layout_without_file

LAYERS = ((10, 5, 3), (8, 4, 2), (4, 2, 1), (4, 2, 1), (4, 2, 1))  # kernel, stride, padding
HOP = 160


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


class ConvStack(nn.Module):
    """The encoder proper, `gEncoder`: 160 samples a step."""

    def __init__(self, channels: int, norm: str = "channel") -> None:
        super().__init__()
        make = {"channel": ChannelNorm, "batch": nn.BatchNorm1d}[norm]
        for i, (kernel, stride, pad) in enumerate(LAYERS):
            conv = nn.Conv1d(1 if i == 0 else channels, channels, kernel, stride, pad)
            self.add_module(f"conv{i}", conv)
            self.add_module(f"batchNorm{i}", make(channels))  # the checkpoint's name

    def forward(
        self, speech: Tensor, lengths: Tensor | None = None, pooled: list[Tensor] | None = None
    ) -> Tensor:
        """Encode (B, S) as (B, C, A); given (B,) lengths, each clip as if it were alone.

        Every layer then sees zeros past a clip's own steps, as its padding would be. The
        statistics of every layer but the last are added to `pooled`, if given.
        """
        x = speech.unsqueeze(1)
        for i, (kernel, stride, pad) in enumerate(LAYERS):
            conv, norm = self.get_submodule(f"conv{i}"), self.get_submodule(f"batchNorm{i}")
            x = F.relu(norm(conv(x)))
            if lengths is not None:
                lengths = (lengths + 2 * pad - kernel) // stride + 1
                x = x * valid_mask(lengths, x.shape[2]).unsqueeze(1)
                if pooled is not None and i + 1 < len(LAYERS):
                    pooled.append(_pool(x, lengths))
        return x


class Context(nn.Module):
    """The recurrent network, `gAR`."""

    def __init__(self, kind: str, channels: int, layers: int) -> None:
        super().__init__()
        network = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.baseNet = network(channels, channels, num_layers=layers, batch_first=True)


class Cpc(AudioEncoder):
    """CPC as an audio encoder; its module names are those of the public checkpoints.

    Features are the context c (100 steps/s, each of the speech so far), the summary is
    the last one, as the paper's omega, or statistics over a clip's own steps.
    """

    sample_rate = 16000
    rate = 100.0
    pretrainable = True
    causal = True  # a step hears at most 20 ms ahead, through the convolutions

    def __init__(self, options: CpcOptions) -> None:
        super().__init__()
        path = options.checkpoint
        stored = open_weights(path) if path else None
        layout = layout_of(stored, options, str(path)) if stored else layout_without_file(options)
        self.as_built = asdict(layout)
        self.gEncoder = ConvStack(layout.channels, layout.norm)
        self.gAR = Context(layout.context, layout.channels, layout.layers)
        self.dim = layout.channels
        self.kind = options.summary
        pooled = {"statistics": 2, "layers": len(LAYERS) + 1}
        self.summary_dim = self.dim * 2 * pooled[self.kind] if self.kind in pooled else self.dim
        self.pretrained = path is not None
        if stored:
            fit_weights(self, stored.tensors, source=str(path))

    def encode(self, speech: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode speech (B, S), S >= 160, as z (B, A, C), at (S + 1) // 160 steps."""
        return self.gEncoder(speech, lengths).transpose(1, 2)

    def context(self, z: Tensor) -> Tensor:
        """Carry the past of z (B, A, C) along: c (B, A, C), of each step and all before it."""
        return self.gAR.baseNet(z)[0]

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, summary_dim)."""
        speech = speech * valid_mask(lengths, speech.shape[1])
        speech = F.pad(speech, (0, max(0, HOP - speech.shape[1])))
        lengths = lengths.clamp(min=HOP)  # so that every clip has a step
        pooled: list[Tensor] | None = [] if self.kind == "layers" else None
        z = self.gEncoder(speech, lengths, pooled).transpose(1, 2)
        c = self.context(z)
        steps = (lengths + 1) // HOP
        return c, torch.cat([self._summarise(c, z, steps), *(pooled or [])], 1)

    def stream(self) -> SpeechStream:
        """Begin to encode one utterance piece by piece; see `SpeechStream`."""
        from s2vkit_cpc.streaming import CpcStream

        return CpcStream(self)

    def _summarise(self, c: Tensor, z: Tensor, steps: Tensor) -> Tensor:
        if self.kind == "last":
            return c[torch.arange(len(c), device=c.device), steps - 1]
        if self.kind == "mean":
            valid = valid_mask(steps, c.shape[1]).unsqueeze(2)
            return (c * valid).sum(1) / steps.view(-1, 1)
        return _pool(torch.cat([c, z], 2).transpose(1, 2), steps)


def _pool(x: Tensor, steps: Tensor) -> Tensor:
    """Take mean and deviation of (B, C, A) over each clip's own steps: (B, 2 C)."""
    valid, count = valid_mask(steps, x.shape[2]).unsqueeze(1), steps.view(-1, 1)
    mean = (x * valid).sum(2) / count
    var = ((x - mean.unsqueeze(2)).square() * valid).sum(2) / count
    return torch.cat([mean, (var + 1e-6).sqrt()], 1)
