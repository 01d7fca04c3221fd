"""How recordings of one voice differ: level, offset, tone, noise, room, band, clipping, hum.

Each change takes (S,) float32 speech, its rate and a numpy generator, and gives speech of the same
length in the same time. Training draws some of them at random (`vary`), evaluation applies each at
its named strength.
"""

from __future__ import annotations

import numpy as np

from s2vkit.speech.activity import RATE, band_power, voice_activity


def speech_rms(speech: np.ndarray, sample_rate: int) -> float:
    """Measure the root of the mean square of (S,) speech where there is voice."""
    active = voice_activity(band_power([speech], sample_rate))
    hop = round(sample_rate / RATE)
    whole = speech[: len(active) * hop].astype(np.float64)
    if len(whole) < len(active) * hop or not len(whole):
        return float(np.sqrt((speech.astype(np.float64) ** 2).mean() + 1e-20))
    powers = (whole.reshape(len(active), hop) ** 2).mean(1)
    return float(np.sqrt(powers[active].mean() + 1e-20))


def add_noise(
    speech: np.ndarray, sample_rate: int, rng: np.random.Generator, snr: float, slope: float = 0.0
) -> np.ndarray:
    """Add noise at `snr` dB under the voice; `slope` tilts it, in dB an octave."""
    noise = tilt(rng.standard_normal(len(speech)).astype(np.float32), sample_rate, slope)
    scale = speech_rms(speech, sample_rate) * 10 ** (-snr / 20) / max(float(noise.std()), 1e-9)
    noisy: np.ndarray = speech + np.float32(scale) * noise
    return noisy


def add_hum(
    speech: np.ndarray, sample_rate: int, rng: np.random.Generator, snr: float, mains: float = 50.0
) -> np.ndarray:
    """Add the hum of the mains and its overtones at `snr` dB under the voice."""
    clock = np.arange(len(speech)) / sample_rate
    parts = [np.sin(2 * np.pi * (mains * k * clock + rng.uniform())) / k for k in range(1, 7)]
    hum = np.sum(parts, 0).astype(np.float32)
    scale = speech_rms(speech, sample_rate) * 10 ** (-snr / 20) / max(float(hum.std()), 1e-9)
    humming: np.ndarray = speech + np.float32(scale) * hum
    return humming


def equalize(speech: np.ndarray, sample_rate: int, gains: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Change the tone: `gains` dB at `centers` Hz, and between them over the logarithm of Hz."""
    size = _fast_size(len(speech) + sample_rate // 50)
    hertz = np.fft.rfftfreq(size, 1 / sample_rate).clip(min=1.0)
    decibels = np.interp(np.log2(hertz), np.log2(centers), gains)
    spectrum = np.fft.rfft(speech, size) * 10 ** (decibels / 20)
    return np.fft.irfft(spectrum, size)[: len(speech)].astype(np.float32)


def tilt(speech: np.ndarray, sample_rate: int, slope: float) -> np.ndarray:
    """Tilt the spectrum by `slope` dB an octave about 1 kHz, between 125 Hz and 8 kHz."""
    centers = np.array([125.0, 1000.0, 8000.0])
    return equalize(speech, sample_rate, slope * np.log2(centers / 1000.0), centers)


def band(speech: np.ndarray, sample_rate: int, low: float, high: float) -> np.ndarray:
    """Keep `low` to `high` Hz, as a telephone does; half an octave further there is nothing left."""
    centers = np.array([low / 1.5, low, high, high * 1.25])
    return equalize(speech, sample_rate, np.array([-50.0, 0.0, 0.0, -50.0]), centers)


def add_room(
    speech: np.ndarray, sample_rate: int, rng: np.random.Generator, seconds: float, wet: float
) -> np.ndarray:
    """Place the voice in a room that decays by 60 dB in `seconds`; `wet` is its energy to the voice's."""
    count = max(2, round(seconds * sample_rate))
    tail = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    tail[: round(0.003 * sample_rate)] = 0
    tail *= np.sqrt(wet / max(float((tail**2).sum()), 1e-12))
    tail[0] = 1.0
    size = _fast_size(len(speech) + count)
    echoed = np.fft.irfft(np.fft.rfft(speech, size) * np.fft.rfft(tail, size), size)
    return echoed[: len(speech)].astype(np.float32)


def clip_peaks(speech: np.ndarray, share: float) -> np.ndarray:
    """Cut samples off at `share` of the highest, as an overdriven microphone does."""
    most = share * float(np.abs(speech).max())
    return speech.clip(-most, most)


def mu_law(speech: np.ndarray) -> np.ndarray:
    """Quantise as a telephone exchange does: 8 bits by the mu law, at the highest peak's scale."""
    peak = max(float(np.abs(speech).max()), 1e-9)
    folded = np.sign(speech) * np.log1p(255 * np.abs(speech) / peak) / np.log(256)
    steps = np.round(folded * 127) / 127
    quantised: np.ndarray = np.sign(steps) * (256 ** np.abs(steps) - 1) / 255 * peak
    return quantised.astype(np.float32)


def vary(speech: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Change (S,) speech as recordings differ, at random: some changes, each at some strength.

    Level and offset are left alone: `normalize_speech` takes them away again.
    """
    if rng.random() < 0.35:
        speech = add_room(speech, sample_rate, rng, rng.uniform(0.1, 0.5), 10 ** rng.uniform(-1.5, -0.2))
    if rng.random() < 0.6:
        speech = _vary_tone(speech, sample_rate, rng)
    if rng.random() < 0.4:
        speech = tilt(speech, sample_rate, rng.uniform(-3.5, 3.5))
    if rng.random() < 0.3:
        speech = band(speech, sample_rate, rng.uniform(60, 450), rng.uniform(2700, 7500))
    if rng.random() < 0.6:
        speech = add_noise(speech, sample_rate, rng, rng.uniform(10, 45), rng.uniform(-6, 2))
    if rng.random() < 0.15:
        speech = add_hum(speech, sample_rate, rng, rng.uniform(5, 35), float(rng.choice([50.0, 60.0])))
    if rng.random() < 0.2:
        speech = clip_peaks(speech, rng.uniform(0.2, 0.8))
    if rng.random() < 0.15:  # telephones: the band as well
        speech = mu_law(band(speech, sample_rate, rng.uniform(200, 400), rng.uniform(3000, 3700)))
    return speech


def _vary_tone(speech: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    centers = np.array([90.0, 250.0, 700.0, 1800.0, 4000.0, 7500.0])
    return equalize(speech, sample_rate, rng.uniform(-4, 4, len(centers)), centers)


def _fast_size(samples: int) -> int:
    """Find a size near that transforms quickly: a power of two, or one and a half of one."""
    power = 1 << max(samples - 1, 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= samples else power
