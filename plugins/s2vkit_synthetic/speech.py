"""A sentence spoken by one of the cast in an emotion: eSpeak NG, and what it lacks.

eSpeak gives words, pitch, range and rate. Added after it, each a plain signal step: vocal
tract length (playing faster or slower, with pitch and rate set against it), trembling pitch,
spectral tilt, breath, roughness, drive, loudness, and a little room noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from s2vkit_synthetic.espeak import SAMPLE_RATE as SPOKEN_RATE
from s2vkit_synthetic.espeak import Phoneme, speak
from s2vkit_synthetic.identity import Voice

SAMPLE_RATE = 16000
_FINER = 4  # oversampling, so that reading between samples needs no filter of its own
_STOPS = frozenset("pbtdkɡ") | {"tʃ", "dʒ"}


@dataclass(frozen=True)
class Prosody:
    """How an emotion sounds, against the same voice in neutral."""

    pitch: float = 1.0
    spread: int = 45  # eSpeak's range, 0 to 100
    rate: float = 1.0
    loud: float = 1.0  # of the neutral level (RMS)
    tilt: float = 0.0  # dB an octave
    breath: float = 0.0
    shake: float = 0.0  # depth of the tremor
    shake_hz: float = 5.5
    rough: float = 0.0
    drive: float = 0.0
    tract: float = 1.0  # formants higher: lips spread, larynx raised


PROSODY: dict[str, Prosody] = {
    "neutral": Prosody(spread=30),
    "happiness": Prosody(
        pitch=1.09, spread=90, rate=1.04, loud=1.25, tilt=2.2, tract=1.03, shake=0.025, shake_hz=3.2
    ),
    "sadness": Prosody(
        pitch=0.93,
        spread=10,
        rate=0.78,
        loud=0.50,
        tilt=-3.0,
        breath=0.8,
        shake=0.012,
        shake_hz=4.0,
        tract=0.99,
    ),
    "anger": Prosody(pitch=1.05, spread=65, rate=1.20, loud=1.75, tilt=3.0, drive=3.0, rough=0.12, tract=1.0),
    "disgust": Prosody(pitch=0.95, spread=55, rate=0.84, loud=0.85, tilt=-1.5, rough=0.65, tract=0.98),
    "fear": Prosody(
        pitch=1.10,
        spread=30,
        rate=1.24,
        loud=0.85,
        tilt=1.0,
        breath=0.5,
        shake=0.045,
        shake_hz=7.5,
        tract=1.01,
    ),
}


@dataclass
class Spoken:
    """Speech without silence around it, at 16 kHz, and its phonemes."""

    speech: np.ndarray  # (S,) float32 in [-1, 1]
    phonemes: list[Phoneme]


def say(text: str, voice: Voice, emotion: str, strength: float, rng: np.random.Generator) -> Spoken:
    """Speak `text`; `strength` blends from neutral (0) to the full emotion (1).

    The same arguments and the same state of `rng` give the same samples.
    Raises ResourceError if eSpeak NG is absent.
    """
    prosody = _vary(_blend(PROSODY[emotion], strength), rng)
    tract = voice.tract * prosody.tract
    pitch = voice.pitch * prosody.pitch / (voice.natural * tract)
    raw, phonemes = speak(
        text,
        f"gmw/en-US+{voice.variant}",
        rate=round(max(80.0, voice.rate * prosody.rate / tract)),
        pitch=round(min(99.0, max(0.0, 50 + 51 * math.log2(pitch)))),
        spread=prosody.spread,
    )
    phonemes = _give_closures(raw, phonemes)
    speech, times = _play(raw, tract, voice.shake, prosody, rng)
    end = len(speech) / SAMPLE_RATE
    moved = [replace(p, start=float(times(p.start)), end=min(end, float(times(p.end)))) for p in phonemes]
    speech = _color(speech, voice, prosody, rng)
    return Spoken(_level(speech, prosody), moved)


def room(samples: int, rng: np.random.Generator, level: float = 0.0009) -> np.ndarray:
    """Make the quiet noise (samples,) of a room, stronger in the low tones."""
    noise = rng.standard_normal(samples).astype(np.float32)
    slow = np.convolve(noise, np.ones(12, dtype=np.float32) / 12, mode="same")
    return level * (0.5 * noise + 1.6 * slow).astype(np.float32)


def loudness(speech: np.ndarray, rate: float, width: float = 0.04) -> np.ndarray:
    """Follow the loudness (RMS) of speech at `rate` a second, over `width` seconds."""
    count = max(1, round(len(speech) * rate / SAMPLE_RATE))
    square = np.concatenate([[0.0], np.cumsum(speech.astype(np.float64) ** 2)])
    middle = (np.arange(count) + 0.5) / rate * SAMPLE_RATE
    half = width * SAMPLE_RATE / 2
    low = np.clip(middle - half, 0, len(speech)).astype(int)
    high = np.maximum(np.clip(middle + half, 0, len(speech)).astype(int), low + 1)
    high = np.minimum(high, len(speech))
    return np.sqrt((square[high] - square[low]) / np.maximum(high - low, 1))


def _blend(full: Prosody, strength: float) -> Prosody:
    rest = PROSODY["neutral"]
    values = {
        name: getattr(rest, name) + (getattr(full, name) - getattr(rest, name)) * strength
        for name in Prosody.__dataclass_fields__
    }
    values["shake_hz"] = full.shake_hz
    values["spread"] = int(min(100, max(0, values["spread"])))
    return Prosody(**values)


def _vary(prosody: Prosody, rng: np.random.Generator) -> Prosody:
    a, b, c, d = rng.uniform(-1, 1, 4)
    return replace(
        prosody,
        pitch=prosody.pitch * (1 + 0.025 * a),
        rate=prosody.rate * (1 + 0.035 * b),
        loud=prosody.loud * (1 + 0.08 * c),
        spread=int(min(100, max(0, prosody.spread + 4 * d))),
    )


def _give_closures(raw: np.ndarray, phonemes: list[Phoneme]) -> list[Phoneme]:
    """Return the silence before a burst to the stop it belongs to.

    eSpeak's event of a stop comes with its burst, while lips and tongue close before it.
    """
    step = SPOKEN_RATE // 200
    frames = raw[: len(raw) // step * step].reshape(-1, step)
    quiet = np.sqrt((frames**2).mean(1)) < 0.012
    moved = list(phonemes)
    for k in range(1, len(moved)):
        if moved[k].ipa.strip("ˈˌ") not in _STOPS:
            continue
        at = round(moved[k].start * SPOKEN_RATE / step)
        floor = round((moved[k - 1].start + 0.03) * SPOKEN_RATE / step)
        first = at
        while first > max(floor, at - 22) and quiet[min(first - 1, len(quiet) - 1)]:
            first -= 1
        start = min(moved[k].start, first * step / SPOKEN_RATE)
        moved[k - 1] = replace(moved[k - 1], end=start)
        moved[k] = replace(moved[k], start=start)
    return moved


def _play(
    raw: np.ndarray, tract: float, shake: float, prosody: Prosody, rng: np.random.Generator
) -> tuple[np.ndarray, Callable[[float], float]]:
    """Play at the speed of the vocal tract, pitch trembling: samples at 16 kHz, and the clock."""
    spectrum = np.fft.rfft(raw)
    hertz = np.fft.rfftfreq(len(raw), 1 / SPOKEN_RATE)
    limit = 7600.0 / tract
    spectrum *= np.clip((limit + 300 - hertz) / 300, 0, 1)
    fine = np.fft.irfft(spectrum, len(raw) * _FINER) * _FINER
    seconds = len(raw) / SPOKEN_RATE
    count = int(seconds / tract * SAMPLE_RATE)
    clock = np.arange(count) / SAMPLE_RATE
    depth = prosody.shake + 0.010 * shake
    phase = rng.uniform(0, 2 * np.pi)
    swing = depth * np.sin(2 * np.pi * prosody.shake_hz * clock + phase)
    source = np.cumsum(tract * (1 + swing)) / SAMPLE_RATE
    speech = np.interp(source * SPOKEN_RATE * _FINER, np.arange(len(fine)), fine)
    speech = speech * (1 + 4 * depth * np.sin(2 * np.pi * prosody.shake_hz * clock + phase + 1.0))

    def times(at: float) -> float:
        return float(np.interp(at, source, clock))

    return speech.astype(np.float32), times


def _color(speech: np.ndarray, voice: Voice, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Tilt the spectrum and add breath, roughness and drive."""
    speech = _ring(_tilt(speech, voice.tilt + prosody.tilt), voice.ring)
    speech = speech / max(float(np.sqrt((speech**2).mean())), 1e-6)
    clock = np.arange(len(speech)) / SAMPLE_RATE
    if prosody.rough > 0:
        hertz = 38.0 + 4.0 * np.sin(2 * np.pi * 1.7 * clock)
        beat = np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE)
        speech = speech * (1 - prosody.rough * (0.5 + 0.5 * beat)) / (1 - 0.5 * prosody.rough)
    breath = voice.breath * 0.6 + prosody.breath
    if breath > 0:
        noise = _tilt(rng.standard_normal(len(speech)).astype(np.float32), 1.0)
        noise /= max(float(noise.std()), 1e-6)
        level = loudness(speech, 200, 0.03)
        shape = np.interp(clock, (np.arange(len(level)) + 0.5) / 200, level)
        speech = speech + 0.13 * breath * noise * shape
    if prosody.drive > 0:
        gain = 1 + 0.4 * prosody.drive
        speech = np.tanh(speech * 0.45 * gain) / 0.45
    return speech.astype(np.float32)


def _tilt(speech: np.ndarray, slope: float) -> np.ndarray:
    """Tilt the spectrum by `slope` dB an octave between 250 Hz and 4 kHz."""
    spectrum = np.fft.rfft(speech)
    hertz = np.clip(np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE), 250.0, 4000.0)
    spectrum *= 10 ** (slope * np.log2(hertz / 1000.0) / 20)
    return np.fft.irfft(spectrum, len(speech)).astype(np.float32)


def _ring(speech: np.ndarray, ring: float, gain: float = 17.0) -> np.ndarray:
    """Raise the tones around `ring` Hz by `gain` dB, and lower those more than an octave away.

    The nose and throat of every speaker favour some tones and swallow others.
    """
    spectrum = np.fft.rfft(speech)
    hertz = np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE).clip(min=1.0)
    dip = ring * 2.2 if ring < 1500 else ring / 2.2
    shape = gain * np.exp(-((np.log2(hertz / ring) / 0.3) ** 2))
    shape -= 0.7 * gain * np.exp(-((np.log2(hertz / dip) / 0.25) ** 2))
    spectrum *= 10 ** (shape / 20)
    return np.fft.irfft(spectrum, len(speech)).astype(np.float32)


def _level(speech: np.ndarray, prosody: Prosody) -> np.ndarray:
    """Bring speech to the emotion's loudness, peaks bent below 0.95."""
    speech = speech * (0.075 * prosody.loud / max(float(np.sqrt((speech**2).mean())), 1e-6))
    over = np.abs(speech) > 0.7
    bent = np.sign(speech) * (0.7 + 0.25 * np.tanh((np.abs(speech) - 0.7) / 0.25))
    return np.where(over, bent, speech).astype(np.float32)
