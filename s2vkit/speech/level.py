"""One level for every recording: what a model must not take for granted of sound.

A microphone, a distance and a volume knob change how loud speech is, and so does every step of a
recording's way; none of that says who speaks or what. So speech is brought to one level before any
network reads it, in training as in use, and summaries are taken where there is voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from s2vkit.speech.activity import RATE, band_power, voice_activity

_LOUD = 80  # percent of the decisions for voice are quieter: noise and rooms change that least
_MAX_GAIN = 60.0  # dB
_CORNER = 40.0  # Hz under which there is no speech
_KNEE = 0.5  # of full scale, above which samples are bent below 1


@dataclass(frozen=True)
class Loudness:
    """How loud the voice in a recording is, and where there is any."""

    decibels: float  # of full scale in the telephone band: four fifths of the voice are quieter
    active: np.ndarray  # (T,) bool, 100 a second

    def gain(self, level: float) -> float:
        """Return the factor that brings the voice to `level` dB."""
        return gain_to(level, self.decibels)


def gain_to(level: float, decibels: float) -> float:
    """Return the factor that brings a voice of so many dB to `level` dB."""
    return float(10 ** (min(level - decibels, _MAX_GAIN) / 20))


def measure_loudness(pieces: Iterable[np.ndarray], sample_rate: int) -> Loudness:
    """Measure speech that comes in pieces (S,). Neither silence nor a wild sample changes it."""
    power = band_power(pieces, sample_rate)
    active = voice_activity(power)
    return Loudness(float(np.percentile(power[active], _LOUD)), active)


def normalize_speech(speech: np.ndarray, sample_rate: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Bring (S,) speech to one level: the whole of it (S,), and its voice alone (T,), T <= S.

    Both are float32 in [-1, 1] without a constant offset; a wild sample is limited.
    """
    loudness = measure_loudness([speech], sample_rate)
    speech = limit(OffsetFilter(sample_rate).push(speech) * np.float32(loudness.gain(level)))
    return speech, voice_of(speech, loudness.active, sample_rate)


def voice_of(speech: np.ndarray, active: np.ndarray, sample_rate: int, first: int = 0) -> np.ndarray:
    """Keep the samples of (S,) speech where there is voice; `first` is its first sample's place."""
    hop = round(sample_rate / RATE)
    at = np.minimum((first + np.arange(len(speech))) // hop, len(active) - 1)
    kept: np.ndarray = speech[active[at]]
    return kept


class OffsetFilter:
    """Takes constant offset and rumble out of speech: a high-pass of the first order.

    Speech may come in pieces; what was before its first sample is taken to be like it.
    """

    def __init__(self, sample_rate: int) -> None:
        self.pole = float(np.exp(-2 * np.pi * _CORNER / sample_rate))
        self._last: tuple[float, float] | None = None  # sample in, sample out

    def push(self, speech: np.ndarray) -> np.ndarray:
        """Filter the next samples (S,): float32 (S,)."""
        import torch
        from torchaudio.functional import lfilter

        speech = np.ascontiguousarray(speech, np.float32)
        if not len(speech):
            return speech
        before, out = self._last or (float(speech[0]), 0.0)
        factor = (1 + self.pole) / 2
        steps = factor * np.diff(speech, prepend=np.float32(before))
        steps[0] += self.pole * out
        ones = torch.tensor([1.0, -self.pole]), torch.tensor([1.0, 0.0])
        filtered: np.ndarray = lfilter(torch.from_numpy(steps), *ones, clamp=False).numpy()
        self._last = float(speech[-1]), float(filtered[-1])
        return filtered


def limit(speech: np.ndarray) -> np.ndarray:
    """Bend samples above half of full scale so that none passes it; the others stay as they are."""
    size = np.abs(speech)
    bent = np.sign(speech) * (_KNEE + (1 - _KNEE) * np.tanh((size - _KNEE) / (1 - _KNEE)))
    limited: np.ndarray = np.where(size > _KNEE, bent, speech).astype(np.float32)
    return limited
