"""Frames as JPEG and speech as FLAC, in memory: what lies in a shard."""

from __future__ import annotations

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image, UnidentifiedImageError

from s2vkit.errors import InputError


def to_jpeg(frame: np.ndarray, quality: int) -> bytes:
    """Encode uint8 RGB (H, W, 3); from quality 90 on with colours at full resolution."""
    buffer = BytesIO()
    sampling = 0 if quality >= 90 else 2  # lips are red, small, and what matters
    Image.fromarray(frame).save(buffer, "JPEG", quality=quality, subsampling=sampling)
    return buffer.getvalue()


def from_jpeg(data: bytes) -> np.ndarray:
    """Decode to uint8 RGB (H, W, 3). Raises InputError if it is damaged."""
    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise InputError(f"a frame cannot be decoded: {error}") from error


def to_flac(speech: np.ndarray, rate: int) -> bytes:
    """Encode float32 (S,) in [-1, 1] with 16 bits."""
    buffer = BytesIO()
    whole = np.clip(np.round(speech * 32768.0), -32768, 32767).astype(np.int16)
    with av.open(buffer, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=rate, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def from_flac(data: bytes) -> np.ndarray:
    """Decode to float32 (S,) in [-1, 1]. Raises InputError if it is damaged."""
    try:
        with av.open(BytesIO(data), "r", format="flac") as container:
            blocks = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    except (FFmpegError, ValueError, IndexError) as error:
        raise InputError(f"speech cannot be decoded: {error}") from error
    if not blocks:
        raise InputError("speech cannot be decoded: there is none")
    joined = np.concatenate(blocks)
    scale = 2.0 ** (8 * joined.dtype.itemsize - 1)
    return joined.astype(np.float32) / np.float32(scale)
