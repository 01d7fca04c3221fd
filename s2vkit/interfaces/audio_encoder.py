"""The contract of an audio encoder: speech to features and a summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn


class SpeechStream(Protocol):
    """One utterance, encoded in pieces of any length.

    All features, put together, and the summary are those that the encoder gives of the whole
    utterance at once. Memory does not grow with its length.
    """

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete, A >= 0."""
        ...

    def summary(self) -> Tensor:
        """Summarise what has been encoded so far, one step at least: (B, summary_dim)."""
        ...

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        ...


class SpeechStep(nn.Module):
    """The stream of an encoder as a function of one piece of speech, to be exported.

    What a stream carries from piece to piece is the state that comes in and goes out. One
    utterance at a time; every piece gives equally many steps, those of `late` steps before.
    """

    samples: int  # of a piece
    late: int  # steps by which the features come late: the first ones of an utterance mean nothing
    least: int  # samples that a shorter utterance is filled up to with zeros
    names: tuple[str, ...]  # of the parts of the state

    def begin(self) -> tuple[Tensor, ...]:
        """Return the state of an utterance that has not begun."""
        raise NotImplementedError

    def forward(self, speech: Tensor, total: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Encode (1, samples): features (1, A, dim), summary so far (1, summary_dim), and the new state.

        `total` (1,) is the length of the utterance in samples, and a very great number until that
        is known; then zeros are pushed until the last features have come.
        """
        raise NotImplementedError


class AudioEncoder(nn.Module):
    """Base of audio encoders, built as `Encoder(options)`.

    One whose options hold further audio encoders (`AudioEncoderSlot`) is built with these as
    keyword arguments of the options' names, and keeps them as submodules of these names.

    The host resamples speech to `sample_rate`, freezes the encoder, aligns its features to
    video frames and caches them. Speech that is longer than a window is encoded piece by piece:
    by its `stream` where there is one, else window by window.
    """

    sample_rate: int  # Hz, of the speech it takes
    dim: int  # D, of a feature step
    summary_dim: int  # E, of the summary
    rate: float  # feature steps a second
    causal: bool  # whether a step depends on nothing after itself

    level: float | None = None
    """dB to which the host brings the voice in speech, in training as in use; then pauses are left
    out of what is summarized. None: speech is read as it was recorded. See `s2vkit.speech.level`."""
    pretrained: bool = False
    """Whether its weights came from a file, or need none."""
    as_built: Mapping[str, object] = {}
    """Options that make the same network without its file of weights; a bundle keeps them."""
    pretrainable: bool = False
    """Whether it has `encode` and `context`, which contrastive pre-training asks for."""

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) speech of (B,) lengths: features (B, A, dim), summary (B, summary_dim).

        What lies after a clip's length must not change its summary, nor its features up to it.
        """
        raise NotImplementedError

    def summarize(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Summarize (B, S) of (B,) lengths as `forward` does, without features: (B, summary_dim)."""
        summary: Tensor = self(speech, lengths)[1]
        return summary

    def contrasted(self) -> AudioEncoder:
        """Return what contrastive pre-training trains: this encoder, or a part of it."""
        return self

    def stream(self) -> SpeechStream | None:
        """Begin an utterance that comes in pieces; by default it cannot be encoded so."""
        return None

    def step(self, steps: int) -> SpeechStep | None:
        """Return the stream as a function of pieces of so many steps; by default there is none."""
        return None

    def summary_step(self, samples: int) -> SpeechStep | None:
        """Return a function of pieces of so many samples that summarizes and gives no features (A = 0)."""
        return None

    def encode(self, speech: Tensor) -> Tensor:
        """Encode each step of speech (B, S) by itself: (B, A, dim)."""
        raise NotImplementedError

    def context(self, steps: Tensor) -> Tensor:
        """Compute the context of each of the steps (B, A, dim) from those before it: (B, A, dim)."""
        raise NotImplementedError
