"""Speech as a lossy codec leaves it."""

from __future__ import annotations

import io

import numpy as np


def as_mp3(speech: np.ndarray, sample_rate: int, bit_rate: int) -> np.ndarray:
    """Encode (S,) speech as MP3 of `bit_rate` bits a second, and decode it: (S,), in the same time."""
    import av

    data = io.BytesIO()
    with av.open(data, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=sample_rate, layout="mono")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(speech.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = sample_rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data.seek(0)
    with av.open(data, "r") as coded:
        parts = [frame.to_ndarray()[0] for frame in coded.decode(audio=0)]
    decoded = np.concatenate(parts)[: len(speech)]
    return np.pad(decoded, (0, len(speech) - len(decoded))).astype(np.float32)
