"""The contract of an audio encoder: it hears speech."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class AudioEncoder(Protocol):
    """Built as `Encoder(options)`; an nn.Module.

    The host resamples speech to `sample_rate`, freezes the encoder, aligns its features to
    video frames and caches them.
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
