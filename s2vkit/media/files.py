"""Opening media that a user names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from s2vkit.errors import InputError

# Only demuxers of self-contained files: none that follows names to other files or hosts
# (playlists, concat lists, session descriptions), whatever a file's text pretends to be.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dv,eac3,flac,flv,gif,gsm,gxf,h264,hevc,ircam,ivf,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nistsphere,nsv,"
    "nut,ogg,oma,qcp,rm,shn,sox,tak,tta,voc,w64,wav,wtv,wv,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "none"}
# Formats whose header states how long the file is:
_STATING = "aiff ape asf au avi caf flac matroska mov mp4 mxf nistsphere tta w64 wav wv"
_OTHERS = {
    b"version https://git-lfs": "a git-lfs pointer: run `git lfs pull`",
    b"PK\x03\x04": "a ZIP archive: unpack it",
    b"Rar!": "a RAR archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"%PDF": "a PDF document",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"#EXTM3U": "a playlist, not what it names",
    b"ffconcat": "a list of files, not what it names",
    b"{": "JSON or other text",
    b"OggS": "Ogg without a stream that can be read",
}
Frame = TypeVar("Frame", av.AudioFrame, av.VideoFrame)
_BROKEN = (FFmpegError, ValueError, IndexError, OverflowError)  # by PyAV, of damaged files
_KNOWN = "wav, flac, mp3, m4a, ogg, sph, mp4, mov, mkv, webm, avi, flv and mpg can be read"


@contextmanager
def open_media(path: str | Path) -> Iterator[InputContainer]:
    """Open a local media file; its name is never taken for a protocol or a pattern.

    Raises InputError if it is missing, a folder, empty, unreadable or not media.
    """
    path = Path(path)
    check_file(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    with file:
        try:
            container = av.open(file, mode="r", options=_OPTIONS, metadata_errors="replace")
        except (FFmpegError, ValueError) as error:
            raise InputError(
                f"{path}: not a sound or video file, or damaged from its start{_what(path)}", hint=_KNOWN
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


def decoded_of(
    container: InputContainer, streams: Sequence[AudioStream]
) -> Iterator[tuple[int, av.AudioFrame]]:
    """Return the frames of several sound tracks, with their streams' indices, as they come."""
    packets = container.demux(list(streams))
    while True:
        try:
            packet = next(packets)
        except (StopIteration, *_BROKEN):
            return
        try:
            frames = packet.decode()
        except _BROKEN:
            continue
        yield from ((packet.stream.index, frame) for frame in frames if isinstance(frame, av.AudioFrame))


def states_length(container: InputContainer, path: str | Path) -> bool:
    """Return whether a file's header states how long it is; else FFmpeg only estimates it."""
    if container.format.name == "mp3":
        with Path(path).open("rb") as file:
            return any(tag in _first_frame(file) for tag in (b"Xing", b"Info", b"VBRI"))
    return any(name in _STATING.split() for name in container.format.name.split(","))


def _first_frame(file: BinaryIO) -> bytes:
    """Read the beginning of an mp3 behind the ID3 tag that may precede it."""
    head = file.read(10)
    size = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = 10
        for shift, byte in zip((21, 14, 7, 0), head[6:], strict=True):
            size += (byte & 127) << shift
    file.seek(size)
    return file.read(4096)


def _what(path: Path) -> str:
    """Say what a file is that is no media, where its first bytes tell."""
    with path.open("rb") as file:
        head = file.read(512)
    named = next((name for start, name in _OTHERS.items() if head.startswith(start)), None)
    if named is None and head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        named = "an HTML page, perhaps saved in place of a download"
    if named is None and not head.strip(b"\0"):
        named = "zeros alone"
    return f"; it is {named}" if named else ""


def check_file(path: Path) -> None:
    """Check that a path is a regular file that is not empty; raises InputError."""
    if not path.exists():
        raise InputError(f"{path}: no such file", hint="check the spelling and the folder")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a sound or video file")
    if not path.is_file():
        raise InputError(f"{path}: is not a regular file", hint="save it to a file first")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes)")
