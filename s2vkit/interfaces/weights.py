"""Reading weights that others saved, safely, and fitting them into a module."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from s2vkit.checkpoints import COUNTERS, compare
from s2vkit.errors import InputError, memory_is_out

CONTAINERS = (
    "weights",
    "state_dict",
    "state_dict_backbone",
    "model_state_dict",
    "model_state",
    "model",
    "gEncoder",
)
"""The keys under which others put the weights among what else they save."""

_CONFIGS = ("config", "args")  # keys of a container that hold how the network was made
_SAY_HOW = (
    "such a file runs code of its author's as it is opened: ask the author for a .safetensors file; or, "
    "if you must, open it once in a container or a throw-away virtual machine without a network, "
    "and take weights.pt out of there: "
    "python -c \"import torch; m = torch.load('FILE', weights_only=False); "
    "torch.save(m.state_dict() if hasattr(m, 'state_dict') else m, 'weights.pt')\""
)
_PAGES = (b"<!doctype", b"<html", b"<?xml")


@dataclass
class Weights:
    """What a checkpoint file holds: its tensors, and how the network was made, if it says."""

    tensors: dict[str, Tensor]
    config: dict[str, Any] = field(default_factory=dict)
    container: str = ""  # the key under which the tensors were


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a .safetensors file or a torch checkpoint: names to tensors. See `open_weights`."""
    return open_weights(path).tensors


def open_weights(
    path: str | Path, others: Mapping[str, Callable[[Path], dict[str, Tensor]]] | None = None
) -> Weights:
    """Read a .safetensors file (and the .json beside it) or a torch checkpoint.

    A torch file is read with `weights_only=True`, so no code in it can run. One container
    (see `CONTAINERS`) is opened and a leading `module.` is dropped; the state dicts of several
    networks come under their names. Arrays of numbers beside them are let be. `others` reads files of
    further formats, by suffix (`.pb`). Raises InputError if the file is absent, damaged, hostile, or holds no
    tensors.
    """
    path = Path(path)
    _refuse_other_things(path)
    if others and path.suffix in others:
        return Weights(others[path.suffix](path))
    found: Any = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(found, Mapping):
        raise InputError(
            f"{path}: holds a {type(found).__name__}, no mapping of names to tensors",
            hint="`s2vkit weights` lists the files that each component reads",
        )
    config = next((dict(found[k]) for k in _CONFIGS if isinstance(found.get(k), Mapping)), {})
    inner = next((k for k in CONTAINERS if isinstance(found.get(k), Mapping)), "")
    entries = found[inner] if inner else found
    tensors = {str(k).removeprefix("module."): v for k, v in entries.items() if isinstance(v, Tensor)}
    tensors = tensors or _of_several(entries)
    if not tensors:
        raise InputError(
            f"{path}: holds no tensors" + (f" under '{inner}'" if inner else ""),
            hint=f"its keys are {_some([str(k) for k in entries]) or 'none'}; weights are looked for "
            f"at the top and under {', '.join(CONTAINERS)}",
        )
    return Weights(tensors, config or _config_beside(path), inner)


def _of_several(entries: Mapping[str, Any]) -> dict[str, Tensor]:
    """Put the state dicts of several networks under their names: `encoder.conv.weight`."""
    return {
        f"{name}.{str(key).removeprefix('module.')}": value
        for name, part in entries.items()
        if isinstance(part, Mapping)
        for key, value in part.items()
        if isinstance(value, Tensor)
    }


def _refuse_other_things(path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"{path}: no such checkpoint file",
            hint="check `checkpoint` in the recipe; `s2vkit weights` lists the source of each file",
        )
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise InputError(f"{path}: is a Git LFS pointer, not the file", hint="run `git lfs pull`")
    if start.startswith(_PAGES):
        raise InputError(
            f"{path}: is a web page, not a checkpoint",
            hint="the download got the page around the file, or an error: download it again",
        )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise _unreadable(path, error, "download it, or convert it, again") from error


def _read_torch(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_arrays()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes the reader raise
        if memory_is_out(error):
            raise
        if _carries_code(error):
            hint = f"files that carry code are never opened here; {_SAY_HOW}"
            what = "holds Python objects, which can carry code"
            raise _unreadable(path, error, hint, what) from error
        what = "it is no torch checkpoint, or only a part of one"
        raise _unreadable(path, error, "download it again, and see its size", what) from error


def _arrays() -> list[Any]:
    """Name what a NumPy array of numbers is pickled with: data, as tensors are."""
    rebuild, kinds = np.array(0.0).__reduce__()[0], (np.float64, np.float32, np.int64, np.int32)
    names = (f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core"))
    known = [(rebuild, name) for name in names]
    return [*known, np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in kinds)]


def _carries_code(error: Exception) -> bool:
    signs = (
        "allowed global",
        "Unsupported global",
        "Unsupported class",
        "unrecognized function",
        "TorchScript archive",
        "allowed class",
    )
    return any(sign in str(error) for sign in signs)


def _unreadable(path: Path, error: Exception, hint: str, what: str = "") -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{path}: not a readable checkpoint: {what or reason}", hint=hint)


def _config_beside(path: Path) -> dict[str, Any]:
    """Read FILE.json, or what CPC_audio writes beside its own: how the network was made."""
    for beside in (path.with_suffix(".json"), path.with_name("checkpoint_args.json")):
        try:
            data = json.loads(beside.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict):
            inner = data.get("config", data)
            return dict(inner) if isinstance(inner, dict) else {}
    return {}


def fit_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load tensors into a module, every key and shape matching; BatchNorm counters may lack.

    Raises InputError that names the missing, unexpected and mismatched keys, or says that
    numbers are not finite.
    """
    own = module.state_dict()
    found = compare(
        {k: (tuple(v.shape),) for k, v in own.items()},
        {k: tuple(v.shape) for k, v in tensors.items()},
        may_lack=COUNTERS,
    )
    shapes = [f"{k} {shape} for {wanted[0]}" for k, shape, wanted in found.reshaped]
    differences = {
        "missing": list(found.missing),
        "unexpected": list(found.unexpected),
        "of another shape": shapes,
    }
    wrong = [f"{what}: {_some(keys)}" for what, keys in differences.items() if keys]
    if wrong:
        raise InputError(
            f"{source}: does not fit {type(module).__name__}: " + "; ".join(wrong),
            hint="is it the right file, and do the component's sizes match it? "
            "`s2vkit weights check COMPONENT FILE` compares it with what is published",
        )
    refuse_damage(tensors, source=source)
    module.load_state_dict(dict(tensors), strict=False)


def refuse_damage(tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Raise InputError if a tensor holds numbers that are not finite."""
    broken = [k for k, v in tensors.items() if not bool(torch.isfinite(v).all())]
    if broken:
        raise InputError(
            f"{source}: holds numbers that are not finite in {_some(broken)}",
            hint="the file is damaged, or its training went wrong: use another",
        )


def rename(tensors: Mapping[str, Tensor], name: Callable[[str], str | None]) -> dict[str, Tensor]:
    """Return tensors other names; those that `name` gives None for are left out."""
    renamed = {name(k): v for k, v in tensors.items()}
    return {k: v for k, v in renamed.items() if k is not None}


def _some(keys: list[str], max_count: int = 5) -> str:
    more = f" and {len(keys) - max_count} more" if len(keys) > max_count else ""
    return ", ".join(keys[:max_count]) + more
