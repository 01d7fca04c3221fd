"""Opening media that a user names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from s2vkit.errors import InputError

# Only demuxers of self-contained files: none that follows names to other files or hosts
# (playlists, concat lists, session descriptions), whatever a file's text pretends to be.
_FORMATS = (
    "aac,ac3,aiff,amr,asf,au,avi,caf,flac,flv,gif,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,mpegvideo,mxf,ogg,w64,wav,wv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
Frame = TypeVar("Frame", av.AudioFrame, av.VideoFrame)
_BROKEN = (FFmpegError, ValueError, IndexError, OverflowError)  # by PyAV, of damaged files
_KNOWN = "wav, flac, mp3, m4a, ogg, mp4, mov, mkv, webm, avi, flv and mpg can be read"


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a local media file; its name is never taken for a protocol or a pattern.

    Raises InputError if it is missing, a folder, empty, unreadable or not media.
    """
    path = Path(path)
    _check(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        try:
            container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace")
        except (FFmpegError, ValueError) as error:
            raise InputError(
                f"{path}: not a sound or video file, or damaged from its start", hint=_KNOWN
            ) from error
        with container:
            yield container


def decoded(
    container: InputContainer, stream: Stream, kind: type[Frame], damaged: Callable[[], None]
) -> Iterator[Frame]:
    """Return the frames of a stream, sound or pictures, as they come, one at a time.

    Calls `damaged` for each piece that cannot be decoded, and goes on behind it; where the
    file breaks off, once more, and ends.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except _BROKEN:
            damaged()
            return
        try:
            frames = packet.decode()
        except _BROKEN:
            damaged()
            continue
        yield from (frame for frame in frames if isinstance(frame, kind))


def _check(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file", hint="check the spelling and the folder")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a sound or video file")
    if not path.is_file():
        raise InputError(f"{path}: is no regular file", hint="save it to a file first")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
