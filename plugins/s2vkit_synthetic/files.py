"""Writing a clip to disk: 16-bit WAV, and H.264 with AAC."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from s2vkit_synthetic.speech import SAMPLE_RATE

_BLOCK = 1024  # samples in an AAC frame


def write_wav(path: Path, speech: np.ndarray) -> None:
    """Write speech (S,) in [-1, 1] as 16-bit mono at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((speech * 32767).round().astype("<i2").tobytes())


def write_mp4(path: Path, frames: np.ndarray, speech: np.ndarray, fps: float) -> None:
    """Write frames (V, H, W, 3) uint8, H and W even, and speech (S,) as one video."""
    even = frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    with av.open(str(path), "w") as file:
        rate = Fraction(fps).limit_denominator(1001)
        # x264's quicker code reads memory that nothing has written; without it the bytes are the same.
        options = {"crf": "14", "preset": "fast", "x264-params": "cpu-independent=1"}
        video = file.add_stream("libx264", rate=rate, options=options)
        video.height, video.width = even.shape[1:3]
        video.pix_fmt = "yuv420p"
        sound = file.add_stream("aac", rate=SAMPLE_RATE)
        sound.layout = "mono"
        for picture in even:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(video.encode(frame))
        file.mux(video.encode())
        for start in range(0, len(speech), _BLOCK):
            block = np.ascontiguousarray(speech[None, start : start + _BLOCK])
            part = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            part.sample_rate, part.pts = SAMPLE_RATE, start
            file.mux(sound.encode(part))
        file.mux(sound.encode())
