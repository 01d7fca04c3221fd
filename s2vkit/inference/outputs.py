"""From what a user names to pairs of a recording and the file to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from s2vkit.errors import InputError
from s2vkit.files import check_writable
from s2vkit.media.sinks import FORMATS

PIPE = Path("-")
_MEDIA = (
    "wav w64 flac wv tta ape mp3 m4a aac ac3 ogg oga opus wma aif aiff au caf amr sph voc mka "
    "mp4 m4v mov mkv webm avi flv wmv mpg mpeg mts m2ts ts 3gp mxf"
)
_ENDINGS = {f".{ending}" for ending in _MEDIA.split()}
_PICTURE = re.compile(r"\d{6}\.png")


@dataclass(frozen=True)
class Pair:
    """A recording, and where its video goes; `-` is standard input or output."""

    speech: Path
    output: Path
    form: str


def pair_up(speech: Sequence[Path], output: Path, form: str | None, *, force: bool) -> list[Pair]:
    """Find the recordings of files and folders, and name their outputs.

    One recording goes to the file named; several, or those of a folder, into the folder named.
    Raises InputError if nothing is found, or if an output is there already, or is a recording.
    """
    if output.is_dir() and output.suffix.lower().removeprefix(".") in FORMATS:
        raise InputError(f"{output}: is a folder; name a file")
    recordings = [found for one in speech for found in _recordings(one)]
    several = (
        len(recordings) > 1 or any(one.is_dir() for one in speech) or (output.is_dir() and form != "png")
    )
    if not several:
        pair = Pair(recordings[0], output, form or _form(output))
        return [_checked(pair, force)]
    if output == PIPE:
        raise InputError("several recordings cannot go to standard output", hint="name a folder: -o DIR")
    if output.suffix.lower().removeprefix(".") in FORMATS:
        raise InputError(
            f"{output}: {len(recordings)} recordings need a folder, not a file", hint="for example -o videos"
        )
    form = form or "mp4"
    ending = "" if form == "png" else f".{form}"
    pairs = [Pair(one, output / f"{one.stem}{ending}", form) for one in recordings]
    names = [pair.output.name.lower() for pair in pairs]
    for pair in pairs:
        if names.count(pair.output.name.lower()) > 1:
            raise InputError(
                f"{pair.speech}: another recording would have the same output, {pair.output}",
                hint="name them differently, or generate them into different folders",
            )
    return [_checked(pair, force) for pair in pairs]


def _recordings(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.iterdir() if one.is_file() and one.suffix.lower() in _ENDINGS)
    if not found:
        raise InputError(f"{path}: this folder holds no sound or video file")
    return found


def _form(output: Path) -> str:
    if output == PIPE:
        return "raw"
    form = output.suffix.lower().removeprefix(".")
    if form not in FORMATS or form == "png":
        known = ", ".join(f".{one}" for one in FORMATS if one != "png")
        raise InputError(
            f"{output}: the output must be named {known}",
            hint="for example -o out.mp4, or -o FOLDER --format png for pictures",
        )
    return form


def _checked(pair: Pair, force: bool) -> Pair:
    output = pair.output
    if output == PIPE:
        if pair.form in ("png", "webm", "gif"):
            raise InputError(f"{pair.form} cannot be written to standard output", hint="raw and mp4 can")
        return pair
    if output.exists():
        if pair.speech.exists() and output.samefile(pair.speech):
            raise InputError(f"{output}: is the recording itself; name another output")
        if not force:
            raise InputError(f"{output}: is there already", hint="say --force to replace it")
        if output.is_dir() and not all(_PICTURE.fullmatch(one.name) for one in output.iterdir()):
            raise InputError(
                f"{output}: this folder holds other things than frames, so it is not replaced",
                hint="name another folder",
            )
    check_writable(output / "000000.png" if pair.form == "png" else output)
    return pair
