"""Pickles of NumPy arrays, read without running any code that they name.

A pickle names functions to call. Here three names are known, those that NumPy itself writes for an
array, and each stands for a class of this module that only keeps what it is given; the numbers are
then taken out of the bytes. Any other name ends the reading.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit import InputError

_KINDS = ("f2", "f4", "f8")  # of numbers that weights may be
_FOREIGN = (
    "files that carry code are never opened here: take the file of the package itself, or the tensors as "
    ".safetensors"
)


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Read a pickle of nested dictionaries of arrays: dotted names to float32 tensors.

    Raises InputError if the file is damaged, or holds anything but arrays of floats.
    """
    try:
        with path.open("rb") as file:
            found = _Reader(file).load()
        tensors = dict(_flat(found, ""))
    except _ForeignError as error:
        raise InputError(
            f"{path}: not a readable checkpoint: it holds {error}, which can carry code", hint=_FOREIGN
        ) from error
    except Exception as error:  # whatever a damaged file makes the reader raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: not a readable checkpoint: {reason}", hint="install its package again, and see its size"
        ) from error
    if not tensors:
        raise InputError(f"{path}: holds no arrays", hint="is it the right file?")
    return tensors


class _ForeignError(pickle.UnpicklingError):
    """A pickle names something else than arrays."""


class _Array:
    """What a pickled array is rebuilt from."""

    state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def tensor(self) -> Tensor:
        """Copy the numbers out of the bytes. Raises ValueError if they are no floats, or too few."""
        _, shape, kind, by_columns, data = self.state
        if not isinstance(kind, _Kind) or kind.name not in _KINDS:
            raise ValueError("an array of something else than floats")
        numbers = np.frombuffer(data, f"{kind.order}{kind.name}")
        if len(numbers) != math.prod(shape):
            raise ValueError(f"an array of shape {tuple(shape)} with {len(numbers)} numbers")
        laid = numbers.reshape(shape, order="F" if by_columns else "C")
        return torch.from_numpy(np.ascontiguousarray(laid, np.float32).copy())


class _Kind:
    """What a pickled dtype is rebuilt from."""

    order = "<"

    def __init__(self, name: str, *_: Any) -> None:
        self.name = name

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Name:
    """Stands for the class of arrays, which pickles name as an argument."""


def _rebuild(*_: Any) -> _Array:
    return _Array()


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _rebuild,
    ("numpy._core.multiarray", "_reconstruct"): _rebuild,  # as NumPy 2 writes it
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _Kind,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for. Raises _ForeignError for any but those of arrays."""
        if (module, name) not in _KNOWN:
            raise _ForeignError(f"`{module}.{name}`")
        return _KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse what lies outside the file."""
        raise _ForeignError("a reference to something outside it")


def _flat(found: Any, prefix: str) -> list[tuple[str, Tensor]]:
    """List nested dictionaries' arrays under dotted names. Raises ValueError at anything else."""
    if isinstance(found, _Array):
        return [(prefix.removesuffix("."), found.tensor())]
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds a {type(found).__name__} where arrays are expected")
    return [row for key, value in found.items() for row in _flat(value, f"{prefix}{key}.")]
