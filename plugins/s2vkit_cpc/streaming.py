"""Encoding speech in pieces, with the result of the whole utterance at once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s2vkit_cpc.encoder import Cpc
from s2vkit_cpc.front import HOP, Front
from s2vkit_cpc.moments import Moments, no_steps


class CpcStream:
    """One utterance (or a batch of equally long ones), encoded in pieces of any length.

    Carries, for each convolution, the end of its input that later steps will see again, and
    the state of the context network; of the summary it carries sums. So memory is flat.
    """

    def __init__(self, encoder: Cpc) -> None:
        self.encoder = encoder
        front = encoder.gEncoder
        self.layers = [Layer(front, i) for i in range(len(front.layers))]
        self.moments: dict[int, Moments] = {}  # of each layer; the last one's holds c too
        self.state: Any = None
        self.last: Tensor | None = None
        self.samples = 0

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete."""
        self.samples += speech.shape[1]
        return self._push(speech, end=False)

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        like = next(self.encoder.gAR.parameters())
        batch = 1 if self.layers[0].buffer is None else len(self.layers[0].buffer)
        short = max(0, HOP - self.samples)
        rest = self._push(like.new_zeros(batch, short), end=True)
        return rest, self.summary()

    def _push(self, speech: Tensor, *, end: bool) -> Tensor:
        x = speech.unsqueeze(1)
        gather = self.encoder.kind in ("statistics", "layers")
        for i, layer in enumerate(self.layers):
            x = layer.push(x, end=end)
            if gather and i + 1 < len(self.layers):
                self._measure(i, x)
        z = x.transpose(1, 2)
        if not z.shape[1]:
            return z
        c, self.state = self.encoder.gAR.baseNet(z, self.state)
        self.last = c[:, -1]
        self._measure(len(self.layers) - 1, torch.cat([c, z], 2).transpose(1, 2))
        return c

    def _measure(self, layer: int, x: Tensor) -> None:
        if x.shape[2]:
            self.moments[layer] = self.moments.get(layer, no_steps(x, x.shape[1])).add(x)

    def summary(self) -> Tensor:
        """Summarise what was heard so far, one step at least: (B, summary_dim)."""
        assert self.last is not None  # `finish` completes at least one step
        kind, last = self.encoder.kind, len(self.layers) - 1
        if kind == "last":
            return self.last
        whole = self.moments[last]
        if kind == "mean":
            return whole.mean[:, : self.encoder.dim].to(self.last.dtype)
        lower = [self.moments[i] for i in range(last)] if kind == "layers" else []
        return torch.cat([m.pool() for m in (whole, *lower)], 1).to(self.last.dtype)


class Layer:
    """One layer of a front, and the end of its input."""

    def __init__(self, front: Front, index: int) -> None:
        self.front, self.index = front, index
        self.kernel, self.stride, self.pad = front.layers[index]
        self.width = front.widths[index]
        self.buffer: Tensor | None = None

    def push(self, x: Tensor, *, end: bool) -> Tensor:
        """Take in (B, C, S): the steps (B, C', A) that are complete by now."""
        edge = x.new_zeros(x.shape[0], x.shape[1], self.pad)
        buffer = torch.cat([edge if self.buffer is None else self.buffer, x], 2)
        buffer = torch.cat([buffer, edge], 2) if end else buffer
        steps = max(0, (buffer.shape[2] - self.kernel) // self.stride + 1)
        self.buffer = buffer[:, :, steps * self.stride :]
        if not steps:
            return x.new_zeros(x.shape[0], self.width, 0)
        window = buffer[:, :, : (steps - 1) * self.stride + self.kernel]
        return self.front.apply_layer(self.index, window)
