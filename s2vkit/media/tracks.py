"""Which of a file's tracks are its pictures and its speech: by disposition, then by what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from s2vkit.errors import InputError
from s2vkit.media.channels import Levels, mixing
from s2vkit.media.files import decoded_of, open_media
from s2vkit.media.streams import video_streams

_AUDIBLE = 10 ** (-30 / 20)  # of the loudest track's peak; what is fainter does not speak beside it
_NO_FILM = Disposition.timed_thumbnails | Disposition.still_image
_NOT_FIRST = (
    Disposition.comment
    | Disposition.karaoke
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.descriptions
)


class NoSound(InputError):  # noqa: N818 (it is an outcome as much as an error)
    """A file without a sound track."""


@dataclass(frozen=True)
class Chosen:
    """A track of a file: its index among those of its kind, and how its channels are mixed."""

    index: int
    weights: np.ndarray | None = None  # (C,) of the channels; None: their mean
    notes: tuple[str, ...] = ()  # what a user may want to know


def sound_tracks(container: InputContainer) -> list[AudioStream]:
    """List the sound tracks of a container that can be decoded."""
    return [stream for stream in container.streams.audio if stream.codec_context is not None]


def choose_sound(path: str | Path, wanted: int | None = None) -> Chosen:
    """Choose the sound track that speaks, and the channels of it that do.

    `wanted` is the number of a track, from 1. Only files with several tracks or channels are
    read for it, and those as far as needed. Raises NoSound where there is no track, InputError
    where there is none of that number.
    """
    with open_media(path) as container:
        streams = sound_tracks(container)
        if not streams:
            raise NoSound(f"{path}: has no sound track", hint="give a sound file, or a video with sound")
        order = _order(path, "sound", streams, wanted)
        if len(order) == 1 and streams[order[0]].codec_context.layout.nb_channels < 2:
            return Chosen(order[0])
        levels = _listen(container, streams, order)
    loudest = max(level.peak for level in levels.values())
    index = next(i for i in order if levels[i].peak >= _AUDIBLE * loudest)
    weights, note = mixing(levels[index])
    notes = [_note("sound", streams, index, "audio")] if wanted is None and len(streams) > 1 else []
    return Chosen(index, weights, (*notes, *([note] if note else [])))


def choose_video(path: str | Path, wanted: int | None = None) -> Chosen:
    """Choose the track of moving pictures: the default one, then the largest; no still.

    Raises InputError if there is none, or none of the number `wanted`, from 1.
    """
    with open_media(path) as container:
        streams = video_streams(container)
        if not streams:
            raise InputError(f"{path}: has no pictures", hint="give a video")
        order = _order(path, "video", streams, wanted)
        index = order[0] if len(order) == 1 else _moving(container, streams, order)
    if wanted is not None or len(streams) == 1:
        return Chosen(index)
    return Chosen(index, notes=(_note("video", streams, index, "video"),))


def _order(path: str | Path, kind: str, streams: Sequence[Stream], wanted: int | None) -> list[int]:
    """Sort the indices of tracks by how likely they are meant; only the one that is wanted."""
    if wanted is None:
        return sorted(range(len(streams)), key=lambda i: (*_rank(streams[i]), i))
    if not 1 <= wanted <= len(streams):
        there = ", ".join(f"{i + 1} ({_describe(stream)})" for i, stream in enumerate(streams))
        raise InputError(f"{path}: has no {kind} track {wanted}", hint=f"its {kind} tracks are {there}")
    return [wanted - 1]


def _rank(stream: Stream) -> tuple[bool, bool, int]:
    said = stream.disposition
    size = 0
    if isinstance(stream, VideoStream) and stream.codec_context is not None:
        size = stream.codec_context.width * stream.codec_context.height
    return bool(said & (_NO_FILM | _NOT_FIRST)), not said & Disposition.default, -size


def _listen(container: InputContainer, streams: list[AudioStream], order: list[int]) -> dict[int, Levels]:
    """Measure tracks together, until the first of them is known to speak, and how."""
    levels = {i: Levels(streams[i]) for i in order}
    by_index = {streams[i].index: levels[i] for i in order}
    for index, frame in decoded_of(container, [streams[i] for i in order]):
        by_index[index].take(frame)
        if levels[order[0]].is_clear:
            break
    return levels


def _moving(container: InputContainer, streams: list[VideoStream], order: list[int]) -> int:
    """Return the first track that has more than one picture, or simply the first."""
    counts = {streams[i].index: 0 for i in order}
    for packet in container.demux([streams[i] for i in order]):
        counts[packet.stream.index] += bool(packet.size)
        if counts[streams[order[0]].index] > 1:
            break
    return next((i for i in order if counts[streams[i].index] > 1), order[0])


def _note(kind: str, streams: Sequence[Stream], index: int, option: str) -> str:
    return (
        f"{len(streams)} {kind} tracks: number {index + 1} ({_describe(streams[index])}) is taken; "
        f"{option}_track chooses another"
    )


def _describe(stream: Stream) -> str:
    context: Any = getattr(stream, "codec_context", None)
    words = [context.name if context is not None else "of an unknown codec"]
    if isinstance(stream, VideoStream) and context is not None:
        words.append(f"{context.width} x {context.height}")
    words += [stream.metadata[key] for key in ("language", "title") if stream.metadata.get(key)]
    return ", ".join(word for word in words if word != "und")
