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

from s2vkit.data.files import atomic_folder, atomic_path, recover_folder
from s2vkit.errors import RunFolderError

Modules = Mapping[str, nn.Module]
Optimizers = Mapping[str, optim.Optimizer]


def save_modules(path: Path, modules: Modules) -> None:
    """Write the weights of named modules to one file: NAME/KEY."""
    with atomic_path(path) as part:
        _write(_module_tensors(modules), part)


def load_modules(path: Path, modules: Modules) -> None:
    """Read weights into those of the named modules that the file holds."""
    tensors = _read(path)
    for name, module in modules.items():
        own = _under(tensors, f"{name}/")
        if own:
            _fit(module, own, path, name)


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
    plain = json.loads((folder / "state.json").read_text())
    for name, module in modules.items():
        _fit(module, _under(tensors, f"module/{name}/"), folder, name)
    for name, optimizer in optimizers.items():
        held = plain["optimizers"][name]
        state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in held["state"].items()}
        for key, value in _under(tensors, f"optimizer/{name}/").items():
            index, _, what = key.partition("/")
            state.setdefault(int(index), {})[what] = value
        optimizer.load_state_dict({"state": state, "param_groups": held["groups"]})
    return int(plain["step"])


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
            f"{path}: does not fit {name}: {str(error).splitlines()[-1].strip()}",
            hint="the run folder was made by another recipe or version; use --fresh",
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
        raise RunFolderError(
            f"{path}: cannot be read: {error}", hint="run again with --fresh to begin anew"
        ) from error
