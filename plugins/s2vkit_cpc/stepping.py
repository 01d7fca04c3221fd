"""Encoding speech in pieces of one length by a function without memory, as exported models need it."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import SpeechStep
from s2vkit_cpc.encoder import Cpc
from s2vkit_cpc.front import HOP, count_steps
from s2vkit_cpc.moments import Moments, no_steps


class CpcStep(SpeechStep):
    """What `CpcStream` does, with all that it carries as inputs and outputs.

    Of each layer's input so much is carried that every piece gives equally many steps. The first
    steps of an utterance then lie before its begin: they are masked, as are those after its end.
    """

    least = HOP

    def __init__(self, encoder: Cpc, steps: int) -> None:
        super().__init__()
        self.encoder, self.samples = encoder, steps * HOP
        front = encoder.gEncoder
        self.layers, self.widths = front.layers, (1, *front.widths)
        self.early: list[int] = []  # steps of each layer that lie before the utterance
        self.kept: list[int] = []  # the end of each layer's input that is carried
        for kernel, stride, pad in self.layers:
            before, least = (self.early or [0])[-1], kernel - stride
            self.kept.append(least + (pad - before - least) % stride)
            self.early.append((before + self.kept[-1] - pad) // stride)
        self.late = self.early[-1]
        last = len(self.layers) - 1
        measured = {"last": [], "layers": [*range(last + 1)]}
        self.measured: list[int] = measured.get(encoder.kind, [last])  # layers that are summarized
        self.names = tuple(self._begin())

    def begin(self) -> tuple[Tensor, ...]:
        """Return the state of an utterance that has not begun."""
        return tuple(self._begin().values())

    def _begin(self) -> dict[str, Tensor]:
        network, zero = self.encoder.gAR.baseNet, torch.zeros(1, 1)
        state = {"position": torch.zeros(1, dtype=torch.int64)}
        for i, kept in enumerate(self.kept):
            if kept:
                state[f"input{i}"] = torch.zeros(1, self.widths[i], kept)
        state["hidden"] = torch.zeros(network.num_layers, 1, network.hidden_size)
        if isinstance(network, torch.nn.LSTM):
            state["cell"] = torch.zeros_like(state["hidden"])
        for i in self.measured:
            size = 2 * self.encoder.dim if i == len(self.kept) - 1 else self.widths[i + 1]
            state.update(_named(i, no_steps(zero, size)))
        return state

    def forward(self, speech: Tensor, total: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Encode a piece; see `SpeechStep`."""
        old = dict(zip(self.names, state, strict=True))
        new = {"position": old["position"] + self.samples}
        x = speech.unsqueeze(1)
        x = x * _inside(old["position"], total, x)
        valid, count, reduction = total, total, 1
        for i, layer in enumerate(self.layers):
            if self.kept[i]:
                x = torch.cat([old[f"input{i}"], x], 2)
                new[f"input{i}"] = x[:, :, -self.kept[i] :]
            x = self.encoder.gEncoder.apply_layer(i, x)
            count, reduction = count_steps(count, layer), reduction * layer[1]
            valid = _inside(old["position"] // reduction - self.early[i], count, x)
            x = x * valid
            if i in self.measured and i + 1 < len(self.layers):
                new.update(_named(i, _moments(i, old).add(x, valid)))
        features = self._context(x.transpose(1, 2), valid, old, new)
        if self.measured:
            both = torch.cat([features.transpose(1, 2), x], 1)
            new.update(_named(i, _moments(i, old).add(both, valid)))
        return features, self._summary(new), *(new[name] for name in self.names)

    def _context(self, z: Tensor, valid: Tensor, old: dict[str, Tensor], new: dict[str, Tensor]) -> Tensor:
        """Carry the past of z (1, A, C) along, over valid steps only: (1, A, C)."""
        parts = [name for name in ("hidden", "cell") if name in old]
        state, found = [old[name] for name in parts], []
        for step in range(z.shape[1]):
            given = (state[0], state[1]) if len(state) == 2 else state[0]
            c, after = self.encoder.gAR.baseNet(z[:, step : step + 1], given)
            found.append(c)
            after = after if isinstance(after, tuple) else (after,)
            state = [torch.where(valid[step] > 0, b, a) for a, b in zip(state, after, strict=True)]
        new.update(zip(parts, state, strict=True))
        return torch.cat(found, 1)

    def _summary(self, state: dict[str, Tensor]) -> Tensor:
        """Summarise the valid steps so far: (1, summary_dim)."""
        if self.encoder.kind == "last":
            return state["hidden"][-1]
        *lower, last = (_moments(i, state) for i in self.measured)
        if self.encoder.kind == "mean":
            return last.mean[:, : self.encoder.dim].float()
        return torch.cat([moments.pool() for moments in (last, *lower)], 1).float()


def _inside(first: Tensor, count: Tensor, x: Tensor) -> Tensor:
    """Mark with 1 which steps of x (1, C, A), the first being `first`, an utterance of `count` has: (A,)."""
    at = first + torch.arange(x.shape[2], device=x.device)
    return ((at >= 0) & (at < count)).to(x.dtype)


def _named(layer: int, moments: Moments) -> dict[str, Tensor]:
    return {f"{name}{layer}": value for name, value in moments._asdict().items()}


def _moments(layer: int, state: dict[str, Tensor]) -> Moments:
    return Moments(*(state[f"{name}{layer}"] for name in Moments._fields))
