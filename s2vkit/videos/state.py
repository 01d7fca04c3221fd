"""The state of metrics as JSON, so that a measuring that was stopped can go on."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from s2vkit.interfaces.metric import Metric, Outcome
from s2vkit.options import Options

_MAX_NUMBERS = 2**20  # of one array; whole clips are named, not stored
Clips = Callable[[str], Outcome]


class NotStorableError(Exception):
    """A metric keeps something that cannot be stored."""


def state_of(metric: Metric) -> dict[str, Any]:
    """Return what a metric has gathered, as JSON: without options and networks, clips by their names.

    Raises NotStorableError if it keeps something else than plain data, arrays of moderate size,
    clips, and dataclasses or named tuples known in its own module.
    """
    kept = {name: value for name, value in vars(metric).items() if not isinstance(value, Options | Module)}
    return {name: _store(value, metric) for name, value in kept.items()}


def restore(metric: Metric, state: Mapping[str, Any], clips: Clips) -> None:
    """Give a new metric the state of another; `clips` finds a clip by its name."""
    for name, stored in state.items():
        setattr(metric, name, _restored(stored, getattr(metric, name, None), metric, clips))


def _store(value: Any, metric: Metric) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_store(one, metric) for one in value]
    if type(value) in (tuple, set):
        return {type(value).__name__: [_store(one, metric) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_store(k, metric), _store(v, metric)] for k, v in value.items()]}
    if isinstance(value, Outcome):
        return {"clip": value.name}
    if isinstance(value, Metric):
        return {"metric": state_of(value)}
    if isinstance(value, Tensor):
        return {"tensor": _store_array(value.detach().cpu().numpy())}
    if isinstance(value, np.ndarray | np.generic):
        return {"array": _store_array(np.asarray(value))}
    names = [field.name for field in fields(value)] if is_dataclass(value) else getattr(value, "_fields", ())
    if names and _class_of(type(value).__name__, metric) is type(value):
        stored = {name: _store(getattr(value, name), metric) for name in names}
        return {"record": [type(value).__name__, stored]}
    raise NotStorableError(f"what {type(metric).__name__} gathers cannot be stored ({type(value).__name__})")


def _store_array(array: np.ndarray) -> list[Any]:
    if array.size > _MAX_NUMBERS or array.dtype.hasobject:
        raise NotStorableError(f"an array of {array.size} numbers")
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [array.dtype.str, list(array.shape), data]


def _restored(stored: Any, new: Any, metric: Metric, clips: Clips) -> Any:
    """Undo `_store`; `new` is what the new metric has there."""
    if isinstance(stored, list):
        return [_restored(one, None, metric, clips) for one in stored]
    if not isinstance(stored, dict):
        return stored
    ((kind, content),) = stored.items()
    if kind == "dict":
        return _restored_dict(content, new, metric, clips)
    if kind == "metric":
        restore(new, content, clips)
        return new
    if kind == "record":
        made = {name: _restored(one, None, metric, clips) for name, one in content[1].items()}
        return _class_of(content[0], metric)(**made)
    if kind == "clip":
        return clips(content)
    if kind in ("tensor", "array"):
        dtype, shape, data = content
        array = np.frombuffer(base64.b64decode(data), dtype).reshape(shape).copy()
        return torch.from_numpy(array) if kind == "tensor" else array
    items = [_restored(one, None, metric, clips) for one in content]
    return tuple(items) if kind == "tuple" else set(items)


def _restored_dict(content: Any, new: Any, metric: Metric, clips: Clips) -> Any:
    known = new if isinstance(new, dict) else {}
    found = {}
    for stored_key, stored in content:
        key = _restored(stored_key, None, metric, clips)
        found[key] = _restored(stored, known.get(key), metric, clips)
    if not isinstance(new, dict):
        return found
    new.clear()  # which may be a Counter or have a default
    new.update(found)
    return new


def _class_of(name: str, metric: Metric) -> Any:
    return getattr(sys.modules[type(metric).__module__], name, None)
