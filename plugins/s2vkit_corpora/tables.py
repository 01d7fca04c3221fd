"""Tables that say who speaks in which file, however people and programs write them."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2vkit import InputError

_NAMES = {
    "file": ("file", "filename", "filepath", "path", "video", "videofile", "videoname", "videopath", "clip"),
    "identity": ("identity", "speaker", "speakerid", "speakername", "actor", "actorid", "spk", "spkid"),
    "emotion": ("emotion", "emotionlabel"),
    "split": ("split", "subset", "partition"),
    "sentence": ("sentence", "sentenceid"),
    "gender": ("gender",),
    "sex": ("sex",),
    "age": ("age",),
    "language": ("language", "lang"),
}
_LABELS = {name: label for label, names in _NAMES.items() for name in names}
"""Names of columns that are read, without spaces and signs, and the labels they are."""


@dataclass(frozen=True)
class Matched:
    """The rows of a table by the videos they are of."""

    rows: dict[str, dict[str, str]]  # video -> label -> value
    missing: tuple[str, ...]  # files of the table that are no video
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table as it was read: files, and the labels of each."""

    path: Path
    rows: list[tuple[str, dict[str, str]]]
    notes: tuple[str, ...] = ()

    def match(self, videos: Sequence[str]) -> Matched:
        """Find the video, a path below the root, that each row is of.

        Raises InputError if none is found, or where two rows disagree about a video.
        """
        names = _Names(videos)
        found: dict[str, dict[str, str]] = {}
        missing, doubles = [], 0
        for file, labels in self.rows:
            video = names.find(file)
            if video is None:
                missing.append(file)
            elif video in found:
                doubles += 1
                self._compare(video, found[video], labels)
            else:
                found[video] = labels
        if videos and not found:
            raise InputError(
                f"{self.path}: not one of its {len(self.rows)} files is a video below `root`",
                hint=f"it names '{self.rows[0][0]}'; the root has '{videos[0]}'",
            )
        more = (f"{doubles} rows of the table are there twice",) if doubles else ()
        return Matched(found, tuple(missing), (*self.notes, *more))

    def _compare(self, video: str, one: dict[str, str], other: dict[str, str]) -> None:
        apart = [label for label in one if one[label] != other.get(label, "")]
        if apart:
            label = apart[0]
            raise InputError(
                f"{self.path}: two rows disagree about '{video}': "
                f"{label} is '{one[label]}' and '{other.get(label, '')}'",
                hint="leave one of the rows out",
            )


def read_table(path: Path) -> Table:
    """Read a CSV or TSV table. Raises InputError if it cannot be, or names no files."""
    text, notes = _text(path)
    first = (text.splitlines() or [""])[0]
    separator = max("\t;,|", key=first.count)
    try:
        header, *rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)) or [[]]
    except csv.Error as error:
        raise InputError(f"{path}: the table cannot be read: {error}") from error
    labels = _columns(path, header, first)
    passed = [name.strip() for name, label in zip(header, labels, strict=True) if name.strip() and not label]
    if passed:
        notes.append(f"columns of the table that are not read: {', '.join(passed)}")
    held = [
        {label: cell.strip() for label, cell in zip(labels, row, strict=False) if label}
        for row in rows
        if any(cell.strip() for cell in row)
    ]
    named = [(row.pop("file"), row) for row in held if row.get("file")]
    if len(named) < len(held):
        notes.append(f"{len(held) - len(named)} rows of the table name no file")
    if not named:
        raise InputError(f"{path}: the table has no row that names a file")
    return Table(path, named, tuple(notes))


def _columns(path: Path, header: list[str], first: str) -> list[str]:
    labels = [_LABELS.get("".join(c for c in name.casefold() if c.isalnum()), "") for name in header]
    if "file" not in labels:
        raise InputError(
            f"{path}: no column `file` in its first line, '{first[:80]}'",
            hint="a table begins with a line such as file,speaker,emotion",
        )
    twice = next((label for label in labels if label and labels.count(label) > 1), None)
    if twice:
        both = [f"'{name.strip()}'" for name, label in zip(header, labels, strict=True) if label == twice]
        raise InputError(
            f"{path}: the columns {' and '.join(both)} both tell {twice}", hint="rename or remove one of them"
        )
    return labels


def _text(path: Path) -> tuple[str, list[str]]:
    """Decode a table: UTF-8, UTF-16, or what Windows wrote before them, with a note."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the table cannot be read: {error.strerror}") from error
    encodings = ["utf-8-sig", "cp1252"]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif b"\0" in data[:200]:
        encodings = ["utf-16-be" if data[:1] == b"\0" else "utf-16-le"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, ["the table is read as Windows-1252"] if encoding == "cp1252" else []
    raise InputError(
        f"{path}: the table is no text in UTF-8, UTF-16 or Windows-1252", hint="save it as CSV, in UTF-8"
    )


class _Names:
    """Finds videos by any spelling of their paths."""

    def __init__(self, videos: Iterable[str]) -> None:
        self._whole: list[dict[str, list[str]]] = [{}, {}, {}]
        self._ends: list[dict[str, list[str]]] = [{}, {}, {}]
        for video in videos:
            for whole, ends, form in zip(self._whole, self._ends, _forms(video), strict=True):
                whole.setdefault(form, []).append(video)
                for end in _ends(form):
                    ends.setdefault(end, []).append(video)

    def find(self, file: str) -> str | None:
        """Return the one video that a row's file is, if there is exactly one.

        As it is spelled, then without regard to case, then without suffixes; one path may be
        longer than the other, as where it is absolute, and ends as that does.
        """
        for whole, ends, form in zip(self._whole, self._ends, _forms(file), strict=True):
            for found in (*(whole.get(part, []) for part in (form, *_ends(form))), ends.get(form, [])):
                if len(found) == 1:
                    return found[0]
        return None


def _ends(form: str) -> list[str]:
    parts = form.split("/")
    return ["/".join(parts[at:]) for at in range(1, len(parts))]


def _forms(file: str) -> tuple[str, str, str]:
    plain = unicodedata.normalize("NFC", file.strip().replace("\\", "/"))
    plain = "/".join(part for part in plain.split("/") if part not in ("", "."))
    folded = plain.casefold()
    folder, _, name = folded.rpartition("/")
    stem = name.rpartition(".")[0] or name
    return plain, folded, f"{folder}/{stem}".lstrip("/")
