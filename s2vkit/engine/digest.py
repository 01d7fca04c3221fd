"""What identifies weights: the content of a file, or of a module, not its name."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn


def name_files(data: Any) -> Any:
    """Put the hash of its content in the place of every string that names a file, in plain data."""
    if isinstance(data, dict):
        return {key: name_files(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [name_files(value) for value in data]
    if isinstance(data, str) and _is_file(data):
        return digest_of_file(Path(data))
    return data


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
