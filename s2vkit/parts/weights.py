"""Reading weights that others saved, safely, and fitting them into a module."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from s2vkit.errors import InputError

_CONTAINERS = ("weights", "state_dict", "model", "gEncoder")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a .safetensors file or a torch checkpoint: names to tensors.

    A torch file is read with `weights_only=True`, so no code in it can run. One container
    (`weights`, `state_dict`, `model`, `gEncoder`) is opened and a leading `module.` is
    dropped. Raises InputError where the file is absent, damaged, hostile, or holds no tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such checkpoint file", hint="check `checkpoint` in the recipe"
        )
    try:
        if path.suffix == ".safetensors":
            found: object = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable checkpoint of tensors: {str(error).splitlines()[0]}",
            hint="download it again; files that carry code are never opened",
        ) from error
    for container in _CONTAINERS:
        if isinstance(found, Mapping) and isinstance(found.get(container), Mapping):
            found = found[container]
            break
    if not isinstance(found, Mapping):
        raise InputError(f"{path}: holds no mapping of names to tensors")
    tensors = {str(k).removeprefix("module."): v for k, v in found.items() if isinstance(v, Tensor)}
    if not tensors:
        raise InputError(f"{path}: holds no tensors")
    return tensors


def fit_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load tensors into a module, every key and shape matching; BatchNorm counters may lack.

    Raises InputError that names the missing, unexpected and mismatched keys.
    """
    own = module.state_dict()
    missing = [k for k in own if k not in tensors and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in tensors if k not in own]
    shapes = [
        f"{k} {tuple(tensors[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in tensors and tensors[k].shape != own[k].shape
    ]
    said = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    wrong = [f"{what}: {_some(keys)}" for what, keys in said.items() if keys]
    if wrong:
        raise InputError(
            f"{source}: does not fit {type(module).__name__}: " + "; ".join(wrong),
            hint="is it the right file, and do the component's sizes match it?",
        )
    module.load_state_dict(dict(tensors), strict=False)


def _some(keys: list[str], most: int = 5) -> str:
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
