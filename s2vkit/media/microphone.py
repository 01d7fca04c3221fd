"""Speech from a microphone, as it comes (extra `microphone`)."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np

from s2vkit.errors import ResourceError

_EXTRA = "pip install 's2vkit[microphone]'; on Linux it also needs the system's PortAudio, libportaudio2"


class Microphone:
    """A microphone that is open: iterating gives float32 (S,) pieces in [-1, 1], until it is unplugged.

    A context manager. `notes` says what was lost.
    """

    def __init__(self, sample_rate: int, seconds: float, device: str = "") -> None:
        """Open the device of a name or number, else the default one; pieces last `seconds`.

        Raises ResourceError if the extra, the device or the sample rate is missing.
        """
        portaudio = _portaudio()
        self._piece, self._failure = round(seconds * sample_rate), portaudio.PortAudioError
        self._overflows, self._ended = 0, ""
        named = int(device) if device.isdigit() else device or None
        try:
            self._stream = portaudio.InputStream(
                sample_rate, self._piece, named, channels=1, dtype="float32", latency="low"
            )
            self._stream.start()
        except (portaudio.PortAudioError, ValueError) as error:
            name = f"microphone '{device}'" if device else "the microphone"
            raise ResourceError(
                f"{name} cannot be opened: {error}",
                hint="`python -m sounddevice` lists the devices; name one by its number: --microphone 3",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        while True:
            try:
                samples, overflowed = self._stream.read(self._piece)
            except self._failure as error:
                self._ended = f"the microphone stopped, and the video ends there: {error}"
                return
            self._overflows += overflowed
            yield np.array(samples[:, 0], np.float32)

    @property
    def notes(self) -> list[str]:
        """What a user should know of the recording."""
        found = [self._ended] if self._ended else []
        if self._overflows:
            found.append(f"sound was lost {self._overflows} times: this machine is too slow or too busy")
        return found


def _portaudio() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the system's library is missing
        raise ResourceError(f"a microphone needs the package sounddevice: {error}", hint=_EXTRA) from error
    return sounddevice
