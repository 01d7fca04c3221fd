"""Weights of named modules in one safetensors file: NAME/KEY."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from s2vkit.errors import RunFolderError
from s2vkit.files import mode_by_umask, replacing, unreadable_hint

ANEW = "move it away, and the same command trains its stage again"
"""What to do about a damaged file of a run."""

Modules = Mapping[str, nn.Module]


def save_modules(path: Path, modules: Modules) -> None:
    """Write the weights of named modules to one file."""
    with replacing(path) as part:
        write_tensors(module_tensors(modules), part)


def load_modules(path: Path, modules: Modules, *, hint: str = ANEW) -> None:
    """Read the weights of every named module; the file may hold others' too.

    Raises RunFolderError if the file is damaged or does not fit; `hint` says what to do then.
    """
    tensors = read_tensors(path, hint=hint)
    for name, module in modules.items():
        fit(module, under(tensors, f"{name}/"), path, name, hint=hint)


def module_tensors(modules: Modules, prefix: str = "") -> dict[str, Tensor]:
    """Copy the state of every module to the CPU, keys as `PREFIX`NAME/KEY."""
    return {
        f"{prefix}{name}/{key}": value.detach().contiguous().cpu().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose keys begin with a prefix, and drop it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def fit(module: nn.Module, tensors: dict[str, Tensor], path: Path, name: str, *, hint: str = ANEW) -> None:
    """Load tensors into a module. Raises RunFolderError if keys or shapes differ."""
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunFolderError(
            f"{path}: does not fit {name}: {str(error).splitlines()[-1].strip()}", hint=hint
        ) from error


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; a full disk is an OSError as everywhere."""
    try:
        save_file(tensors, path)
        mode_by_umask(path)
    except SafetensorError as error:
        if "os error 28" in str(error) or "No space" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def read_tensors(path: Path, *, hint: str = ANEW) -> dict[str, Tensor]:
    """Read a safetensors file. Raises RunFolderError if it is absent or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        hint = unreadable_hint(path, hint)
        raise RunFolderError(f"{path}: cannot be read: {error}", hint=hint) from error
