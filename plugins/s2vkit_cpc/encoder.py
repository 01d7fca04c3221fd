"""The CPC encoder: a front without memory, then a recurrent network over its steps."""

from __future__ import annotations

from dataclasses import asdict
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import AudioEncoder, SpeechStep, SpeechStream, fit_weights, open_weights
from s2vkit.nn import valid_mask
from s2vkit_cpc import CpcOptions
from s2vkit_cpc.front import HOP, ConvStack, Front, LogMelStack, count_steps, pool_steps
from s2vkit_cpc.layout import Layout, layout_of, layout_without_file


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
    causal = True  # a step reaches at most 22.5 ms ahead, through the front

    def __init__(self, options: CpcOptions) -> None:
        super().__init__()
        path = options.checkpoint
        stored = open_weights(path) if path else None
        layout = layout_of(stored, options, str(path)) if stored else layout_without_file(options)
        self.as_built = asdict(layout)
        self.gEncoder = _make_front(layout)
        self.gAR = Context(layout.context, layout.channels, layout.layers)
        self.dim = layout.channels
        self.kind, self.level = options.summary, options.level
        widths = {"statistics": 2 * self.dim, "layers": 2 * self.dim + sum(self.gEncoder.widths[:-1])}
        self.summary_dim = 2 * widths[self.kind] if self.kind in widths else self.dim
        self.pretrained = path is not None
        if stored:
            fit_weights(self, stored.tensors, source=str(path))

    def encode(self, speech: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Encode speech (B, S), S >= 160, as z (B, A, C), at about S // 160 steps."""
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
        steps = reduce(count_steps, self.gEncoder.layers, lengths)
        return c, torch.cat([self._summarise(c, z, steps), *(pooled or [])], 1)

    def stream(self) -> SpeechStream:
        """Begin to encode one utterance piece by piece; see `SpeechStream`."""
        from s2vkit_cpc.streaming import CpcStream

        return CpcStream(self)

    def step(self, steps: int) -> SpeechStep:
        """Return the stream as a function of pieces of so many steps; see `SpeechStep`."""
        from s2vkit_cpc.stepping import CpcStep

        return CpcStep(self, steps)

    def _summarise(self, c: Tensor, z: Tensor, steps: Tensor) -> Tensor:
        if self.kind == "last":
            return c[torch.arange(len(c), device=c.device), steps - 1]
        if self.kind == "mean":
            valid = valid_mask(steps, c.shape[1]).unsqueeze(2)
            return (c * valid).sum(1) / steps.view(-1, 1)
        return pool_steps(torch.cat([c, z], 2).transpose(1, 2), steps)


def _make_front(layout: Layout) -> Front:
    if layout.front == "waveform":
        return ConvStack(layout.channels, layout.norm)
    return LogMelStack(layout.channels)
