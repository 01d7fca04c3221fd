"""Keras' HDF5 file of mini-XCEPTION, read by h5py: arrays of floats, under this network's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit import InputError, ResourceError, Weights, open_weights

_ROOT = "model_weights"
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
_NORMS = ("shortcut_bn", "bn1", "bn2")  # of a block, in the order that Keras numbers them
_BLOCKS, _IN_FRONT = 4, 2  # blocks; convolutions, each with its norm, before them


def open_keras(path: str | Path) -> Weights:
    """Read emotion_model.hdf5, or the same converted, under this network's names.

    Raises InputError if the file is absent or no HDF5 file of Keras, ResourceError without h5py.
    """
    return open_weights(path, dict.fromkeys((".hdf5", ".h5"), _renamed))


def _renamed(path: Path) -> dict[str, Tensor]:
    found = {}
    for key, array in _arrays(path).items():
        layer, kind = key.partition("/")[0], key.rpartition("/")[2].removesuffix(":0")
        found[name_of(layer, kind) or key] = _turned(torch.from_numpy(array), kind)
    if not found:
        raise InputError(f"{path}: holds no weights of Keras", hint="is it the right file?")
    return found


def name_of(layer: str, kind: str) -> str | None:
    """Return the name here of a tensor of a layer, as Keras numbers layers; None if it is not ours."""
    match = re.fullmatch(r"(conv2d|batch_normalization|separable_conv2d)_([1-9]\d?)", layer)
    if match is None:
        return None
    what, number = match[1], int(match[2]) - 1
    if what == "separable_conv2d":
        part = {"depthwise_kernel": "depth", "pointwise_kernel": "point"}.get(kind)
        return part and f"blocks.{number // 2}.{part}{number % 2 + 1}.weight"
    inner = number - _IN_FRONT
    if what == "conv2d":
        last = "weight" if kind == "kernel" else kind
        at = f"blocks.{inner}.shortcut" if inner < _BLOCKS else "head"
        return f"conv{number + 1}.{last}" if inner < 0 else f"{at}.{last}"
    at = f"bn{number + 1}" if inner < 0 else f"blocks.{inner // 3}.{_NORMS[inner % 3]}"
    return kind and f"{at}.{_NORM.get(kind, kind)}"


def _turned(tensor: Tensor, kind: str) -> Tensor:
    """Turn Keras' (height, width, in, out) into torch's order; of a depthwise kernel `in` is the channels."""
    if tensor.ndim != 4:
        return tensor
    order = (2, 3, 0, 1) if kind == "depthwise_kernel" else (3, 2, 0, 1)
    return tensor.permute(order).contiguous()


def _arrays(path: Path) -> dict[str, Any]:
    """Read every array of floats in the file itself; links to other files are not followed."""
    h5py, found = _h5py(), dict[str, Any]()

    def take(name: str, item: Any) -> None:
        own = isinstance(item, h5py.Dataset) and not item.is_virtual and not item.external
        if own and item.dtype.kind == "f":
            found[name] = np.asarray(item[()], np.float32)

    try:
        with h5py.File(path, "r") as file:
            group = file.get(_ROOT, getclass=True, getlink=True)
            if group is h5py.HardLink and isinstance(file[_ROOT], h5py.Group):
                file[_ROOT].visititems(take)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a readable HDF5 file: {str(error).splitlines()[0]}",
            hint="install its package again, and see its size",
        ) from error
    return found


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ResourceError(
            f"a file of Keras is read by the package h5py, which is not installed: {error}",
            hint="pip install 's2vkit[pretrained]'",
        ) from error
    return h5py
