"""Named changes of a recording, each at one strength: what a model is measured under."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from s2vkit.speech import changes
from s2vkit.speech.coded import as_mp3

Change = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
_SILENCE = 10.0  # s
_QUIET = 1e-4  # of full scale: the noise of a quiet line


@dataclass(frozen=True)
class Condition:
    """A change of a recording. `lead` seconds come before what was there."""

    summary: str
    change: Change
    lead: float = 0.0

    def apply(self, speech: np.ndarray, sample_rate: int, seed: int) -> np.ndarray:
        """Change (S,) speech; the same for one seed."""
        changed = self.change(speech, sample_rate, np.random.default_rng(seed))
        return changed.astype(np.float32)


def _gain(decibels: float) -> Change:
    factor = 10 ** (decibels / 20)
    return lambda speech, rate, rng: speech * factor


def _silence(rate: int, rng: np.random.Generator) -> np.ndarray:
    noise: np.ndarray = _QUIET * rng.standard_normal(round(_SILENCE * rate))
    return noise


def _wild(speech: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    changed = speech.copy()
    changed[rng.integers(len(speech))] = 1.0
    return changed


RECORDING_CONDITIONS: dict[str, Condition] = {
    "level_-20": Condition("20 dB quieter", _gain(-20)),
    "level_-10": Condition("10 dB quieter", _gain(-10)),
    "level_+6": Condition("6 dB louder", _gain(6)),
    "offset": Condition("a constant offset of .1", lambda s, r, g: s + 0.1),
    "wild_sample": Condition("one sample at full scale", _wild),
    "silence": Condition(
        "10 s of silence before it", lambda s, r, g: np.concatenate([_silence(r, g), s]), _SILENCE
    ),
    "silence_after": Condition(
        "10 s of silence behind it", lambda s, r, g: np.concatenate([s, _silence(r, g)])
    ),
    "telephone": Condition(
        "300 to 3400 Hz, mu law", lambda s, r, g: changes.mu_law(changes.band(s, r, 300, 3400))
    ),
    "mp3": Condition("MP3 at 32 kbit/s", lambda s, r, g: as_mp3(s, r, 32_000)),
    "noise": Condition("white noise 20 dB under the voice", lambda s, r, g: changes.add_noise(s, r, g, 20)),
    "room": Condition("a small room, .3 s", lambda s, r, g: changes.add_room(s, r, g, 0.3, 0.3)),
    "clipping": Condition("cut off at a third of its peaks", lambda s, r, g: changes.clip_peaks(s, 1 / 3)),
    "hum": Condition("hum of 50 Hz, 15 dB under the voice", lambda s, r, g: changes.add_hum(s, r, g, 15)),
    "tone": Condition("tilted by 3 dB an octave", lambda s, r, g: changes.tilt(s, r, 3.0)),
}
