"""What a preparation is of: its sources in parts, and how each is cut. Fixed before it begins."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from s2vkit.data.preparation.check import SPLITS
from s2vkit.data.preparation.cut import Cutting
from s2vkit.data.store import Record
from s2vkit.errors import InputError, PluginError
from s2vkit.files import read_json, write_json
from s2vkit.footage_options import FootageOptions
from s2vkit.interfaces.dataset import Source
from s2vkit.interfaces.face_detector import FaceDetector

FORMAT = 2
PART = 64  # sources whose clips make one shard
_NOT_CONTENT = {"hold", "max_pixels"}  # change speed and what is refused, never a clip
_KEY = re.compile(r"[\w-]+")  # WebDataset ends a key at its first dot


def cutting_of(options: FootageOptions) -> Cutting:
    """Return the extraction settings among a dataset's options."""
    names = {field.name for field in fields(Cutting)} & set(type(options).model_fields)
    return Cutting(**{name: getattr(options, name) for name in names})


@dataclass(frozen=True)
class Listing:
    """The sources of one preparation, and how they are cut."""

    dataset: str
    options: FootageOptions
    seed: int
    sources: list[Source]
    make_detector: Callable[[], FaceDetector]
    detector: dict[str, Any]  # the face detector's slot as plain data

    @cached_property
    def cutting(self) -> Cutting:
        """How every source is cut."""
        return cutting_of(self.options)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that the shards' bytes follow from, beside the sources."""
        return {
            **_plain(_telling(self.cutting)),
            "quality": self.options.quality,
            "face_detector": {k: v for k, v in self.detector.items() if k != "device"},
        }

    @cached_property
    def parts(self) -> list[list[int]]:
        """Deal the sources out to parts, each part a fair sample of the whole."""
        order = sorted(range(len(self.sources)), key=lambda i: _mixed(self.sources[i].name))
        return [order[at : at + PART] for at in range(0, len(order), PART)]

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Return every label's values, sorted."""
        return labels_of(self.sources)

    def check(self) -> None:
        """Check that there are sources, each with a name of its own; else raise."""
        if not self.sources:
            raise InputError("the dataset has no video", hint="check its `root` and its options")
        wrong = list(_wrong(self.sources))
        if wrong:
            raise PluginError(
                f"dataset '{self.dataset}': {wrong[0]} ({len(wrong)} such problems)",
                hint="this is a bug of the dataset's plugin",
            )

    def claim(self, out: Path) -> None:
        """Write down what is prepared in a folder; raise InputError if it is something else."""
        names = hashlib.sha256("\n".join(s.name for s in self.sources).encode()).hexdigest()
        mine = {"format": FORMAT, "settings": self.settings, "sources": names}
        stored = read_json(out / "parts" / "plan.json")
        if stored is None:
            write_json(out / "parts" / "plan.json", mine)
        elif stored != mine:
            differs = [k for k in mine if stored.get(k) != mine[k]]
            raise InputError(
                f"{out}: holds a preparation that was begun with other {' and '.join(differs)}",
                hint="finish it as it was begun, delete the folder, or name another one",
            )


def labels_of(labelled: Iterable[Source | Record]) -> dict[str, tuple[str, ...]]:
    """Return every label's values among sources or clips, sorted."""
    found: dict[str, set[str]] = {}
    for one in labelled:
        for label, value in one.labels.items():
            found.setdefault(label, set()).add(value)
    return {label: tuple(sorted(values)) for label, values in sorted(found.items())}


def _telling(cutting: Cutting) -> dict[str, Any]:
    """Return the settings that change clips; tracks only where they are chosen by hand."""
    told = {k: v for k, v in asdict(cutting).items() if k not in _NOT_CONTENT}
    return {k: v for k, v in told.items() if v is not None}


def _wrong(sources: list[Source]) -> Iterator[str]:
    counts = Counter(source.name for source in sources)
    yield from (f"{n} sources are named '{name}'" for name, n in counts.items() if n > 1)
    for source in sources:
        if not _KEY.fullmatch(source.name):
            yield f"'{source.name}' is no name of letters, digits, '_' and '-'"
        if source.split not in SPLITS:
            yield f"'{source.name}' is in split '{source.split}', not one of {', '.join(SPLITS)}"


def _mixed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Return data as JSON gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(data, default=str))
    return plain
