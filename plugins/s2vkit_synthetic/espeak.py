"""eSpeak NG through ctypes: a sentence in, samples and timed phonemes out.

eSpeak keeps state between calls (wave phase, flutter, noise), so what it says depends on
what it said before and on the time of day. Each call here loads the library afresh, seeds
its noise and unloads it, which costs about 3 ms and makes every call start alike.
"""

from __future__ import annotations

import _ctypes
import ctypes
import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from s2vkit import ResourceError

SAMPLE_RATE = 22050  # Hz, of every eSpeak NG voice
_SYNCHRONOUS = 2
_PHONEME_EVENTS_IN_IPA = 0x0001 | 0x0002
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_PHONEME = 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Phoneme:
    """A phoneme and when it is heard."""

    ipa: str  # stress and length marks included; empty: a pause
    start: float  # seconds
    end: float  # seconds

    def later(self, seconds: float) -> Phoneme:
        """Move it in time."""
        return Phoneme(self.ipa, self.start + seconds, self.end + seconds)


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def speak(text: str, voice: str, *, rate: int, pitch: int, spread: int) -> tuple[np.ndarray, list[Phoneme]]:
    """Say `text`: samples (S,) float32 in [-1, 1] at 22,050 Hz, and its phonemes in order.

    `voice` is an eSpeak name such as "gmw/en-US+f3"; `rate` is in words a minute (80 to 450),
    `pitch` and `spread` (of the intonation) run from 0 to 100, 50 being the voice's own.
    The result depends on the arguments alone. Raises ResourceError if eSpeak NG is absent,
    cannot start, or does not know the voice.
    """
    parameters = {_RATE: rate, _VOLUME: 100, _PITCH: pitch, _RANGE: spread}
    with _ONE_AT_A_TIME:
        library, data = _open()
        try:
            return _speak(library, data, text, voice, parameters)
        finally:
            library.espeak_Terminate()
            _close(library)


def _open() -> tuple[ctypes.CDLL, str]:
    try:
        import espeakng_loader

        return ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path()
    except (ImportError, OSError) as error:
        raise ResourceError(
            f"the synthetic corpus uses eSpeak NG, which cannot be loaded: {error}",
            hint='pip install "s2vkit[synthetic]"',
        ) from error


def _close(library: ctypes.CDLL) -> None:
    close = _ctypes.FreeLibrary if sys.platform == "win32" else _ctypes.dlclose
    close(library._handle)


def _speak(
    library: ctypes.CDLL, data: str, text: str, voice: str, parameters: dict[int, int]
) -> tuple[np.ndarray, list[Phoneme]]:
    chunks: list[np.ndarray] = []
    starts: list[tuple[int, str]] = []

    def take(wave: Any, count: int, events: Any) -> int:
        if wave and count > 0:
            chunks.append(np.ctypeslib.as_array(wave, (count,)).copy())
        at = 0
        while events[at].type:
            if events[at].type == _PHONEME:
                starts.append((events[at].sample, _ipa(events[at].id.string)))
            at += 1
        return 0

    callback = _Callback(take)
    options = _PHONEME_EVENTS_IN_IPA | _DO_NOT_EXIT
    if library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), options) != SAMPLE_RATE:
        raise ResourceError(
            f"eSpeak NG cannot start with its data in {data}",
            hint='install it again: pip install --force-reinstall "s2vkit[synthetic]"',
        )
    if hasattr(library, "espeak_ng_SetRandSeed"):  # it seeds its noise with the time of day
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise ResourceError(
            f"this eSpeak NG has no voice '{voice}'", hint='pip install --upgrade "s2vkit[synthetic]"'
        )
    for parameter, value in parameters.items():
        library.espeak_SetParameter(parameter, value, 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    samples = np.concatenate(chunks).astype(np.float32) / 32768.0
    return samples, _phonemes(starts, len(samples))


def _ipa(raw: bytes) -> str:
    return raw.decode("utf-8", "ignore").rstrip("\0")


def _phonemes(starts: list[tuple[int, str]], total: int) -> list[Phoneme]:
    ends = [sample for sample, _ in starts[1:]] + [total]
    return [
        Phoneme(ipa, sample / SAMPLE_RATE, end / SAMPLE_RATE)
        for (sample, ipa), end in zip(starts, ends, strict=True)
        if end > sample
    ]
