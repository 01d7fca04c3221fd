"""Asking a file or FFmpeg what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.codec import Codec
from av.stream import Stream
from av.video.stream import VideoStream

from s2vkit.media.files import open_media
from s2vkit.media.streams import frame_rate, is_cover

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


def probe(path: str | Path) -> dict[str, Any]:
    """Describe what a file contains: its format, seconds, and streams with codecs and sizes."""
    with open_media(path) as container:
        return {
            "format": container.format.name,
            "seconds": (container.duration or 0) / av.time_base,
            "streams": [_describe(stream) for stream in container.streams],
        }


def _describe(stream: Stream) -> dict[str, Any]:
    length = None if stream.duration is None else float(stream.duration * (stream.time_base or 0))
    facts: dict[str, Any] = {"type": stream.type, "seconds": length}
    context: Any = getattr(stream, "codec_context", None)
    if context is None:
        return facts
    facts["codec"] = context.name
    if isinstance(stream, VideoStream):
        facts |= {"width": context.width, "height": context.height, "pix_fmt": context.pix_fmt}
        facts |= {"fps": frame_rate(stream), "frames": stream.frames, "cover": is_cover(stream)}
    if isinstance(stream, AudioStream):
        facts |= {"sample_rate": context.sample_rate, "channels": context.layout.nb_channels}
    return facts


def has_codecs() -> dict[str, bool]:
    """Return which of the required codecs FFmpeg offers, e.g. {"write libx264": True}."""
    return {f"{'write' if m == 'w' else 'read'} {name}": _has(name, m) for name, m in _WANTED}


def _has(name: str, mode: str) -> bool:
    try:
        Codec(name, mode)  # type: ignore[arg-type]
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return True
