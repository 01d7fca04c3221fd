"""Where the arrays of frozen networks go as they are computed: into a folder, or into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from s2vkit.data.arrays import Halves, flush, new_array


class ArrayWriter(Protocol):
    """Makes arrays by name, to be filled, until `flush`."""

    def floats(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Make a float32 array."""
        ...

    def halves(self, name: str, shape: tuple[int, ...]) -> Halves:
        """Make an array of float16, which widens where a value does not fit."""
        ...

    def flush(self) -> None:
        """End the writing."""
        ...


class FolderWriter:
    """Writes arrays to .npy files of a folder, which `Arrays` reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._floats, self._halves = list[np.ndarray](), list[Halves]()

    def floats(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Make a float32 array in a file."""
        self._floats.append(new_array(self.folder / f"{name}.npy", shape))
        return self._floats[-1]

    def halves(self, name: str, shape: tuple[int, ...]) -> Halves:
        """Make a float16 array in a file."""
        self._halves.append(Halves(self.folder / f"{name}.npy", shape))
        return self._halves[-1]

    def flush(self) -> None:
        """Bring them to the disk."""
        flush(*self._floats, *(half.array for half in self._halves))


class MemoryArrays:
    """Arrays in memory, of the same types as those in files; read as `Arrays` are."""

    def __init__(self) -> None:
        self._floats, self._halves = dict[str, np.ndarray](), dict[str, Halves]()

    def floats(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Make a float32 array."""
        return self._floats.setdefault(name, np.zeros(shape, np.float32))

    def halves(self, name: str, shape: tuple[int, ...]) -> Halves:
        """Make a float16 array."""
        return self._halves.setdefault(name, Halves(None, shape))

    def flush(self) -> None:
        """Do nothing: they are in memory."""

    def __getitem__(self, name: str) -> np.ndarray:
        return self._floats[name] if name in self._floats else self._halves[name].array

    def named(self, prefix: str) -> list[np.ndarray]:
        """Return the arrays PREFIX0, PREFIX1 and so on, in order."""
        names = [f"{prefix}{i}" for i in range(len(self._halves))]
        return [self._halves[name].array for name in names if name in self._halves]
