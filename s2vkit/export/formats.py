"""The formats that a model can be exported to: how each is written, and how it is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from s2vkit.errors import ResourceError

if TYPE_CHECKING:
    from torch import Tensor

    from s2vkit.export.parts import Part

    Call = Callable[[Sequence[Tensor]], list[Tensor]]  # the inputs of a part to its outputs
    Write = Callable[[Part, Path, str], None]  # a part, the file, the precision of its weights
    Open = Callable[[Path], Call]


@dataclass(frozen=True)
class Format:
    """A format of files, one for each part of a model."""

    suffix: str
    module: str  # has `write` and `open_part`
    precisions: tuple[str, ...]  # of the stored weights, the default first
    packages: tuple[str, ...] = ()  # that the extra `export` brings
    page: bool = False  # whether the files are put into a page for browsers

    def writer(self) -> Write:
        """Return what writes a part. Raises ResourceError if a package is missing."""
        write: Write = self._load().write
        return write

    def opener(self) -> Open:
        """Return what opens a part's file to be run. Raises ResourceError if a package is missing."""
        opener: Open = self._load().open_part
        return opener

    def _load(self) -> ModuleType:
        if missing := [name for name in self.packages if find_spec(name) is None]:
            raise ResourceError(
                f"exporting needs the package {missing[0]}, which is not installed",
                hint="pip install 's2vkit[export]'",
            )
        return import_module(self.module)


_ONNX = "s2vkit.export.onnx_files"
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
FORMATS = {
    "onnx": Format(".onnx", _ONNX, ("fp32", "fp16", "int8"), _PACKAGES),
    "torch_export": Format(".pt2", "s2vkit.export.torch_export", ("fp32",)),
    "web": Format(".onnx", _ONNX, ("int8", "fp16", "fp32"), _PACKAGES, page=True),
}
