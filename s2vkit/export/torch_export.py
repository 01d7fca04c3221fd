"""Parts as PyTorch's exported programs, which run without the code that made them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from s2vkit.export.parts import Flat, Part

if TYPE_CHECKING:
    from s2vkit.export.formats import Call


def trace(part: Part) -> ExportedProgram:
    """Turn a part into a graph of operations; the number of frames stays open."""
    frames = Dim("frames", min=1)
    shapes = tuple({1: frames} if name in part.by_frame else None for name in part.inputs)
    with torch.no_grad(), warnings.catch_warnings():
        # PyTorch's recurrent networks keep a list of their weights, which tracing complains about.
        warnings.filterwarnings("ignore", "The tensor attributes", UserWarning)
        return torch.export.export(
            Flat(part.module), tuple(part.inputs.values()), dynamic_shapes=(shapes,), strict=False
        )


def write(part: Part, path: Path, precision: str) -> None:
    """Write a part as .pt2."""
    program = trace(part)
    with warnings.catch_warnings():
        # Of weights that share memory, as a view and its base do, any one is the whole.
        warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
        torch.export.save(program, str(path))


def open_part(path: Path) -> Call:
    """Read a part that `write` wrote."""
    module = torch.export.load(str(path)).module()

    def call(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            found = module(*inputs)
        return [found] if isinstance(found, Tensor) else list(found)

    return call
