"""Any folder of videos, labelled by its folders' names, by a table, or not at all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from s2vkit import Footage, InputError, Source, Survey
from s2vkit_corpora import FolderOptions
from s2vkit_corpora.places import SOUNDS, VIDEOS, files_below, is_video, root_of
from s2vkit_corpora.splits import shares
from s2vkit_corpora.tables import Matched, Table, read_table

_SPLITS = ("train", "val", "test")


class Folder(Footage):
    """The videos below a folder, in the order of their paths."""

    def __init__(self, options: FolderOptions, *, seed: int = 0) -> None:
        self.options, self.seed = options, seed

    @cached_property
    def _root(self) -> Path:
        return root_of(self.options.root, "check the spelling of `root`")

    @cached_property
    def _found(self) -> tuple[list[str], list[str]]:
        """Every file below the root, and notes of what was passed over."""
        without, notes = Path(self.options.corpus).resolve(), list[str]()
        paths = files_below(self._root, without, notes)
        return [path.relative_to(self._root).as_posix() for path in paths], notes

    @cached_property
    def _videos(self) -> list[str]:
        return [file for file in self._found[0] if is_video(Path(file))]

    @cached_property
    def _sounds(self) -> dict[str, str]:
        """The sound files that lie beside videos, by the video."""
        there = {
            Path(file).with_suffix("").as_posix(): file
            for file in self._found[0]
            if Path(file).suffix.lower() in SOUNDS
        }
        stems = ((file, Path(file).with_suffix("").as_posix()) for file in self._videos)
        return {file: there[stem] for file, stem in stems if stem in there}

    def survey(self) -> Survey:
        """Count the videos. Raises InputError if there is none, or the table is of others."""
        files, passed = self._found
        if not self._videos:
            others = Counter(Path(file).suffix or "no suffix" for file in files)
            there = ", ".join(f"{n} {suffix}" for suffix, n in others.most_common(4))
            raise InputError(
                f"{self._root}: no video in {len(files)} files ({there or 'it is empty'})",
                hint=f"what is taken for a video ends in {' '.join(sorted(VIDEOS))}",
            )
        matched = self._matched(self._videos)
        known = {*self._videos, *self._sounds.values()}
        extra = [file for file in files if file not in known]
        notes = [*passed, *matched.notes]
        unlisted = [file for file in self._videos if file not in matched.rows] if self._table else []
        if unlisted:
            notes.append(f"{len(unlisted)} videos are not in the table, such as {unlisted[0]}")
        if self._sounds:
            notes.append(f"{len(self._sounds)} sound files beside videos are taken where those are silent")
        return Survey(len(self._videos), None, matched.missing, tuple(extra), tuple(notes))

    def sources(self) -> list[Source]:
        """List the videos with the labels that are known of each."""
        self.survey()
        names = self._names()
        return self.relabel([self._source(file, names[file]) for file in self._videos])

    def _source(self, file: str, name: str) -> Source:
        spare = self._root / self._sounds[file] if file in self._sounds else None
        return Source(name, self._root / file, {}, "", facts={"file": file}, spare=spare)

    def relabel(self, sources: Sequence[Source]) -> list[Source]:
        """Label videos by their folders' names and by the table, and split them by clip or speaker."""
        files = [source.facts["file"] for source in sources]
        rows = self._matched(files).rows
        labels = {file: self._labels(file, rows.get(file, {})) for file in files}
        splits, parts = self._splits(labels, rows), self._parts()
        return [
            replace(source, labels=labels[file], split=splits[file], parts=parts)
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

    def _labels(self, file: str, row: dict[str, str]) -> dict[str, str]:
        folders = file.split("/")[:-1]
        found = {
            label: name for label, name in zip(self.options.folders, folders, strict=False) if label != "-"
        }
        return found | {k: v for k, v in row.items() if k != "split" and v}

    def _splits(self, labels: dict[str, dict[str, str]], rows: dict[str, dict[str, str]]) -> dict[str, str]:
        options, files = self.options, list(labels)
        if options.split == "table":
            return {file: self._split_of(file, rows.get(file, {}).get("split", "")) for file in files}
        if options.split == "by_time":
            return dict.fromkeys(files, "train")
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

    def _parts(self) -> dict[str, float]:
        """Return the shares of each clip's time that the splits have, if it is divided."""
        val, test = self.options.val, self.options.test
        shares = {"train": 1.0 - val - test, "val": val, "test": test}
        return {k: v for k, v in shares.items() if v} if self.options.split == "by_time" else {}

    def _split_of(self, file: str, given: str) -> str:
        if given not in _SPLITS:
            raise InputError(
                f"{self.options.table}: '{file}' is in split '{given}', not train, val or test",
                hint="give the table a column `split` with a row for each video",
            )
        return given

    @cached_property
    def _table(self) -> Table | None:
        return None if self.options.table is None else read_table(Path(self.options.table))

    def _matched(self, videos: Sequence[str]) -> Matched:
        return Matched({}, (), ()) if self._table is None else self._table.match(videos)


def _name(path: str) -> str:
    return re.sub(r"[^\w-]+", "_", path, flags=re.ASCII).strip("_") or "clip"
