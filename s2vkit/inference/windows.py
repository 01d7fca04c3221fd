"""Encoding speech window by window, for encoders that do not stream."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import speech_steps

WINDOW = 20.0  # seconds of speech encoded at once
CONTEXT = 2.0  # seconds before a window that are encoded again, and thrown away


class WindowStream:
    """A `SpeechStream` of any encoder: windows, each encoded with what came before it.

    An encoder that is not causal gets what comes after a window too. The summary is the mean
    over windows, weighted by their length. One clip at a time.
    """

    def __init__(self, encoder: AudioEncoder) -> None:
        self.encoder = encoder
        rate = encoder.sample_rate
        self.width, self.context = int(WINDOW * rate), int(CONTEXT * rate)
        self.samples = 0  # come so far
        self.start = 0  # of the window to come, in samples
        self._first = 0  # of the samples that are kept
        self._kept = torch.zeros(1, 0)
        self._sum: Tensor | float = 0.0

    def encode(self, speech: Tensor) -> Tensor:
        """Take in (1, S): the features (1, A, dim) of the windows that are complete with it."""
        self._kept = torch.cat([self._kept.to(speech), speech], 1)
        self.samples += speech.shape[1]
        pieces = [speech.new_zeros(1, 0, self.encoder.dim)]
        # A shorter rest would be too little to encode by itself: it goes with the last window.
        while self.samples - (self.start + self.width) >= self.context:
            pieces.append(self._window(self.start + self.width))
        return torch.cat(pieces, 1)

    def summary(self) -> Tensor:
        """Return the mean summary (1, E) of the windows so far."""
        assert isinstance(self._sum, Tensor)
        return self._sum / self.start

    def finish(self) -> tuple[Tensor, Tensor]:
        """Encode what is left as one window."""
        return self._window(self.samples), self.summary()

    def _window(self, stop: int) -> Tensor:
        """Encode a window up to `stop`: the features of its own time; samples done with are dropped."""
        encoder, rate = self.encoder, self.encoder.sample_rate
        before = max(0, self.start - self.context)
        after = min(self.samples, stop if encoder.causal else stop + self.context)
        piece = self._kept[:, before - self._first : after - self._first]
        length = torch.tensor([piece.shape[1]])
        encoded: Tensor
        encoded, summary = encoder(piece, length.to(piece.device))
        steps = int(speech_steps(length, rate, encoder.rate, encoded.shape[1])[0])
        first, start, end = (int(at * encoder.rate / rate) for at in (before, self.start, stop))
        at = torch.arange(start, max(end, start + 1), device=piece.device) - first
        self._sum = self._sum + summary * (stop - self.start)
        self.start = stop
        drop = max(0, stop - self.context) - self._first
        self._kept, self._first = self._kept[:, drop:], self._first + drop
        return encoded[:, at.clamp(max=steps - 1)]
