"""Loudness and voice activity of speech that is not over yet: decided every 10 ms, from the past alone."""

from __future__ import annotations

import numpy as np

from s2vkit.speech.activity import BandPower, voice_threshold
from s2vkit.speech.level import gain_to

_HANGOVER = 20  # decisions for which voice goes on after its last strong sound
_RISE, _FALL = 0.03, 0.01  # dB a decision, by which floor and peak forget
_QUIET = -70.0  # dB; what stays under it is silence
_FIRST_STEP, _LAST_STEP = 3.0, 0.1  # dB by which the loudness moves, at first and at last
_QUANTILE = 0.8  # see `s2vkit.speech.level`


class LiveLoudness:
    """Follows the voice: `decibels` as `Loudness` has them, and whether it speaks now."""

    def __init__(self, start: float) -> None:
        self.decibels, self.active = start, False
        self._floor, self._peak = 0.0, -200.0
        self._quiet_for = _HANGOVER + 1
        self._voiced = 0  # decisions so far

    def push(self, power: float) -> None:
        """Take in the power of the next 10 ms, in dB."""
        self._floor = min(power, self._floor + _RISE)
        self._peak = max(power, self._peak - _FALL)
        loud = power >= max(voice_threshold(self._floor, self._peak), _QUIET)
        self._quiet_for = 0 if loud else self._quiet_for + 1
        self.active = self._quiet_for <= _HANGOVER
        if loud:
            self._follow(power)

    def _follow(self, power: float) -> None:
        """Move the estimate of the quantile towards the power (stochastic approximation)."""
        step = max(_LAST_STEP, _FIRST_STEP / (1 + self._voiced / 10))
        self.decibels = power if not self._voiced else self.decibels
        self.decibels += step * (_QUANTILE if power > self.decibels else _QUANTILE - 1)
        self._voiced += 1


class LiveLevel:
    """Gives a gain and a decision for each sample that comes, whatever the pieces it comes in.

    The decision for the samples of a hop follows from those before it, so nothing waits.
    """

    def __init__(self, sample_rate: int, level: float) -> None:
        self.level = level
        self.loudness = LiveLoudness(level)
        self._meter = BandPower(sample_rate)
        self._samples = 0
        self._decisions: list[tuple[float, bool]] = [(1.0, False)] * 2  # of hops not over yet
        self._first = 0  # hop that the first of them belongs to

    def push(self, speech: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take in (S,): gains (S,) float32 and whether there is voice (S,) bool."""
        for power in self._meter.push(speech).tolist():
            self.loudness.push(power)
            self._decisions.append((gain_to(self.level, self.loudness.decibels), self.loudness.active))
        hop = self._meter.hop
        at = (self._samples + np.arange(len(speech))) // hop - self._first
        gains, active = (np.array(values) for values in zip(*self._decisions, strict=True))
        self._samples += len(speech)
        done = self._samples // hop - self._first
        self._decisions, self._first = self._decisions[done:], self._first + done
        return gains[at].astype(np.float32), active[at]
