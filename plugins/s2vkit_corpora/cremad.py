"""CREMA-D: VideoFlash/1001_DFA_ANG_XX.flv beside AudioWAV/1001_DFA_ANG_XX.wav."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path

from s2vkit import Footage, InputError, Source, Survey
from s2vkit_corpora import CremadOptions
from s2vkit_corpora.places import files_below, is_video, root_of
from s2vkit_corpora.splits import shares

SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
ACTORS = tuple(str(actor) for actor in range(1001, 1092))
CLIPS = 7442
"""Of the 7,462 combinations of actor, sentence, emotion and level, 20 were never published."""

SDFA_TEST = frozenset(["1015", "1020", "1021", "1030", "1033", "1052", "1062", "1081", "1082", "1089"])
SDFA_VAL = frozenset(["1003", "1019", "1023", "1024", "1028", "1050", "1056", "1058", "1073", "1074"])
KNOWN_BAD = {
    "1076_MTI_NEU_XX": "its video is cut short and silent",
    "1076_MTI_SAD_XX": "it has no sound, nor has its wav",
    "1064_TIE_SAD_XX": "its video states no duration",
    "1064_IEO_DIS_MD": "its video is about a minute long",
}
SOURCE = "https://github.com/CheyneyComputerScience/CREMA-D (git-lfs: folders VideoFlash, AudioWAV)"
LICENCE = "Open Database License 1.0 (ODbL)"
_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(XX|LO|MD|HI|X)")
_POINTER = b"version https://git-lfs"


class Cremad(Footage):
    """The clips of CREMA-D, labelled by their names."""

    def __init__(self, options: CremadOptions, *, seed: int = 0) -> None:
        self.options, self.seed = options, seed

    @cached_property
    def _root(self) -> Path:
        return root_of(self.options.root, f"get the corpus from {SOURCE}; licence: {LICENCE}")

    @cached_property
    def _videos(self) -> dict[str, Path]:
        found = {
            path.stem: path
            for folder in (self._root / "VideoFlash", self._root / "Video")
            for path in (files_below(folder) if folder.is_dir() else ())
            if is_video(path) and _is_name(path.stem)
        }
        return dict(sorted(found.items()))

    def survey(self) -> Survey:
        """Compare the folder with the corpus. Raises InputError if it has none of its videos."""
        videos = self._videos
        if not videos:
            raise InputError(
                f"{self._root}: no CREMA-D video, such as VideoFlash/1001_DFA_ANG_XX.flv",
                hint=f"get the corpus from {SOURCE}; licence: {LICENCE}",
            )
        sounds = {path.stem for path in self._sounds().values()}
        absent = [name for name in combinations() if name not in videos]
        missing = absent if len(videos) < CLIPS else []
        return Survey(
            len(videos),
            CLIPS,
            tuple(missing),
            tuple(self._strangers()),
            tuple(self._notes(sorted(set(videos) - sounds))),
            SOURCE,
            LICENCE,
        )

    def _sounds(self) -> dict[str, Path]:
        folder = self._root / "AudioWAV"
        paths = files_below(folder) if folder.is_dir() else ()
        return {path.stem: path for path in paths if path.suffix.lower() == ".wav"}

    def _strangers(self) -> list[str]:
        folder = self._root / "VideoFlash"
        names = (path.name for path in files_below(folder) if path.stem not in self._videos)
        return list(names) if folder.is_dir() else []

    def _notes(self, silent: list[str]) -> list[str]:
        notes = [f"{name}: {why}" for name, why in KNOWN_BAD.items() if name in self._videos]
        if len(self._videos) < CLIPS:
            notes.append("20 combinations of actor, sentence, emotion and level do not exist")
        if silent:
            some = ", ".join(silent[:3])
            notes.append(f"{len(silent)} videos have no wav in AudioWAV ({some}): their own sound")
        pointers = [path for path in self._videos.values() if _is_pointer(path)]
        if pointers:
            notes.append(f"{len(pointers)} videos are git-lfs pointers: run `git lfs pull` there")
        if not (self._root / "VideoDemographics.csv").is_file():
            notes.append("VideoDemographics.csv is not there: no age and sex")
        return notes

    def sources(self) -> list[Source]:
        """List the clips by name, with actor, emotion, sentence, level, and sex if it is known."""
        self.survey()
        sounds, sexes = self._sounds(), self._sexes()
        return self.relabel(
            [
                Source(name, path, {}, "", sounds.get(name), sexes.get(name[:4], {}))
                for name, path in self._videos.items()
            ]
        )

    def relabel(self, sources: Sequence[Source]) -> list[Source]:
        """Label clips by their names, and split them as the options say."""
        splits = self._splits([source.name for source in sources])
        return [
            replace(source, labels={**labels_of(source.name), **source.facts}, split=splits[source.name])
            for source in sources
        ]

    def _sexes(self) -> dict[str, dict[str, str]]:
        path = self._root / "VideoDemographics.csv"
        if not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                {k.strip(): (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)
            ]
        return {
            row["ActorID"]: {"sex": row["Sex"].lower()}
            for row in rows
            if row.get("ActorID") and row.get("Sex")
        }

    def _splits(self, names: list[str]) -> dict[str, str]:
        how = self.options.split
        if how == "by_clip":
            return shares(names, self.seed, 0.15, 0.15)
        if how == "by_actor":
            of = shares((name[:4] for name in names), self.seed, 0.15, 0.15)
            return {name: of[name[:4]] for name in names}
        return {name: sdfa_split(name[:4]) for name in names}


def combinations() -> list[str]:
    """Name all 7,462 clips that there could be: actors, sentences, emotions and levels."""
    kinds = [
        f"{sentence}_{emotion}_{level}"
        for sentence, emotion in product(SENTENCES, EMOTIONS)
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    ]
    return [f"{actor}_{kind}" for actor, kind in product(ACTORS, kinds)]


def labels_of(name: str) -> dict[str, str]:
    """Read the labels out of a clip's name."""
    actor, sentence, emotion, level = name.split("_")
    return {"identity": actor, "emotion": EMOTIONS[emotion], "sentence": sentence, "level": level}


def sdfa_split(actor: str) -> str:
    """Return the split of an actor in the SDFA papers (Vougioukas et al.)."""
    return "test" if actor in SDFA_TEST else "val" if actor in SDFA_VAL else "train"


def _is_name(stem: str) -> bool:
    match = _NAME.fullmatch(stem)
    return bool(match) and match[1] in ACTORS and match[2] in SENTENCES and match[3] in EMOTIONS


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size > 1024:
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER
