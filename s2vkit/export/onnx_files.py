"""Parts as ONNX, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from s2vkit.export.parts import Part
from s2vkit.export.torch_export import trace

if TYPE_CHECKING:
    from s2vkit.export.formats import Call


def write(part: Part, path: Path, precision: str) -> None:
    """Write a part as .onnx, its weights stored in a precision; it computes in fp32."""
    import onnx

    from s2vkit.export.storage import store_weights

    names = {"input_names": list(part.inputs), "output_names": list(part.outputs)}
    program = torch.onnx.export(trace(part), **names, dynamo=True, verbose=False)  # type: ignore[arg-type]
    assert program is not None
    model = program.model_proto
    if precision != "fp32":
        store_weights(model.graph, precision)
    onnx.checker.check_model(model)
    onnx.save_model(model, str(path))


def open_part(path: Path) -> Call:
    """Open a part that `write` wrote, to run on as many CPU threads as PyTorch does."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def call(inputs: Sequence[Tensor]) -> list[Tensor]:
        feed = {name: one.numpy() for name, one in zip(names, inputs, strict=True)}
        return [torch.from_numpy(found) for found in session.run(None, feed)]

    return call
