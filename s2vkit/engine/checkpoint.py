"""Checkpoints: tensors in safetensors, the rest in JSON, written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn, optim

from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, former, read_json, recover_folder, replacing

_ANEW = "move it away, and the same command trains its stage again"

Modules = Mapping[str, nn.Module]
Optimizers = Mapping[str, optim.Optimizer]


def save_modules(path: Path, modules: Modules) -> None:
    """Write the weights of named modules to one file: NAME/KEY."""
    with replacing(path) as part:
        _write(_module_tensors(modules), part)


def load_modules(path: Path, modules: Modules) -> None:
    """Read the weights of every named module; the file may hold others' too."""
    tensors = _read(path)
    for name, module in modules.items():
        _fit(module, _under(tensors, f"{name}/"), path, name)


def save_state(folder: Path, step: int, modules: Modules, optimizers: Optimizers) -> None:
    """Write all that training needs to go on after `step` steps."""
    tensors = _module_tensors(modules, "module/")
    plain: dict[str, Any] = {"step": step, "optimizers": {}}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        plain["optimizers"][name] = {"groups": state["param_groups"], "state": {}}
        for index, values in state["state"].items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer/{name}/{index}/{key}"] = value.contiguous().cpu()
                else:
                    plain["optimizers"][name]["state"].setdefault(str(index), {})[key] = value
    with atomic_folder(folder) as part:
        _write(tensors, part / "tensors.safetensors")
        (part / "state.json").write_text(json.dumps(plain))


def load_state(folder: Path, modules: Modules, optimizers: Optimizers) -> int:
    """Take up what `save_state` wrote; give the number of steps done, 0 where there is nothing."""
    if not recover_folder(folder):
        return 0
    tensors = _read(folder / "tensors.safetensors")
    plain = read_json(folder / "state.json")
    for name, module in modules.items():
        _fit(module, _under(tensors, f"module/{name}/"), folder, name)
    try:
        for name, optimizer in optimizers.items():
            moments = _under(tensors, f"optimizer/{name}/")
            optimizer.load_state_dict(_optimizer_state(plain["optimizers"][name], moments))
        return int(plain["step"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{folder}: damaged: {error!r}", hint=_ANEW) from error


def step_of(folder: Path) -> int:
    """Read how many steps are done at a checkpoint, 0 where there is none; changes nothing."""
    for place in (folder, former(folder)):
        plain = read_json(place / "state.json")
        if place.is_dir():
            return int(plain.get("step", 0)) if isinstance(plain, dict) else 0
    return 0


def _optimizer_state(held: dict[str, Any], moments: Mapping[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in held["state"].items()}
    for key, value in moments.items():
        index, _, what = key.partition("/")
        state.setdefault(int(index), {})[what] = value
    return {"state": state, "param_groups": held["groups"]}


def _module_tensors(modules: Modules, prefix: str = "") -> dict[str, Tensor]:
    return {
        f"{prefix}{name}/{key}": value.detach().contiguous().cpu().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _fit(module: nn.Module, tensors: dict[str, Tensor], path: Path, name: str) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunFolderError(
            f"{path}: does not fit {name}: {str(error).splitlines()[-1].strip()}", hint=_ANEW
        ) from error


def _write(tensors: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(tensors, path)
    except SafetensorError as error:
        if "os error 28" in str(error) or "No space" in str(error):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}", hint=_ANEW) from error
