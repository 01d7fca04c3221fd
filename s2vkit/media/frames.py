"""Reading frames, and asking a file or FFmpeg what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec import Codec
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from s2vkit.errors import InputError
from s2vkit.media.files import decoded, open_media

_WANTED = [
    ("libx264", "w"),
    ("aac", "w"),
    ("h264", "r"),
    ("hevc", "r"),
    ("mpeg1video", "r"),
    ("flv", "r"),
    ("vp9", "r"),
    ("aac", "r"),
    ("mp3", "r"),
    ("mp2", "r"),
    ("flac", "r"),
    ("vorbis", "r"),
    ("opus", "r"),
    ("pcm_s16le", "r"),
]


def read_frames(path: str | Path, most: int | None = None) -> tuple[np.ndarray, Fraction]:
    """Read at most `most` frames of a video: uint8 RGB (V, H, W, 3), and frames a second.

    Frames are turned upright. Raises InputError where the file is missing, damaged from its
    start, or without pictures.
    """
    frames = [frame for _, frame in islice(iter_frames(path), most)]
    if not frames:
        raise InputError(f"{path}: not one frame of the video can be decoded")
    with open_media(path) as container:
        fps = _rate(_pictures(container, path))
    return np.stack(frames), fps


def iter_frames(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """Give each frame's time (s from the container's start) and uint8 RGB (H, W, 3).

    For long videos: one frame is held at a time. Damaged pieces are passed over.
    """
    with open_media(path) as container:
        stream = _pictures(container, path)
        stream.thread_type = "AUTO"
        origin = (container.start_time or 0) / av.time_base
        size: tuple[int, int] | None = None
        frames = decoded(container, stream, av.VideoFrame, damaged=lambda: None)
        for count, frame in enumerate(frames):
            width, height = size = size or (frame.width, frame.height)
            picture = frame.reformat(width, height, format="rgb24").to_ndarray()
            time = count / float(_rate(stream)) if frame.time is None else frame.time - origin
            yield time, np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))


def _pictures(container: InputContainer, path: str | Path) -> VideoStream:
    streams = [s for s in container.streams.video if not is_cover(s)]
    if not streams:
        raise InputError(f"{path}: has no pictures", hint="give a video")
    return streams[0]


def is_cover(stream: Stream) -> bool:
    """Tell whether a video stream is only the cover picture of a sound file."""
    return bool(stream.disposition & Disposition.attached_pic)


def _rate(stream: VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def probe(path: str | Path) -> dict[str, Any]:
    """Tell what a file holds: its format, seconds, and streams with codecs and sizes."""
    with open_media(path) as container:
        return {
            "format": container.format.name,
            "seconds": (container.duration or 0) / av.time_base,
            "streams": [_describe(stream) for stream in container.streams],
        }


def _describe(stream: Stream) -> dict[str, Any]:
    length = None if stream.duration is None else float(stream.duration * (stream.time_base or 0))
    told: dict[str, Any] = {"type": stream.type, "seconds": length}
    context: Any = getattr(stream, "codec_context", None)
    if context is None:
        return told
    told["codec"] = context.name
    if isinstance(stream, VideoStream):
        told |= {"width": context.width, "height": context.height, "pix_fmt": context.pix_fmt}
        told |= {"fps": _rate(stream), "frames": stream.frames, "cover": is_cover(stream)}
    if isinstance(stream, AudioStream):
        told |= {"sample_rate": context.sample_rate, "channels": context.layout.nb_channels}
    return told


def has_codecs() -> dict[str, bool]:
    """Tell which of the codecs we use FFmpeg offers, e.g. {"write libx264": True}."""
    return {f"{'write' if m == 'w' else 'read'} {name}": _has(name, m) for name, m in _WANTED}


def _has(name: str, mode: str) -> bool:
    try:
        Codec(name, mode)  # type: ignore[arg-type]
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True
