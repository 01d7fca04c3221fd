"""Matching the videos of a system with real ones, sounds and labels, by name."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s2vkit.errors import InputError
from s2vkit.media.folders import SOUNDS, VIDEOS, media_of

_NAME_COLUMNS = ("file", "filename", "video", "clip", "path", "name")
_SPEAKER_COLUMNS = ("speaker", "speaker_id", "actor")
Labels = Mapping[str, Mapping[str, str]]  # the name of a video -> label -> value


@dataclass(frozen=True)
class Pair:
    """A video to evaluate, and what belongs to it."""

    name: str
    video: Path
    real: Path | None
    sound: Path | None
    labels: Mapping[str, str]


def find_pairs(
    videos: Path, truth: Path | None, audio: Path | None, labels: Labels
) -> tuple[list[Pair], dict[str, str]]:
    """Match videos with what belongs to them; give the pairs and, by name, what has no partner.

    Names are paths below each folder without their suffix. Raises InputError if a folder is
    missing, holds no video, two of its files bear one name, or nothing matches.
    """
    own, real = media_of(videos, VIDEOS), media_of(truth, VIDEOS) if truth else {}
    sounds = media_of(audio, SOUNDS) if audio else {}
    unpaired = {name: f"no video of this name in {truth}" for name in own if truth and name not in real}
    unpaired |= {name: f"no video of this name in {videos}" for name in real if name not in own}
    pairs = [
        Pair(_plain(name), path, real.get(name), sounds.get(name), labels.get(name, {}))
        for name, path in own.items()
        if name not in unpaired
    ]
    if not pairs:
        raise InputError(
            f"{videos}: no video has the name of one in {truth}",
            hint=f"'{next(iter(own))}' and '{next(iter(real))}' are the first names of the two",
        )
    return pairs, {_plain(name): why for name, why in unpaired.items()}


def read_labels(path: Path | None) -> dict[str, dict[str, str]]:
    """Read a CSV of videos and their labels: name of the video -> label -> value.

    The first column, or one called `file`, `video`, `clip` or the like, names the video, with or
    without suffix; `speaker` is the label identity; every other column is a label by its own
    name. Raises InputError if the file cannot be read.
    """
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
    if not rows or len(rows[0]) < 2:
        raise InputError(f"{path}: holds no rows of a video and its labels", hint="file,speaker,gender")
    heads = list(rows[0])
    named = next((head for head in heads if str(head).lower() in _NAME_COLUMNS), heads[0])
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise InputError(f"{path}:{number}: does not have {len(heads)} columns")
        known = Path(row.pop(named).strip())
        name = (known.with_suffix("") if known.suffix.lower() in SOUNDS else known).as_posix()
        found[name] = {_label(head): value.strip() for head, value in row.items() if value.strip()}
    return found


def _label(head: str) -> str:
    plain = head.strip().lower().replace(" ", "_")
    return "identity" if plain in _SPEAKER_COLUMNS else plain


def _plain(name: str) -> str:
    """Make a valid file name of a path."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)
