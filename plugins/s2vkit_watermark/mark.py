"""The watermark `spread_spectrum`: embedding frame by frame, and detection in a stretch of video.

The pattern turns at a carrier frequency: frame t gets the real part of pattern * exp(i w t). What
stands still or moves slowly, the face itself, has little energy there, so two seconds suffice.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from s2vkit import Detection, Watermark
from s2vkit_watermark import SpreadSpectrumOptions
from s2vkit_watermark.code import BITS
from s2vkit_watermark.detector import match_anywhere, match_in_place
from s2vkit_watermark.pattern import CARRIER, Pattern

_STRENGTH, _AT = 2.9, 64  # grey levels, in frames of so many pixels or less
_FALLS = 0.4  # power of the size by which it falls beyond
_KEPT = 64  # patterns kept: a period is 8 frames at 25 a second
_STEADY = 3.0  # grey levels of change that hardly lower the weight of a pixel
_LEAST = 1.0  # seconds that can be told from a still picture


class SpreadSpectrum(Watermark):
    """A key's pattern of band-limited waves on the luma, turning over time."""

    bits = BITS

    def __init__(self, options: SpreadSpectrumOptions) -> None:
        self.options = options
        self.pattern = Pattern(options.key)
        self._drawn: dict[tuple[int, int, int], np.ndarray] = {}
        self._deltas: dict[tuple[int, int, int, Fraction], np.ndarray] = {}

    def embed(self, frames: np.ndarray, first: int, fps: float, payload: int) -> np.ndarray:
        """Add the pattern to the frames, in whole grey levels, the same to each colour."""
        marked = np.empty_like(frames)
        height, width = frames.shape[1:3]
        turns = Fraction(CARRIER) / Fraction(fps).limit_denominator(1001)
        for i, frame in enumerate(frames):
            delta = self._delta(payload, height, width, (first + i) * turns % 1)
            marked[i] = np.clip(frame + delta, 0, 255)
        return marked

    def detect(self, luma: np.ndarray, times: np.ndarray) -> Detection:
        """Read the payload, first where it was embedded, then wherever it may lie."""
        least = self.options.false_positives
        if len(luma) < 3 or times[-1] - times[0] < _LEAST:
            return Detection(False, None, 0.0, 0.0, 1.0)
        picture = demodulate(luma, times)
        match = match_in_place(self.pattern, picture)
        if match.bound > least:
            match = match_anywhere(self.pattern, picture)
        found = match.bound <= least
        threshold = _threshold(match.tried, least)
        return Detection(found, match.payload if found else None, match.score, threshold, match.bound)

    def _delta(self, payload: int, height: int, width: int, turn: Fraction) -> np.ndarray:
        key = (payload, height, width, turn)
        if key not in self._deltas:
            if len(self._deltas) >= _KEPT:
                self._deltas.clear()
            wave = np.exp(2j * np.pi * float(turn)) * np.sqrt(2) * self.strength(height, width)
            turned = (self._pattern(payload, height, width) * np.complex64(wave)).real
            self._deltas[key] = np.rint(turned).astype(np.int16)[..., None]
        return self._deltas[key]

    def _pattern(self, payload: int, height: int, width: int) -> np.ndarray:
        key = (payload, height, width)
        if key not in self._drawn:
            self._drawn.clear()
            self._drawn[key] = self.pattern.draw(payload, height, width)
        return self._drawn[key]

    def strength(self, height: int, width: int) -> float:
        """Return the root mean square of what is added to frames of a size, in grey levels."""
        return self.options.strength or _STRENGTH * min(1.0, _AT / min(height, width)) ** _FALLS


def demodulate(luma: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sum frames (N, h, w) against the carrier, what stands still left out: complex (h, w).

    Pixels count the less the more they change from frame to frame, such as the outline of a head.
    """
    flat = luma.reshape(len(luma), -1).astype(np.float32)
    window = np.hanning(len(luma) + 2)[1:-1].astype(np.float32)
    mean = window @ flat / window.sum()
    carrier = window * np.exp(-2j * np.pi * CARRIER * (times - times[0]))
    moving = flat - mean
    summed = carrier.real.astype(np.float32) @ moving + 1j * (carrier.imag.astype(np.float32) @ moving)
    change = np.sqrt(np.square(np.diff(flat, axis=0)).mean(0))
    return np.asarray((summed / (change + _STEADY)).reshape(luma.shape[1:]))


def _threshold(tried: int, false_positives: float) -> float:
    """Solve the bound of a search for its score."""
    score = 30.0
    for _ in range(50):
        score = 1 + np.log(2 * tried * 2**BITS * score / false_positives)
    return float(score)
