"""Moonshine's weights out of a model in ONNX Runtime's own format, without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit import InputError, ResourceError, Weights, open_weights

_TYPES = {1: np.float32, 2: np.uint8}  # ONNX's numbers for what is read
_PRODUCTS = ("MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_PLAIN = re.compile(r"(layers\.\d+\.[\w.]+|layer_norm|conv\d)\.(weight|bias)")
_NORM = {"onnx::Mul_": "groupnorm.weight", "onnx::Add_": "groupnorm.bias"}  # folded into two steps
_FUSED = "_add_tensor"  # what fusing adds to a name


def open_moonshine(path: str | Path) -> Weights:
    """Read encoder_model.ort, or a file of tensors, under the names of the published model."""
    return open_weights(path, {".ort": _read})


def _read(path: Path) -> dict[str, Tensor]:
    """Read the matrices of a model, as floats. Raises InputError if it is none of Moonshine's encoder."""
    try:
        found = dict(_tensors(_graph(path)))
    except ResourceError:
        raise
    except Exception as error:  # a damaged buffer sends its reader anywhere
        raise InputError(
            f"{path}: not a readable model of ONNX Runtime: {error or type(error).__name__}",
            hint="install its package again, and see its size",
        ) from error
    if not found:
        raise InputError(f"{path}: is a model, but not Moonshine's encoder", hint="is it the right file?")
    return found


def _graph(path: Path) -> Any:
    try:
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
            InferenceSession,
        )
    except ImportError as error:
        raise ResourceError(
            f"reading {path.name} needs onnxruntime", hint="pip install 's2vkit[people]'"
        ) from error
    if not InferenceSession.InferenceSessionBufferHasIdentifier(content := path.read_bytes(), 0):
        raise ValueError("it does not begin as one")
    return InferenceSession.GetRootAs(content, 0).Model().Graph()


def _tensors(graph: Any) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of the graph under their published names."""
    arrays = dict(_arrays(graph))
    for name, array in arrays.items():
        if array.dtype != np.float32:
            continue
        norm = next((given for start, given in _NORM.items() if name.startswith(start)), None)
        if norm:
            yield norm, _tensor(array.reshape(-1))
        elif name.endswith(_FUSED):
            yield name.removesuffix(_FUSED), _tensor(array)
        elif _PLAIN.fullmatch(name):
            yield name, _tensor(array)
    for i in range(graph.NodesLength()):
        node = graph.Nodes(i)
        if node.OpType().decode() in _PRODUCTS:
            inputs = [node.Inputs(j).decode() for j in range(node.InputsLength())]
            matrix = next(one for one in inputs if one in arrays and one.endswith("_quantized"))
            stem = matrix.removesuffix("_quantized")
            zero, scale = arrays[f"{stem}_zero_point"], arrays[f"{stem}_scale"]
            whole = (arrays[matrix].astype(np.float32) - zero.astype(np.float32)) * scale
            layer, _, _ = node.Name().decode().strip("/").partition("/MatMul")
            yield f"{layer.replace('/', '.')}.weight", _tensor(whole.T)


def _arrays(graph: Any) -> Iterator[tuple[str, np.ndarray]]:
    for i in range(graph.InitializersLength()):
        tensor = graph.Initializers(i)
        if tensor.DataType() in _TYPES:
            shape = [int(tensor.Dims(j)) for j in range(tensor.DimsLength())]
            raw = tensor.RawDataAsNumpy().tobytes()
            yield tensor.Name().decode(), np.frombuffer(raw, _TYPES[tensor.DataType()]).reshape(shape)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32, order="C"))
