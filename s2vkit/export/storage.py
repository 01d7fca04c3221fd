"""Weights of an ONNX file in half or a quarter of the room; they become fp32 when it is opened.

What computes is fp32 in every case, so no operation has to exist in another precision, nothing
gets slower, and only the rounding of the weights tells the files apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

_LEAST = 1024  # numbers in a tensor that is worth it


def store_weights(graph: GraphProto, precision: str) -> None:
    """Replace every large fp32 weight by one in fp16 or int8, and what restores it. In place."""
    from onnx import TensorProto, numpy_helper

    kept: list[TensorProto] = []
    restoring: list[NodeProto] = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < _LEAST or values.ndim < 2:
            kept.append(weight)
            continue
        tensors, nodes = (_halved if precision == "fp16" else _quartered)(weight.name, values)
        kept += tensors
        restoring += nodes
    nodes = [*restoring, *graph.node]
    for field, items in ((graph.initializer, kept), (graph.node, nodes)):
        del field[:]
        field.extend(items)


def _halved(name: str, values: np.ndarray) -> tuple[list[TensorProto], list[NodeProto]]:
    from onnx import TensorProto, helper, numpy_helper

    stored = numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16")
    return [stored], [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)]


def _quartered(name: str, values: np.ndarray) -> tuple[list[TensorProto], list[NodeProto]]:
    from onnx import TensorProto, helper, numpy_helper

    rounded, scale = quantize(values)
    whole = numpy_helper.from_array(rounded, f"{name}.int8")
    scales = numpy_helper.from_array(scale, f"{name}.scale")
    cast = helper.make_node("Cast", [whole.name], [f"{name}.whole"], to=TensorProto.FLOAT)
    return [whole, scales], [cast, helper.make_node("Mul", [f"{name}.whole", scales.name], [name])]


def quantize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round to int8 with a scale for each channel: of the first two axes, the one that loses less."""
    tried = [_quantize(values, axis) for axis in (0, 1)]
    return min(tried, key=lambda pair: float(((pair[0] * pair[1] - values) ** 2).sum()))


def _quantize(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    others = tuple(i for i in range(values.ndim) if i != axis)
    scale = np.abs(values).max(others, keepdims=True).astype(np.float32) / 127
    scale = np.where(scale > 0, scale, np.float32(1))
    return np.rint(values / scale).astype(np.int8), scale
