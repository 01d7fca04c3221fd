"""Any folder of videos, labelled by its folders' names, by a table, or not at all."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from s2vkit import Footage, InputError, Source, Survey
from s2vkit_corpora import FolderOptions
from s2vkit_corpora.places import VIDEOS, files_below, is_video, root_of
from s2vkit_corpora.splits import shares

_COLUMNS = {
    "file": "file",
    "speaker": "identity",
    "identity": "identity",
    "emotion": "emotion",
    "split": "split",
    "sentence": "sentence",
    "gender": "gender",
    "sex": "sex",
    "age": "age",
    "language": "language",
}
"""Columns of a table that are read, and the labels they are; others are passed over."""
_SPLITS = ("train", "val", "test")


class Folder(Footage):
    """The videos below a folder, in the order of their paths."""

    def __init__(self, options: FolderOptions, *, seed: int = 0) -> None:
        self.options, self.seed = options, seed

    @cached_property
    def _root(self) -> Path:
        return root_of(self.options.root, "check the spelling of `root`")

    @cached_property
    def _files(self) -> list[str]:
        without = Path(self.options.corpus).resolve()
        return [p.relative_to(self._root).as_posix() for p in files_below(self._root, without)]

    @cached_property
    def _videos(self) -> list[str]:
        return [file for file in self._files if is_video(Path(file))]

    def survey(self) -> Survey:
        """Count the videos. Raises InputError if there is none."""
        if not self._videos:
            others = Counter(Path(file).suffix or "no suffix" for file in self._files)
            there = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(4))
            raise InputError(
                f"{self._root}: no video in {len(self._files)} files ({there or 'it is empty'})",
                hint=f"what is taken for a video ends in {' '.join(sorted(VIDEOS))}",
            )
        videos, table = set(self._videos), self._table
        extra = [file for file in self._files if file not in videos]
        missing = [file for file in table if file not in videos]
        notes = []
        unlisted = [file for file in self._videos if file not in table] if table else []
        if unlisted:
            notes.append(f"{len(unlisted)} videos are not in the table, such as {unlisted[0]}")
        return Survey(len(videos), None, tuple(missing), tuple(extra), tuple(notes))

    def sources(self) -> list[Source]:
        """List the videos with the labels that are known of each."""
        self.survey()
        names = self._names()
        return self.relabel(
            [Source(names[file], self._root / file, {}, "", facts={"file": file}) for file in self._videos]
        )

    def relabel(self, sources: Sequence[Source]) -> list[Source]:
        """Label videos by their folders' names and by the table, and split them by clip or speaker."""
        files = [source.facts["file"] for source in sources]
        labels = {file: self._labels(file) for file in files}
        splits = self._splits(labels)
        return [
            replace(source, labels=labels[file], split=splits[file])
            for source, file in zip(sources, files, strict=True)
        ]

    def _names(self) -> dict[str, str]:
        """Make names of paths; of two alike, the suffix or a number tells them apart."""
        plain = {file: _name(file.removesuffix(Path(file).suffix)) for file in self._videos}
        counts, names, taken = Counter(plain.values()), {}, set()
        for file in self._videos:
            name = plain[file] if counts[plain[file]] == 1 else _name(file)
            number = 1
            while name in taken:
                number += 1
                name = f"{_name(file)}_{number}"
            taken.add(name)
            names[file] = name
        return names

    def _labels(self, file: str) -> dict[str, str]:
        folders = file.split("/")[:-1]
        found = {
            label: name for label, name in zip(self.options.folders, folders, strict=False) if label != "-"
        }
        in_table = {k: v for k, v in self._table.get(file, {}).items() if k != "split" and v}
        return found | in_table

    def _splits(self, labels: dict[str, dict[str, str]]) -> dict[str, str]:
        options, files = self.options, list(labels)
        if options.split == "table":
            return {file: self._split_of(file) for file in files}
        if options.split == "by_clip":
            return shares(files, self.seed, options.val, options.test)
        nameless = [file for file in files if "identity" not in labels[file]]
        if nameless:
            raise InputError(
                f"{nameless[0]}: no speaker is known of it "
                f"({len(nameless)} such videos), so the speakers cannot be split",
                hint="name them by `folders: [identity]` or in a `table`, or `split: by_clip`",
            )
        of = {file: labels[file]["identity"] for file in files}
        split = shares(of.values(), self.seed, options.val, options.test)
        return {file: split[of[file]] for file in files}

    def _split_of(self, file: str) -> str:
        given = self._table.get(file, {}).get("split", "")
        if given not in _SPLITS:
            raise InputError(
                f"{self.options.table}: '{file}' is in split '{given}', not train, val or test",
                hint="give the table a column `split` with a row for each video",
            )
        return given

    @cached_property
    def _table(self) -> dict[str, dict[str, str]]:
        """The rows of the table by file: label -> value."""
        if self.options.table is None:
            return {}
        path = Path(self.options.table)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: the table cannot be read: {error}") from error
        first = (text.splitlines() or [""])[0]
        separator = max("\t;,", key=first.count)
        reader = csv.DictReader(text.splitlines(), delimiter=separator)
        rows = [
            {
                _COLUMNS[k.strip().lower()]: (v or "").strip()
                for k, v in row.items()
                if k and k.strip().lower() in _COLUMNS
            }
            for row in reader
        ]
        if not rows or "file" not in rows[0]:
            raise InputError(
                f"{path}: no column `file` in its first line, '{first[:80]}'",
                hint="a table begins with a line such as file,speaker,emotion",
            )
        return {row.pop("file"): row for row in rows}


def _name(path: str) -> str:
    return re.sub(r"[^\w-]+", "_", path, flags=re.ASCII).strip("_") or "clip"
