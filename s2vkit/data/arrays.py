"""Flat arrays on the disk, filled and read through memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from s2vkit.errors import InputError


def new_array(path: Path, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> np.ndarray:
    """Make a .npy file to be filled through memory, its room on the disk taken at once.

    A full disk is then an OSError here, not a crash at some later write.
    """
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
    return array


FLOAT16_MAX = 65504.0  # the greatest number that float16 holds


class Halves:
    """An array that is kept as float16, or as float32 once a value does not fit.

    float16 rounds to 11 bits: relative errors up to 2^-11, 0.05 %.
    """

    def __init__(self, path: Path | None, shape: tuple[int, ...]) -> None:
        """Make the array in a file, or in memory where there is no path."""
        self.path = path
        self.array = np.zeros(shape, np.float16) if path is None else new_array(path, shape, np.float16)

    def __setitem__(self, at: Any, values: np.ndarray) -> None:
        if self.array.dtype == np.float16 and np.abs(values).max(initial=0.0) > FLOAT16_MAX:
            self._widen()
        self.array[at] = values

    def _widen(self) -> None:
        if self.path is None:
            self.array = self.array.astype(np.float32)
            return
        flush(self.array)
        wide = self.path.with_name(f"wide-{self.path.name}")
        array = new_array(wide, self.array.shape)
        for row in range(len(array)):
            array[row] = self.array[row]
        wide.replace(self.path)
        self.array = array

    def flush(self) -> None:
        """Bring it to the disk."""
        flush(self.array)


def flush(*arrays: np.ndarray) -> None:
    """Bring filled arrays to the disk."""
    for array in arrays:
        if isinstance(array, np.memmap):
            array.flush()


def open_array(path: Path) -> np.ndarray:
    """Open a .npy file through memory. Raises InputError if it is missing or damaged."""
    try:
        mapped = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise damaged(path, error) from error
    array: np.ndarray = mapped.view(np.ndarray)  # a memmap takes three times as long to take a part of
    return array


def damaged(path: Path, error: object) -> InputError:
    """Build the error for a missing or damaged file of a prepared folder."""
    return InputError(
        f"{path}: cannot be read: {str(error).splitlines()[0] if str(error) else error!r}",
        hint=f"delete the folder {path.parent}; the same command makes it again",
    )


class Arrays:
    """A finished folder of arrays, memory-mapped; raises InputError if one is damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._arrays = {p.stem: open_array(p) for p in sorted(folder.glob("*.npy"))}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            raise damaged(self.folder / f"{name}.npy", "no such file")
        return self._arrays[name]

    def __reduce__(self) -> tuple[type[Arrays], tuple[Path]]:
        return Arrays, (self.folder,)  # a pickled memory map would be a copy of the whole file

    def names(self) -> list[str]:
        """Name the arrays."""
        return list(self._arrays)

    def named(self, prefix: str) -> list[np.ndarray]:
        """Return the arrays PREFIX0, PREFIX1 and so on, in order."""
        names = [f"{prefix}{i}" for i in range(len(self._arrays))]
        return [self._arrays[name] for name in names if name in self._arrays]
