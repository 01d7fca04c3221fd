"""GE2E of speech that comes in pieces, with the result of the whole utterance at once."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit_ge2e.encoder import EVERY, HOP, PARTIAL, SIDE, WINDOW, Ge2e, partials

_SETTLING = HOP * 20  # samples between two embeddings of a partial that is not over yet


class Ge2eStream:
    """One utterance (or a batch of equally long ones); memory does not grow with its length.

    Carries the recurrent state of the features; of the summary, the sum of the embeddings of the
    partials that are over, and the mel energies of the others.
    """

    def __init__(self, encoder: Ge2e) -> None:
        self.encoder, self.samples = encoder, 0
        self.state: Any = None
        self.steps = Spectra(encoder, SIDE)
        self.centred = Spectra(encoder, WINDOW // 2)  # a window around each 10 ms, as partials have it
        self.mel: Tensor | None = None  # of the partials that are not over
        self.total: Tensor | None = None
        self.over = 0  # partials that are
        self.settled: tuple[tuple[int, int], Tensor] | None = None

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete."""
        self.samples += speech.shape[1]
        mel = self.centred.push(speech)
        self.mel = mel if self.mel is None else torch.cat([self.mel, mel], 1)
        while self.mel.shape[1] >= PARTIAL:
            done = self.encoder.embed(self.mel[:, :PARTIAL])
            self.total = done if self.total is None else self.total + done
            self.over, self.mel = self.over + 1, self.mel[:, EVERY:]
        return self._features(self.steps.push(speech))

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        like = self.encoder.linear.weight
        batch = 1 if self.mel is None else len(self.mel)
        if self.mel is None:
            self.encode(like.new_zeros(1, 0))
        end = like.new_zeros(batch, SIDE + max(0, HOP - self.samples))
        return self._features(self.steps.push(end)), self._summary()

    def summary(self) -> Tensor:
        """Summarise what has come so far, but for at most the last 0.2 s: (B, summary_dim)."""
        key = (self.over, self.samples // _SETTLING)
        if self.settled is None or self.settled[0] != key:
            self.settled = key, self._summary()
        return self.settled[1]

    def _features(self, mel: Tensor) -> Tensor:
        if not mel.shape[1]:
            return mel.new_zeros(len(mel), 0, self.encoder.dim)
        features, self.state = self.encoder.lstm(mel, self.state)
        return features

    def _summary(self) -> Tensor:
        """Return the mean over the partials, those that are not over filled up with silence."""
        assert self.mel is not None
        count = partials(self.samples)
        rest = torch.cat([self.mel, self.centred.ending(PARTIAL + EVERY)], 1)
        total = self.total
        for i in range(count - self.over):
            one = self.encoder.embed(rest[:, i * EVERY : i * EVERY + PARTIAL])
            total = one if total is None else total + one
        assert total is not None
        return F.normalize(total / count)


class Spectra:
    """The mel energies of speech that comes in pieces, with `before` zeros ahead of it."""

    def __init__(self, encoder: Ge2e, before: int) -> None:
        self.encoder, self.before = encoder, before
        self.buffer: Tensor | None = None

    def push(self, speech: Tensor) -> Tensor:
        """Take in (B, S): the energies (B, A, n_mels) of the windows that are complete by now."""
        if self.buffer is None:
            self.buffer = speech.new_zeros(len(speech), self.before)
        buffer = torch.cat([self.buffer, speech], 1)
        steps = max(0, (buffer.shape[1] - WINDOW) // HOP + 1)
        self.buffer = buffer[:, steps * HOP :]
        return self._energies(buffer, steps)

    def ending(self, steps: int) -> Tensor:
        """Compute the next energies (B, steps, n_mels) as if only silence came from now on."""
        assert self.buffer is not None
        silence = max(0, (steps - 1) * HOP + WINDOW - self.buffer.shape[1])
        return self._energies(F.pad(self.buffer, (0, silence)), steps)

    def _energies(self, speech: Tensor, steps: int) -> Tensor:
        if not steps:
            return speech.new_zeros(len(speech), 0, self.encoder.lstm.input_size)
        return self.encoder.spectra(speech[:, : (steps - 1) * HOP + WINDOW])
