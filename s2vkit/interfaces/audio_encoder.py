"""The contract of an audio encoder: it hears speech."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


class SpeechStream(Protocol):
    """One utterance, encoded in pieces of any length.

    All features, put together, and the summary are those that the encoder gives of the whole
    utterance at once. Memory does not grow with its length.
    """

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete, A >= 0."""
        ...

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """What an audio encoder has besides, if it can hear in pieces exactly."""

    def stream(self) -> SpeechStream:
        """Begin a new utterance."""
        ...


@runtime_checkable
class AudioEncoder(Protocol):
    """Built as `Encoder(options)`; an nn.Module.

    The host resamples speech to `sample_rate`, freezes the encoder, aligns its features to
    video frames and caches them. One that can hear in pieces has `stream` too (`Streaming`);
    others hear long speech in windows. One that takes its layout from its file of weights says
    in `as_built` the options that make the same network without the file; a model keeps them.
    """

    sample_rate: int  # Hz, of the speech it takes
    dim: int  # D, of a feature step
    summary_dim: int  # E, of the summary
    rate: float  # feature steps a second
    causal: bool  # whether a step hears nothing after itself
    pretrained: bool  # whether its weights came from a file (or need none)

    def __call__(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Hear (B, S) speech of (B,) lengths: features (B, A, dim), summary (B, summary_dim).

        What lies after a clip's length must not change its summary, nor its features up to it.
        """
        ...
