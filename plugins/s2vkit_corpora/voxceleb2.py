"""VoxCeleb2: dev/mp4/id00012/21Uxsk56VDQ/00001.mp4, its sound in dev/aac/.../00001.m4a."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from s2vkit import Footage, InputError, Source, Survey
from s2vkit_corpora import VoxCeleb2Options
from s2vkit_corpora.places import root_of
from s2vkit_corpora.splits import ranked_by

SPEAKERS = {"dev": 5994, "test": 118}
UTTERANCES = {"dev": 1_092_009, "test": 36_237}
SOURCE = (
    "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html (vox2_dev_mp4_parta{a..i}, joined "
    "and unzipped into dev/mp4; vox2_test_mp4.zip into test/mp4; vox2_meta.csv)"
)
LICENCE = "metadata CC BY 4.0; the videos are their owners', for research under VoxCeleb's terms"
_SPEAKER = re.compile(r"id\d{5}")


class VoxCeleb2(Footage):
    """The utterances of VoxCeleb2; dev gives train and val, test is test."""

    def __init__(self, options: VoxCeleb2Options, *, seed: int = 0) -> None:
        self.options, self.seed = options, seed

    @cached_property
    def _root(self) -> Path:
        return root_of(self.options.root, f"get the corpus from {SOURCE}; licence: {LICENCE}")

    @cached_property
    def _speakers(self) -> dict[str, list[str]]:
        """The folders of speakers of each set."""
        return {which: _folders(self._root / which / "mp4") for which in SPEAKERS}

    @cached_property
    def _videos(self) -> list[tuple[str, str, str, str]]:
        """Every utterance: set, speaker, video, number; all or some of each speaker."""
        return [
            (which, speaker, video, number)
            for which, speakers in self._speakers.items()
            for speaker in speakers
            if _SPEAKER.fullmatch(speaker)
            for video, number in self._utterances(which, speaker)
        ]

    def _utterances(self, which: str, speaker: str) -> list[tuple[str, str]]:
        found = list(_utterances(self._root / which / "mp4" / speaker))
        limit = self.options.most_per_speaker
        if limit is None or limit >= len(found):
            return found
        chosen = set(ranked_by(self.seed, (f"{v}/{n}" for v, n in found))[:limit])
        return [(v, n) for v, n in found if f"{v}/{n}" in chosen]

    def survey(self) -> Survey:
        """Compare the folder with the corpus. Raises InputError if it has none of its videos."""
        if not self._videos:
            raise InputError(
                f"{self._root}: no VoxCeleb2 video, such as dev/mp4/id00012/21Uxsk56VDQ/00001.mp4",
                hint=f"get the corpus from {SOURCE}; licence: {LICENCE}",
            )
        missing, extra = [], []
        for which, wanted in SPEAKERS.items():
            folders = self._speakers[which]
            speakers = [name for name in folders if _SPEAKER.fullmatch(name)]
            extra += [f"{which}/mp4/{name}" for name in folders if not _SPEAKER.fullmatch(name)]
            known = self._of_set(which)
            lacking = sorted(known - set(speakers))
            missing += [f"{which}/mp4/{name}" for name in lacking]
            extra += [f"{which}/mp4/{s} (not in vox2_meta.csv)" for s in speakers if known and s not in known]
            if not known and len(speakers) < wanted:
                missing.append(f"{wanted - len(speakers)} of {wanted} speakers of {which}")
        return Survey(
            len(self._videos),
            sum(UTTERANCES.values()),
            tuple(missing),
            tuple(extra),
            tuple(self._notes()),
            SOURCE,
            LICENCE,
        )

    def _notes(self) -> Iterator[str]:
        if not self._meta:
            yield "vox2_meta.csv is not there: no gender, and no list of speakers to compare with"
        if not any((self._root / which / "aac").is_dir() for which in SPEAKERS):
            yield "no aac folders: the videos' own sound is taken"
        if self.options.most_per_speaker is not None:
            yield f"at most {self.options.most_per_speaker} utterances of each speaker are taken"

    def _of_set(self, which: str) -> set[str]:
        return {speaker for speaker, row in self._meta.items() if row["set"] == which}

    @cached_property
    def _meta(self) -> dict[str, dict[str, str]]:
        """The rows of vox2_meta.csv by speaker; its cells have spaces, and it may have a BOM."""
        path = self._root / "vox2_meta.csv"
        if not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
        try:
            header = [name.lower() for name in rows[0]]
            speaker, gender = header.index("voxceleb2 id"), header.index("gender")
            which = header.index("set")
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path}: its header is not 'VoxCeleb2 ID, VGGFace2 ID, Gender, Set'",
                hint="get it again, or move it away: it is not needed",
            ) from error
        width = max(speaker, gender, which)
        return {
            row[speaker]: {"gender": row[gender], "set": row[which]} for row in rows[1:] if len(row) > width
        }

    def sources(self) -> list[Source]:
        """List the utterances by set, speaker, video and number."""
        self.survey()
        return self.relabel(
            [
                Source(
                    f"{speaker}_{video}_{number}",
                    self._root / which / "mp4" / speaker / video / f"{number}.mp4",
                    {},
                    "",
                    self._sound(which, speaker, video, number),
                    self._facts(which, speaker),
                )
                for which, speaker, video, number in self._videos
            ]
        )

    def relabel(self, sources: Sequence[Source]) -> list[Source]:
        """Label utterances by their speaker; test is test, and speakers of dev become val."""
        facts = [source.facts for source in sources]
        speakers = sorted({one["identity"] for one in facts if one["set"] == "dev"})
        val = set(ranked_by(self.seed, speakers)[: min(self.options.val_speakers, _half(speakers))])
        return [
            replace(source, labels=_labels(source.facts), split=_split(source.facts, val))
            for source in sources
        ]

    def _facts(self, which: str, speaker: str) -> dict[str, str]:
        gender = self._meta.get(speaker, {}).get("gender")
        return {"set": which, "identity": speaker} | ({"gender": gender} if gender else {})

    def _sound(self, which: str, speaker: str, video: str, number: str) -> Path | None:
        if f"{number}.m4a" not in self._sounds(which, speaker, video):
            return None
        return self._root / which / "aac" / speaker / video / f"{number}.m4a"

    def _sounds(self, which: str, speaker: str, video: str) -> frozenset[str]:
        """List a folder of sounds; the last one is remembered, for they are asked for in turn."""
        folder = self._root / which / "aac" / speaker / video
        if self.__dict__.get("_last", (None,))[0] != folder:
            names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
            self._last = (folder, frozenset(names))
        return self._last[1]


def _labels(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if name != "set"}


def _split(facts: Mapping[str, str], val: set[str]) -> str:
    return "test" if facts["set"] == "test" else "val" if facts["identity"] in val else "train"


def _folders(place: Path) -> list[str]:
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _utterances(place: Path) -> Iterator[tuple[str, str]]:
    for video in _folders(place):
        with os.scandir(place / video) as entries:
            names = sorted(e.name for e in entries if e.name.endswith(".mp4"))
        yield from ((video, name.removesuffix(".mp4")) for name in names)


def _half(speakers: list[str]) -> int:
    return len(speakers) // 2
