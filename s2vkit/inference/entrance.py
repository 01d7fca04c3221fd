"""Where speech enters a model: all that is done to it before it is encoded is done here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from s2vkit.interfaces.audio_encoder import AudioEncoder

if TYPE_CHECKING:
    from s2vkit.speech.level import Loudness


class Prepared(NamedTuple):
    """Speech as a model reads it."""

    speech: np.ndarray  # (S,) float32, in time with what came in
    voice: np.ndarray  # (T,) float32, the part of it where somebody speaks: what is summarized


class Entrance:
    """Prepares one utterance that comes in pieces of any length, at the encoder's sample rate.

    What it gives, put together, does not depend on how the utterance was cut. Speech is brought
    to the encoder's level, by its `loudness` where the whole is known, else by what has come so
    far. The sound of the video that is written is never prepared.
    """

    def __init__(self, encoder: AudioEncoder, loudness: Loudness | None = None) -> None:
        self.level, self.rate, self.loudness = encoder.level, encoder.sample_rate, loudness
        self._samples = 0
        if self.level is None:  # what follows is not even imported
            return
        from s2vkit.speech.level import OffsetFilter
        from s2vkit.speech.live import LiveLevel

        self._filter = OffsetFilter(self.rate)
        self._live = LiveLevel(self.rate, self.level) if loudness is None else None

    def push(self, samples: np.ndarray) -> Prepared:
        """Take in float32 (S,): return as many samples, prepared."""
        if self.level is None:
            return Prepared(samples, samples)
        from s2vkit.speech.level import limit, voice_of

        if self._live is not None:
            gains, active = self._live.push(samples)
            speech = limit(self._filter.push(samples) * gains)
            return Prepared(speech, speech[active])
        assert self.loudness is not None
        speech = limit(self._filter.push(samples) * np.float32(self.loudness.gain(self.level)))
        voice = voice_of(speech, self.loudness.active, self.rate, self._samples)
        self._samples += len(samples)
        return Prepared(speech, voice)


def loudness_of(encoder: AudioEncoder, pieces: Iterable[np.ndarray]) -> Loudness | None:
    """Measure a whole utterance, where the encoder wants speech of one level."""
    if encoder.level is None:
        return None
    from s2vkit.speech.level import measure_loudness

    return measure_loudness(pieces, encoder.sample_rate)


def prepare(encoder: AudioEncoder, samples: np.ndarray) -> Prepared:
    """Prepare a whole utterance (S,)."""
    if encoder.level is None:
        return Prepared(samples, samples)
    from s2vkit.speech.level import normalize_speech

    return Prepared(*normalize_speech(samples, encoder.sample_rate, encoder.level))
