"""What was measured so far, stored beside the figures to come: a stopped measuring goes on there."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2vkit.errors import RunFolderError
from s2vkit.files import read_json, remove, write_text
from s2vkit.interfaces.metric import Metric, Outcome
from s2vkit.videos.outcomes import Preparer
from s2vkit.videos.pairs import Pair
from s2vkit.videos.state import NotStorableError, restore, state_of
from s2vkit.videos.unjudged import Unjudged

_SHARE = 0.05  # of the time: where storing takes more, not every video is stored at once


@dataclass
class Found:
    """What is known of a system's videos so far."""

    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)  # of every clip
    unjudged: list[Unjudged] = field(default_factory=list)
    videos: list[dict[str, Any]] = field(default_factory=list)
    codecs: dict[str, set[str]] = field(default_factory=dict)
    done: int = 0  # videos that were looked at, in their order

    def as_data(self) -> dict[str, Any]:
        """Return plain data."""
        codecs = {which: sorted(names) for which, names in self.codecs.items()}
        return {**vars(self), "unjudged": [vars(one) for one in self.unjudged], "codecs": codecs}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Found:
        """Return what `as_data` described."""
        codecs = {which: set(names) for which, names in data["codecs"].items()}
        unjudged = [Unjudged(**one) for one in data["unjudged"]]
        return cls(**{**data, "unjudged": unjudged, "codecs": codecs})


class Progress:
    """The file that holds how far the measuring of one system has come.

    `key` identifies what is measured and how; a file of another key is not read.
    """

    def __init__(self, place: Path, key: str) -> None:
        self.path, self.key = place.with_name(f"{place.name}.progress.json"), key
        self._unstorable = False
        self._cost, self._stored = 0.0, 0.0  # s that storing took last, and when it ended

    def store(self, found: Found, metrics: Mapping[str, Metric], stopping: bool = False) -> str:
        """Store what was found, whole or not at all; not every time, where that takes long.

        Returns why nothing can be stored, once.
        """
        begun = time.monotonic()
        soon = self._cost > _SHARE * (begun - self._stored)
        if self._unstorable or (soon and not stopping):
            return ""
        try:
            states = {name: state_of(metric) for name, metric in metrics.items()}
        except NotStorableError as error:
            self._unstorable = True
            return str(error)
        write_text(self.path, json.dumps({"key": self.key, "found": found.as_data(), "metrics": states}))
        self._stored = time.monotonic()
        self._cost = self._stored - begun
        return ""

    def read(self, metrics: Mapping[str, Metric], pairs: Sequence[Pair], preparer: Preparer) -> Found | None:
        """Give new metrics the state that was stored, and return what was found; None: nothing was.

        Raises RunFolderError if the file is damaged.
        """
        data = read_json(self.path)
        if not isinstance(data, dict) or data.get("key") != self.key:
            return None
        try:
            found = Found.of_data(data["found"])
            clips = _Clips(found, pairs, preparer)
            for name, metric in metrics.items():
                restore(metric, data["metrics"][name], clips)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"cannot be read: {type(error).__name__}: {error}"
            raise RunFolderError(
                f"{self.path}: {what}", hint="remove it: the videos are measured anew"
            ) from error
        return found

    def clear(self) -> None:
        """Remove the file: all is measured."""
        if self.path.exists():
            remove(self.path)


class _Clips:
    """Finds clips by their names, and cuts them from their videos again."""

    def __init__(self, found: Found, pairs: Sequence[Pair], preparer: Preparer) -> None:
        self._pairs, self._preparer = {pair.name: pair for pair in pairs}, preparer
        self._videos = {clip: video["name"] for video in found.videos for clip in video["clips"]}
        self._cut: dict[str, Outcome] = {}

    def __call__(self, name: str) -> Outcome:
        if name not in self._cut:
            prepared = self._preparer.prepare(self._pairs[self._videos[name]])
            self._cut |= {outcome.name: outcome for outcome in prepared.outcomes}
        return self._cut[name]
