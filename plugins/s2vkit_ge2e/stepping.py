"""Summarizing speech in pieces of one length by a function without memory, as exported models need it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import SpeechStep
from s2vkit_ge2e.encoder import COVERAGE, EVERY, HOP, PARTIAL, WINDOW, Ge2e

_SPAN = (PARTIAL - 1) * HOP + WINDOW  # samples of a partial
_OPEN = -(-PARTIAL // EVERY)  # partials at most that have begun and are not over


class Ge2eSummaryStep(SpeechStep):
    """The summary of `Ge2eStream` with all that it carries as inputs and outputs; it gives no features.

    Carried are the last samples, of which partials that are not over are embedded anew in each piece,
    and the sum of the embeddings of those that are.
    """

    late, least = 0, HOP
    names = ("position", "recent", "over", "embedded")

    def __init__(self, encoder: Ge2e, samples: int) -> None:
        super().__init__()
        self.encoder, self.samples = encoder, samples
        mel = encoder.mel
        at = torch.arange(WINDOW) / WINDOW
        turns = 2 * torch.pi * torch.arange(WINDOW // 2 + 1)[:, None] * at
        window = mel.spectrogram.window.cpu()
        # Exporters know no Fourier transform of windows: it is a matrix.
        self.register_buffer("waves", torch.cat([turns.cos(), turns.sin()]) * window, persistent=False)
        self.register_buffer("bands", mel.mel_scale.fb.cpu().clone(), persistent=False)

    waves: Tensor
    bands: Tensor

    def begin(self) -> tuple[Tensor, ...]:
        """Return the state of an utterance that has not begun."""
        zero = torch.zeros(1, dtype=torch.int64)
        recent = torch.zeros(1, self.samples + _SPAN + WINDOW)
        return zero, recent, zero.clone(), torch.zeros(1, self.encoder.summary_dim)

    def forward(self, speech: Tensor, total: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Summarize with a piece; see `SpeechStep`."""
        position, recent, over, embedded = state
        at = position + torch.arange(self.samples, device=speech.device)
        recent = torch.cat([recent[:, self.samples :], speech * (at < total)], 1)
        position = position + self.samples
        heard = torch.minimum(position, total)
        partials = over + torch.arange(_OPEN + 1, device=speech.device)
        codes = self.encoder.embed(self._spectra(recent[0], position, partials))
        # The first at most is over: pieces are shorter than what partials lie apart.
        done = self._end(partials) <= heard
        embedded = embedded + (codes * done.unsqueeze(1)).sum(0, keepdim=True)
        over = over + done.sum().unsqueeze(0)
        count = self._count(heard)
        begun = ~done & (partials < count)
        whole = embedded + (codes * begun.unsqueeze(1)).sum(0, keepdim=True)
        summary = F.normalize(whole / count.clamp(min=1))
        features = speech.new_zeros(1, 0, self.encoder.dim)
        return features, summary, position, recent, over, embedded

    def _spectra(self, recent: Tensor, position: Tensor, partials: Tensor) -> Tensor:
        """Compute the mel energies of partials, of the samples before `position`: (P, 160, n_mels)."""
        start = partials * (EVERY * HOP) - WINDOW // 2 - (position - len(recent))
        steps = torch.arange(PARTIAL, device=recent.device) * HOP
        at = start[:, None, None] + steps[:, None] + torch.arange(WINDOW, device=recent.device)
        inside = (at >= 0) & (at < len(recent))
        frames = recent[at.clamp(0, len(recent) - 1)] * inside
        waves = (frames @ self.waves.T).square()
        cosines, sines = waves.chunk(2, 2)
        energies: Tensor = (cosines + sines) @ self.bands
        return energies

    @staticmethod
    def _end(partials: Tensor) -> Tensor:
        """Return the samples after which partials are over."""
        return (partials * EVERY + PARTIAL - 1) * HOP + WINDOW // 2

    @staticmethod
    def _count(samples: Tensor) -> Tensor:
        """Count the partials of so many samples, as `partials` does."""
        steps = (samples + HOP) // HOP  # of samples + 1, rounded up
        count = ((steps - PARTIAL + EVERY).clamp(min=0) // EVERY + 1).clamp(min=1)
        covered = (samples - (count - 1) * (EVERY * HOP)).float() / (PARTIAL * HOP)
        return torch.where((covered < COVERAGE) & (count > 1), count - 1, count)
