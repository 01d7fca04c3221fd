"""Encoding speech in pieces of a block by a function without memory, as exported models need it."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import SpeechStep
from s2vkit.nn import exact_on_device
from s2vkit_moonshine.encoder import BEFORE, Moonshine, pool, sums
from s2vkit_moonshine.network import HOP


class MoonshineStep(SpeechStep):
    """What `MoonshineStream` does, with all that it carries as inputs and outputs.

    A piece is a block; its steps come with the next piece, which has what is heard ahead of them. So the
    first steps of an utterance lie before its begin: they are left out of what is summarized.
    """

    least = HOP
    names = ("position", "kept", "sums")

    def __init__(self, encoder: Moonshine) -> None:
        super().__init__()
        self.encoder = encoder
        self.late, self.samples = encoder.block, encoder.block * HOP

    def begin(self) -> tuple[Tensor, ...]:
        """Return the state of an utterance that has not begun."""
        kept = torch.zeros(1, self.encoder.past * HOP + BEFORE + self.samples)
        nothing = exact_on_device(torch.zeros(1, 1 + self.encoder.summary_dim))
        return torch.zeros(1, dtype=torch.int64), kept, nothing

    def forward(self, speech: Tensor, total: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Encode a piece; see `SpeechStep`."""
        position, kept, before = state
        at = position + torch.arange(self.samples, device=speech.device)
        kept = torch.cat([kept, speech * (at < total)], 1)
        features, heard = self.encoder.encode_blocks(kept[:, : self.encoder.window])
        step = position // HOP - self.late + torch.arange(self.late, device=speech.device)
        valid = (step >= 0) & (step < (total // HOP).clamp(min=1))
        after = before + sums(heard, valid.unsqueeze(0))
        return features, pool(after), position + self.samples, kept[:, self.samples :], after
