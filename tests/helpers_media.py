"""Making small media files for tests."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


def sine(hertz: float, seconds: float, rate: int, level: float = 0.5) -> np.ndarray:
    """float64 (S,) of a sine."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency, in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def write_sound(
    path: Path,
    channels: np.ndarray,
    rate: int,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    frames: int = 0,
    late: float = 0.0,
    fmt: str | None = None,
) -> Path:
    """Encode (C, S) in [-1, 1]; with `frames` > 0 beside a grey 25 fps video; `late` in s."""
    with av.open(str(path), "w", format=fmt) as out:
        # Video first: formats that want one default to it.
        video = add_video(out) if frames else None
        stream = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(late * rate)
        target = stream.codec_context.format.name
        size = stream.codec_context.frame_size or 1024
        swr = av.AudioResampler(format=target, layout=layout, rate=rate, frame_size=size)
        for _ in range(frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(grey(), format="rgb24")))
        for block in [*swr.resample(frame), *swr.resample(None)]:
            out.mux(stream.encode(block))
        for each in (stream, video):
            if each is not None:
                out.mux(each.encode(None))
    return path


def add_video(out, codec: str = "libx264"):
    names = {"flv": "flv", "webm": "libvpx"}
    stream = out.add_stream(names.get(out.format.name, codec), rate=25)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def grey(size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), 120, np.uint8)


def real_folder() -> Path:
    """Folder of real clips; the test that asks is skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "real"
    folder = Path(os.environ.get("S2VKIT_REAL", default))
    if not folder.is_dir():
        pytest.skip(f"no real clips at {folder} (set S2VKIT_REAL)")
    return folder
