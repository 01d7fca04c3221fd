"""From phonemes to what the mouth does: targets, coarticulation, closures."""

from __future__ import annotations

import numpy as np

from s2vkit_synthetic.espeak import Phoneme

SILENCE = "_"
_STEPS = 250.0  # a second, of the tracks before they are sampled at the frames
_BLUR = 0.020  # seconds, the spread of one phoneme into its neighbours
NAMES = ("open", "wide", "round", "teeth", "tongue", "tuck", "press")

# open, wide, round, teeth, tongue, tuck, press; diphthongs have two rows
_Row = tuple[float, ...]
_TARGETS: dict[str, tuple[_Row, ...]] = {
    SILENCE: ((0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),),
    "ɑː": ((1.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0),),
    "æ": ((0.88, 0.6, 0.0, 0.5, 0.0, 0.0, 0.0),),
    "a": ((0.92, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0),),
    "ʌ": ((0.66, 0.1, 0.0, 0.35, 0.0, 0.0, 0.0),),
    "ɐ": ((0.50, 0.1, 0.0, 0.35, 0.0, 0.0, 0.0),),
    "ə": ((0.42, 0.1, 0.0, 0.35, 0.0, 0.0, 0.0),),
    "ɛ": ((0.66, 0.6, 0.0, 0.5, 0.0, 0.0, 0.0),),
    "ɪ": ((0.44, 0.6, 0.0, 0.55, 0.0, 0.0, 0.0),),
    "i": ((0.36, 1.0, 0.0, 0.6, 0.0, 0.0, 0.0),),
    "ɔ": ((0.78, 0.0, 0.5, 0.2, 0.0, 0.0, 0.0),),
    "ɜ": ((0.46, 0.0, 0.4, 0.4, 0.0, 0.0, 0.0),),
    "ɚ": ((0.38, 0.0, 0.4, 0.4, 0.0, 0.0, 0.0),),
    "ʊ": ((0.40, 0.0, 0.65, 0.2, 0.0, 0.0, 0.0),),
    "u": ((0.30, 0.0, 1.0, 0.1, 0.0, 0.0, 0.0),),
    "oʊ": ((0.64, 0.0, 0.75, 0.2, 0.0, 0.0, 0.0), (0.32, 0.0, 1.0, 0.1, 0.0, 0.0, 0.0)),
    "eɪ": ((0.62, 0.7, 0.0, 0.5, 0.0, 0.0, 0.0), (0.40, 0.9, 0.0, 0.6, 0.0, 0.0, 0.0)),
    "aɪ": ((0.95, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0), (0.46, 0.8, 0.0, 0.55, 0.0, 0.0, 0.0)),
    "aʊ": ((0.95, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0), (0.38, 0.0, 0.9, 0.2, 0.0, 0.0, 0.0)),
    "ɔɪ": ((0.70, 0.0, 0.7, 0.2, 0.0, 0.0, 0.0), (0.44, 0.7, 0.0, 0.5, 0.0, 0.0, 0.0)),
    "w": ((0.14, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),),
    "ɹ": ((0.28, 0.0, 0.6, 0.5, 0.0, 0.0, 0.0),),
    "l": ((0.38, 0.3, 0.0, 0.5, 0.8, 0.0, 0.0),),
    "j": ((0.26, 0.8, 0.0, 0.6, 0.0, 0.0, 0.0),),
    "h": ((0.42, 0.2, 0.0, 0.4, 0.0, 0.0, 0.0),),
    "t": ((0.20, 0.4, 0.0, 0.9, 0.3, 0.0, 0.0),),
    "k": ((0.32, 0.3, 0.0, 0.5, 0.0, 0.0, 0.0),),
    "s": ((0.17, 0.7, 0.0, 1.0, 0.0, 0.0, 0.0),),
    "ʃ": ((0.22, 0.0, 0.6, 1.0, 0.0, 0.0, 0.0),),
    "θ": ((0.24, 0.4, 0.0, 0.7, 1.0, 0.0, 0.0),),
    "f": ((0.10, 0.3, 0.0, 1.0, 0.0, 1.0, 0.0),),
    "m": ((0.0, 0.1, 0.1, 0.0, 0.0, 0.0, 1.0),),
}
_LIKE = {
    "iː": "i",
    "ᵻ": "ɪ",
    "uː": "u",
    "ɔː": "ɔ",
    "ɜː": "ɜ",
    "oː": "ɔ",
    "ɑ": "ɑː",
    "ɾ": "t",
    "n": "t",
    "d": "t",
    "ɡ": "k",
    "g": "k",
    "ŋ": "k",
    "z": "s",
    "ʒ": "ʃ",
    "tʃ": "ʃ",
    "dʒ": "ʃ",
    "ð": "θ",
    "v": "f",
    "b": "m",
    "p": "m",
    "əl": "l",
    "ʔ": "k",
    "": SILENCE,
}

PHONEMES: tuple[str, ...] = (SILENCE, *sorted({*_TARGETS, *_LIKE} - {SILENCE, ""}))
"""What the codes of the truth "phoneme" mean, by index."""


def plain(ipa: str) -> str:
    """Strip stress and find the phoneme in the table; r-coloured vowels by their vowel."""
    bare = ipa.strip("ˈˌ̩ ")
    while bare and bare not in _TARGETS and bare not in _LIKE:
        bare = bare[:-1]
    return bare or SILENCE


def closes(ipa: str) -> bool:
    """Return whether a phoneme closes the lips."""
    return plain(ipa) in ("m", "b", "p")


def codes(phonemes: list[Phoneme], frames: int, fps: float) -> np.ndarray:
    """Return the phoneme (V,) in the middle of each frame, as indices into PHONEMES.

    A closure of the lips too short for that still has the frame that holds its middle.
    """
    middles = (np.arange(frames) + 0.5) / fps
    found = np.zeros(frames, dtype=np.int16)
    for p in phonemes:
        found[(middles >= p.start) & (middles < p.end)] = PHONEMES.index(plain(p.ipa))
    for p in phonemes:
        if closes(p.ipa):
            found[_middle_frame(p, frames, fps)] = PHONEMES.index(plain(p.ipa))
    return found


def speaking(
    phonemes: list[Phoneme], level: np.ndarray, frames: int, fps: float, *, gain: float
) -> dict[str, np.ndarray]:
    """Follow the mouth: each of NAMES to (V,) in [0, 1], in the middle of each frame.

    `level` is the loudness, on any scale, at 250 a second; louder opens wider.
    """
    seconds = frames / fps
    tracks = _blur(_targets(phonemes, int(seconds * _STEPS) + 1))
    tracks[0] *= gain * _by_loudness(level, tracks.shape[1])
    tracks[0] *= 1.0 - _closure(phonemes, tracks.shape[1])
    at = (np.arange(frames) + 0.5) / fps * _STEPS - 0.5
    steps = np.arange(tracks.shape[1])
    sampled = np.stack([np.interp(at, steps, track) for track in tracks]).clip(0.0, 1.0)
    for p in phonemes:
        if closes(p.ipa):
            middle = _middle_frame(p, frames, fps)
            sampled[0, middle] = min(sampled[0, middle], 0.02)
            sampled[NAMES.index("press"), middle] = 1.0
    return dict(zip(NAMES, sampled.astype(np.float32), strict=True))


def _middle_frame(p: Phoneme, frames: int, fps: float) -> int:
    return min(frames - 1, int((p.start + p.end) / 2 * fps))


def _targets(phonemes: list[Phoneme], steps: int) -> np.ndarray:
    table = np.tile(np.array(_TARGETS[SILENCE][0])[:, None], (1, steps))
    for p in phonemes:
        name = plain(p.ipa)
        rows = _TARGETS[_LIKE.get(name, name)]
        edges = np.linspace(p.start, p.end, len(rows) + 1) * _STEPS
        if len(rows) == 2:
            edges[1] = edges[0] + 0.55 * (edges[2] - edges[0])
        for row, low, high in zip(rows, edges[:-1], edges[1:], strict=True):
            table[:, round(low) : round(high)] = np.array(row)[:, None]
    return table


def _blur(tracks: np.ndarray) -> np.ndarray:
    radius = int(3 * _BLUR * _STEPS)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / (_BLUR * _STEPS)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(tracks, ((0, 0), (radius, radius)), mode="edge")
    return np.stack([np.convolve(track, kernel, mode="valid") for track in padded])


def _by_loudness(level: np.ndarray, steps: int) -> np.ndarray:
    """Return a factor (steps,) from 0.45 in silence to about 1.05 where speech is loudest."""
    relative = level / max(float(np.percentile(level, 95)), 1e-6)
    factor = 0.45 + 0.60 * np.sqrt(relative.clip(0.0, 1.0))
    resampled = np.interp(np.arange(steps), np.arange(len(factor)), factor)
    return _blur(resampled[None])[0]


def _closure(phonemes: list[Phoneme], steps: int) -> np.ndarray:
    """Mark where the lips are shut (1), with quick ramps around."""
    at = np.arange(steps) / _STEPS
    closed = np.zeros(steps)
    for p in phonemes:
        if closes(p.ipa):
            end = p.end if plain(p.ipa) == "m" else p.start + 0.75 * (p.end - p.start)
            outside = np.maximum(p.start + 0.010 - at, at - end + 0.010)
            closed = np.maximum(closed, 1.0 - (outside / 0.030).clip(0.0, 1.0))
    return closed
