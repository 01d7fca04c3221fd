"""Finding the pattern of a key in one complex picture, wherever and at whatever scale it lies.

For unmarked video the false positives are bounded by theory. A key's phases are independent and
uniform, so the correlation z of a picture with the pattern of one payload at one place is a sum of
M independent phases with weights w, and P(|z|^2 / sum w^2 >= x) <= x e^(1 - x): its moments are at
most those of a complex Gaussian. The threshold adds up all payloads, places and scales tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2vkit_watermark.code import BITS, LENGTH, decode
from s2vkit_watermark.pattern import Pattern

_SCALES = 0.5 * 1.02 ** np.arange(51)  # sides of the pattern over the picture's: padded to cropped
_GRID = 64  # places tried along each side of the pattern
_PEAKS, _CANDIDATES = 4, 32  # looked at of each scale, and decoded in all
_TRIED = 2 * len(_SCALES) * _GRID**2  # mirrored or not, at each scale and place


@dataclass(frozen=True)
class Match:
    """The best match of one search."""

    payload: int
    score: float  # x of the bound
    tried: int  # places and scales

    @property
    def bound(self) -> float:
        """Bound the probability that an unmarked picture scores as high in such a search."""
        if self.score <= 1:
            return 1.0
        return float(min(1.0, 2 * self.tried * 2**BITS * self.score * np.exp(1 - self.score)))


def match_in_place(pattern: Pattern, picture: np.ndarray) -> Match:
    """Match the pattern as it was embedded: neither moved nor cropped."""
    aligned = _weighted(pattern, picture, 1.0)[None]
    payloads, scores = _decode(pattern, aligned)
    return Match(int(payloads[0]), float(scores[0]), 1)


def match_anywhere(pattern: Pattern, picture: np.ndarray) -> Match:
    """Search over scales, places and the mirrored picture."""
    candidates: list[tuple[float, np.ndarray]] = []
    for turned in (picture, picture[:, ::-1]):
        for scale in _SCALES:
            candidates += _peaks(pattern, _weighted(pattern, turned, scale))
    candidates.sort(key=lambda c: -c[0])
    aligned = np.stack([spectrum for _, spectrum in candidates[:_CANDIDATES]])
    payloads, scores = _decode(pattern, aligned)
    best = int(scores.argmax())
    return Match(int(payloads[best]), float(scores[best]), _TRIED)


def _weighted(pattern: Pattern, picture: np.ndarray, scale: float) -> np.ndarray:
    """Return the spectrum without the key's phases, weighted by the root of its magnitude: (M,).

    Waves that a codec has wiped out count for little, and strong ones, of the scene, not for all.
    """
    spectrum = pattern.spectrum(picture, min(picture.shape) * scale)
    return spectrum / np.sqrt(np.maximum(np.abs(spectrum), 1e-12)) * pattern.phases.conj()


def _peaks(pattern: Pattern, weighted: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Find the places where the pilot fits best: how well, and the spectrum moved there."""
    pilot = weighted[pattern.pilot]
    laid = np.zeros((_GRID, _GRID), complex)
    laid[pattern.fy[pattern.pilot] % _GRID, pattern.fx[pattern.pilot] % _GRID] = pilot
    energy = np.maximum(np.square(np.abs(pilot)).sum(), 1e-12)
    fit = np.square(np.abs(np.fft.ifft2(laid) * _GRID**2)) / energy
    found = []
    for peak in np.argpartition(fit.ravel(), -_PEAKS)[-_PEAKS:]:
        y, x = divmod(int(peak), _GRID)
        moved = weighted * np.exp(2j * np.pi * (pattern.fy * y + pattern.fx * x) / _GRID)
        found.append((float(fit[y, x]), moved))
    return found


def _decode(pattern: Pattern, aligned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read payloads (C,) and scores (C,) from aligned spectra (C, M); the pilot gives the phase."""
    pilot = aligned[:, pattern.pilot].sum(1)
    turned = (aligned * np.exp(-1j * np.angle(pilot))[:, None]).real
    soft = np.zeros((len(aligned), LENGTH))
    for wave in np.flatnonzero(~pattern.pilot):
        soft[:, pattern.use[wave]] += turned[:, wave]
    payloads, agreed = decode(soft)
    energy = np.maximum(np.square(np.abs(aligned)).sum(1), 1e-12)
    return payloads, np.square(np.maximum(0, np.abs(pilot) + agreed)) / energy
