"""One level for every recording: what the model takes for granted of the sound that it is given.

A microphone, a distance and a volume knob change how loud speech is, and so does every step of a
recording's way; none of that tells who speaks or what. So speech is brought to one level wherever
a network is about to read it, in training as in use.
"""

from __future__ import annotations

import numpy as np

from s2vkit.speech.activity import band_power, voice_activity

LEVEL = -24.0  # dB of full scale in the telephone band: of the vowels, see `_LOUD`
_LOUD = 80  # percent of the decisions for voice are quieter: noise and rooms change that least
_CORNER = 40.0  # Hz under which there is no speech
_MOST = 60.0  # dB by which speech is raised at most
_KNEE = 0.5  # of full scale, above which samples are bent below 1


def normalize_speech(speech: np.ndarray, sample_rate: int, level: float = LEVEL) -> np.ndarray:
    """Bring (S,) speech to one level: float32 in [-1, 1] without a constant offset.

    The level is that of the voice in it, the loudest fifth left out: neither silence nor a wild
    sample changes it. Such a sample is limited.
    """
    speech = remove_offset(speech, sample_rate)
    if not len(speech):
        return speech
    power = band_power(speech, sample_rate)
    loudness = float(np.percentile(power[voice_activity(power)], _LOUD))
    return limit(speech * np.float32(10 ** (min(level - loudness, _MOST) / 20)))


def remove_offset(speech: np.ndarray, sample_rate: int) -> np.ndarray:
    """Take the constant offset and rumble out of (S,) speech: a high-pass of the first order."""
    import torch
    from torchaudio.functional import lfilter

    if not len(speech):
        return speech.astype(np.float32)
    pole = float(np.exp(-2 * np.pi * _CORNER / sample_rate))
    start = float(np.median(speech[: sample_rate // 10]))  # the offset before the first word
    wave = torch.from_numpy(speech.astype(np.float32) - np.float32(start))
    gain = (1 + pole) / 2
    filtered = lfilter(wave, torch.tensor([1.0, -pole]), torch.tensor([gain, -gain]), clamp=False)
    result: np.ndarray = filtered.numpy()
    return result


def limit(speech: np.ndarray) -> np.ndarray:
    """Bend samples above half of full scale so that none passes it; the others stay as they are."""
    size = np.abs(speech)
    bent = _KNEE + (1 - _KNEE) * np.tanh((size - _KNEE) / (1 - _KNEE))
    limited: np.ndarray = np.where(size > _KNEE, np.sign(speech) * bent, speech).astype(np.float32)
    return limited
