"""What identifies weights: the content of a file, or of a module, not its name."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from s2vkit.options import Slot, file_fields, unsaid_fields


def name_files(value: Any) -> Any:
    """Turn a slot or options into plain data, the hash of its content in the place of each file.

    Only options that are declared to name files are looked at, so a folder that happens to
    hold a file called as a layer or a mode changes nothing. What names no file that is there
    stays as it is. Options marked as later ones are left out at their defaults.
    """
    if isinstance(value, Slot):
        return {"use": value.use, **name_files(value.options)}
    if isinstance(value, BaseModel):
        files, unsaid = file_fields(type(value)), unsaid_fields(value)
        return {
            name: (_contents if name in files else name_files)(getattr(value, name))
            for name in type(value).model_fields
            if name not in unsaid
        }
    if isinstance(value, dict):
        return {key: name_files(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [name_files(held) for held in value]
    return value


def _contents(said: Any) -> Any:
    """Give the content's hash of the file, or of each file, that an option names."""
    if isinstance(said, dict):
        return {key: _contents(one) for key, one in said.items()}
    if isinstance(said, list | tuple):
        return [_contents(one) for one in said]
    if isinstance(said, str | PurePath) and _is_file(str(said)):
        return digest_of_file(Path(said))
    return said


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
            held = tensor.detach().cpu().contiguous()
            found.update(f"{name} {held.dtype} {tuple(held.shape)}".encode())
            found.update(held.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:20]
