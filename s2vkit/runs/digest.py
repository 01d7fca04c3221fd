"""What identifies weights: the content of a file, or of a module, not its name."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from s2vkit.options import Options, Slot, file_fields, role_of
from s2vkit.registry import Registry


def digest(*what: Any) -> str:
    """Hash plain data."""
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def result_options(value: Any) -> Any:
    """Turn a slot or options into plain data, those options alone that have the role `result`.

    In the place of a file stands the hash of its content: a checkpoint may move, but not change.
    Only options that are declared to name files are looked at, so a folder that happens to hold a
    file called as a layer or a mode changes nothing.
    """
    if isinstance(value, Slot):
        return {"use": value.use, **result_options(value.options)}
    if isinstance(value, BaseModel):
        files = file_fields(type(value))
        return {
            name: (_contents if name in files else result_options)(option)
            for name, option in deciding(value).items()
        }
    if isinstance(value, dict):
        return {key: result_options(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [result_options(item) for item in value]
    return value


def deciding(options: BaseModel) -> dict[str, Any]:
    """Return the options with the role `result`, without blocks of options that decide nothing as set."""
    found = {
        name: getattr(options, name)
        for name, field in type(options).model_fields.items()
        if role_of(field) == "result"
    }
    return {k: v for k, v in found.items() if not isinstance(v, Options) or v.decides()}


def owners_of(slot: Slot, registry: Registry) -> set[str]:
    """Name the distributions whose code a slot, and all slots in it that decide, come from."""
    found = {registry.get(slot.kind, slot.use).owner}
    values = list(deciding(slot.options).values())
    while values:
        value = values.pop()
        if isinstance(value, Slot):
            found |= owners_of(value, registry)
        elif isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, BaseModel):
            values.extend(deciding(value).values())
    return found


def _contents(value: Any) -> Any:
    """Return the content's hash of the file, or of each file, that an option names."""
    if isinstance(value, dict):
        return {key: _contents(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_contents(one) for one in value]
    if isinstance(value, str | PurePath) and _is_file(str(value)):
        return digest_of_file(Path(value))
    return value


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # no text that could be a path
        return False


def digest_of_file(path: Path) -> str:
    """Hash a file's content; once a process, unless the file changes."""
    state = path.stat()
    return _hash(str(path.resolve()), state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@lru_cache(maxsize=256)
def _hash(path: str, *state: int) -> str:
    with Path(path).open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


@torch.no_grad()
def digest_of_module(module: nn.Module) -> str:
    """Hash the names, shapes and bytes of a module's weights."""
    found = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            array = tensor.detach().cpu().contiguous()
            found.update(f"{name} {array.dtype} {tuple(array.shape)}".encode())
            found.update(array.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:20]
