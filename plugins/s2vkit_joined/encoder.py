"""Two audio encoders as one: features of the first, the summary of the second or of both."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import AudioEncoder, RecipeError, SpeechStep, SpeechStream
from s2vkit_joined import JoinedOptions


class Joined(AudioEncoder):
    """Encodes speech by both of its encoders, each of which reads the same samples.

    Contrastive pre-training trains the first of the two that can be trained so and has no weights from a
    file; those of the other are as they were built.
    """

    def __init__(self, options: JoinedOptions, *, features: AudioEncoder, summary: AudioEncoder) -> None:
        super().__init__()
        _check(features, summary)
        self.features, self.summary = features, summary
        self.both = options.summarize == "both"
        self.sample_rate, self.rate, self.dim = features.sample_rate, features.rate, features.dim
        self.summary_dim = summary.summary_dim + (features.summary_dim if self.both else 0)
        self.causal = features.causal and summary.causal
        self.level = features.level if summary.level is None else summary.level
        trained = self.contrasted()
        self.pretrained, self.pretrainable = trained.pretrained, trained.pretrainable

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S) of (B,) lengths: features (B, A, dim), summary (B, summary_dim)."""
        features, own = self.features(speech, lengths)
        return features, self.join(own, self.summary.summarize(speech, lengths))

    def summarize(self, speech: Tensor, lengths: Tensor) -> Tensor:
        """Summarize (B, S) of (B,) lengths: (B, summary_dim)."""
        other = self.summary.summarize(speech, lengths)
        return self.join(self.features.summarize(speech, lengths), other) if self.both else other

    def contrasted(self) -> AudioEncoder:
        """Return the encoder that contrastive pre-training trains, or that of features where it has none."""
        both = (self.features, self.summary)
        return next((one for one in both if one.pretrainable and not one.pretrained), self.features)

    def join(self, own: Tensor, other: Tensor) -> Tensor:
        """Join the summary of the encoder of features and that of the other: (B, summary_dim)."""
        return torch.cat([own, other], 1) if self.both else other

    def stream(self) -> SpeechStream | None:
        """Begin an utterance that comes in pieces, if both encoders can."""
        features, summary = self.features.stream(), self.summary.stream()
        return None if features is None or summary is None else JoinedStream(self, features, summary)

    def step(self, steps: int) -> SpeechStep | None:
        """Return the stream as a function of pieces, if both encoders can, one of them for its summary."""
        features = self.features.step(steps)
        summary = None if features is None else self.summary.summary_step(features.samples)
        return None if features is None or summary is None else JoinedStep(self, features, summary)

    def encode(self, speech: Tensor) -> Tensor:
        """Encode each step of speech (B, S) by itself, as the trained one does: (B, A, its dim)."""
        return self.contrasted().encode(speech)

    def context(self, steps: Tensor) -> Tensor:
        """Compute the context of each of the steps (B, A, its dim), as the trained one does."""
        return self.contrasted().context(steps)


class JoinedStream:
    """One utterance that comes in pieces, encoded by the streams of both encoders."""

    def __init__(self, encoder: Joined, features: SpeechStream, summary: SpeechStream) -> None:
        self.encoder, self.of_features, self.of_summary = encoder, features, summary

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (B, S): the features (B, A, dim) that they complete."""
        self.of_summary.encode(speech)
        return self.of_features.encode(speech)

    def summary(self) -> Tensor:
        """Summarise what has been encoded so far: (B, summary_dim)."""
        return self.encoder.join(self.of_features.summary(), self.of_summary.summary())

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: the last features (B, A, dim), and the summary (B, summary_dim)."""
        (rest, own), (_, other) = self.of_features.finish(), self.of_summary.finish()
        return rest, self.encoder.join(own, other)


class JoinedStep(SpeechStep):
    """The stream as a function of pieces, of the functions of both encoders."""

    def __init__(self, encoder: Joined, features: SpeechStep, summary: SpeechStep) -> None:
        super().__init__()
        self.encoder, self.of_features, self.of_summary = encoder, features, summary
        self.samples, self.late = features.samples, features.late
        self.least = max(features.least, summary.least)
        self.names = (
            *(f"features_{name}" for name in features.names),
            *(f"summary_{name}" for name in summary.names),
        )

    def begin(self) -> tuple[Tensor, ...]:
        """Return the state of an utterance that has not begun."""
        return *self.of_features.begin(), *self.of_summary.begin()

    def forward(self, speech: Tensor, total: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Encode a piece; see `SpeechStep`."""
        own = len(self.of_features.names)
        features, summary, *after = self.of_features(speech, total, *state[:own])
        _, other, *rest = self.of_summary(speech, total, *state[own:])
        return features, self.encoder.join(summary, other), *after, *rest


def _check(features: AudioEncoder, summary: AudioEncoder) -> None:
    """Raise RecipeError if two encoders cannot read the same samples."""
    if features.sample_rate != summary.sample_rate:
        raise RecipeError(
            f"audio_encoder 'joined': `features` takes speech of {features.sample_rate} Hz, "
            f"`summary` of {summary.sample_rate} Hz",
            hint="take two audio encoders of the same rate",
        )
    if None not in (features.level, summary.level) and features.level != summary.level:
        raise RecipeError(
            f"audio_encoder 'joined': `features` reads speech at {features.level:g} dB, "
            f"`summary` at {summary.level:g} dB",
            hint="set the same `level` for both, or for one of them: both then read speech at it",
        )
