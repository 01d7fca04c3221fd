"""Checkpoints: tensors in safetensors, the rest in JSON, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, optim

from s2vkit.errors import RunFolderError
from s2vkit.files import atomic_folder, former, read_json, recover_folder, remove, sha256_of
from s2vkit.tensors import ANEW, Modules, fit, module_tensors, read_tensors, under, write_tensors

Optimizers = Mapping[str, optim.Optimizer]

_HASHED, _DIGESTS = ("tensors.safetensors", "state.json"), "sha256.json"


def save_state(folder: Path, step: int, modules: Modules, optimizers: Optimizers) -> None:
    """Write all that training needs to resume after `step` steps; the checkpoint before is kept."""
    tensors = module_tensors(modules, "module/")
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
    with atomic_folder(folder, keep_former=True) as part:
        write_tensors(tensors, part / "tensors.safetensors")
        (part / "state.json").write_text(json.dumps(plain))
        (part / _DIGESTS).write_text(json.dumps(_digests(part)))


def load_state(folder: Path, modules: Modules, optimizers: Optimizers) -> int:
    """Load what `save_state` wrote; give the number of steps done, 0 where there is nothing.

    Raises RunFolderError if the checkpoint is damaged; `take_sound` puts the one before in its place.
    """
    if not recover_folder(folder):
        return 0
    _check(folder)
    tensors = read_tensors(folder / "tensors.safetensors")
    plain = read_json(folder / "state.json")
    for name, module in modules.items():
        fit(module, under(tensors, f"module/{name}/"), folder, name)
    try:
        for name, optimizer in optimizers.items():
            moments = under(tensors, f"optimizer/{name}/")
            optimizer.load_state_dict(_optimizer_state(plain["optimizers"][name], moments))
            _lay_out(optimizer)
        return int(plain["step"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{folder}: damaged: {error!r}", hint=ANEW) from error


def step_of(folder: Path) -> int:
    """Read how many steps are done at a checkpoint, 0 where there is none; changes nothing.

    Of a damaged one, it is the checkpoint before that counts. Raises RunFolderError if none is sound.
    """
    place, _ = _sound(folder)
    return _step(place) if place else 0


def take_sound(folder: Path) -> str:
    """Put the checkpoint before in the place of a damaged one; give a warning, empty: nothing is wrong.

    Raises RunFolderError if that is damaged too, or there is none.
    """
    recover_folder(folder)
    _, damage = _sound(folder)
    if damage is None:
        return ""
    remove(folder)
    recover_folder(folder)
    return f"{damage.message}; the checkpoint before is taken, of step {_step(folder)}"


def _sound(folder: Path) -> tuple[Path | None, RunFolderError | None]:
    """Find the last checkpoint whose files are what was written, and what is wrong with a later one.

    None where there is no checkpoint at all. Raises RunFolderError if there is one, and none is sound.
    """
    damage: RunFolderError | None = None
    for place in (folder, former(folder)):
        if place.is_dir():
            try:
                _check(place)
                return place, damage
            except RunFolderError as error:
                damage = damage or error
    if damage is not None:
        raise damage
    return None, None


def _step(folder: Path) -> int:
    try:
        return int(read_json(folder / "state.json")["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{folder}: damaged: no readable state.json", hint=ANEW) from error


def _check(folder: Path) -> None:
    """Raise RunFolderError if a file is not what was written; a checkpoint without digests is older."""
    _step(folder)
    if not (folder / _DIGESTS).exists():
        return
    known = read_json(folder / _DIGESTS)
    try:
        wrong = [name for name, digest in _digests(folder).items() if known[name] != digest]
    except (OSError, KeyError, TypeError) as error:
        raise RunFolderError(f"{folder}: damaged: {error!r}", hint=ANEW) from error
    if wrong:
        raise RunFolderError(
            f"{folder / wrong[0]}: damaged: it is not what was written (SHA-256 differs)", hint=ANEW
        )


def _digests(folder: Path) -> dict[str, str]:
    return {name: sha256_of(folder / name) for name in _HASHED}


def _lay_out(optimizer: optim.Optimizer) -> None:
    """Lay out what an optimizer keeps of each weight as the weight itself, channels last or not.

    A checkpoint holds plain layouts, and torch's fused optimizers pair numbers by their place in memory.
    """
    for weight, values in optimizer.state.items():
        for key, value in values.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                values[key] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def _optimizer_state(stored: dict[str, Any], moments: Mapping[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in stored["state"].items()}
    for key, value in moments.items():
        index, _, what = key.partition("/")
        state.setdefault(int(index), {})[what] = value
    return {"state": state, "param_groups": stored["groups"]}
