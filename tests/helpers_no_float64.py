"""A pretended device with real numbers, which has no float64, as an Apple GPU has none.

Its tensors say that they are on `meta`, the one device that every build of torch has beside the
CPU and that autograd knows; what they hold is computed on the CPU. So what depends on numbers
runs too, where fake tensors would stop. What mixes devices fails, as on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
_MIXED = ("_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_")  # as on a GPU


class Float64Error(AssertionError):
    """float64 was asked of a device that has none."""


class LostNumbersError(AssertionError):
    """A tensor of `meta` has no numbers, such as one that torch has made of a list used as an index."""


class MixedDevicesError(AssertionError):
    """Tensors of the CPU and of the pretended device meet."""


class Pretended(Tensor):
    """A tensor of the pretended device; `numbers` has its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> Pretended:
        """Wrap a tensor of the CPU."""
        made = Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            strides=numbers.stride(),
            storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype,
            device=DEVICE,
        )
        made.numbers = numbers
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute where no mode is active, as in the backward pass of another thread."""
        return _compute(function, args, kwargs or {})

    def tolist(self) -> Any:
        """Return plain numbers, which torch refuses of subclasses."""
        return self.numbers.tolist()

    def new_tensor(self, data: Any, **how: Any) -> Tensor:
        """Put numbers on the device; of `meta` torch would drop them."""
        return tensor(data, **{"dtype": self.dtype, "device": DEVICE, **how})


class NoFloat64(TorchDispatchMode):
    """Makes the pretended device known: everything that is put there or made there stays there."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute on the CPU what belongs to either device."""
        return _compute(function, args, kwargs or {})


@contextmanager
def no_float64() -> Iterator[None]:
    """Have the pretended device, known to s2vkit as one without float64."""
    with pytest.MonkeyPatch.context() as patch, NoFloat64():
        patch.setattr("s2vkit.nn.precision.has_float64", lambda device: device != DEVICE)
        patch.setattr(torch, "tensor", tensor)
        patch.setattr(torch._C, "_InferenceMode", lambda mode: torch.no_grad())  # not of subclasses
        patch.setattr(torch, "autocast", lambda *args, **how: nullcontext())  # unknown to meta
        yield


_tensor = torch.tensor


def tensor(data: Any, *, device: Any = None, **how: Any) -> Tensor:
    """Make a tensor as torch does, which would drop the numbers of one on `meta`."""
    made = _tensor(data, **how)
    return made if device is None else made.to(device)


def _compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    if any(value.device == DEVICE and not isinstance(value, Pretended) for value in given):
        raise LostNumbersError(f"{function} is given a tensor without numbers: index by a tensor, not a list")
    pretended = {id(value.numbers): value for value in given if isinstance(value, Pretended)}
    name = function.overloadpacket.__name__
    if pretended and name not in _MIXED:
        strangers = [value for value in given if value.dim() and not isinstance(value, Pretended)]
        if strangers:
            raise MixedDevicesError(f"{name} mixes the device with {strangers[0].dtype} of the CPU")
    there = isinstance(args[0], Pretended) if name == "copy_" else bool(pretended)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]) == DEVICE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    plain_args, plain_kwargs = tree_map(_numbers, (args, kwargs))
    found = function(*plain_args, **plain_kwargs)
    if torch.Tag.inplace_view in function.tags:  # another shape: of the tensor that stands for it too
        with no_dispatch():
            function(*args, **kwargs)
    return tree_map(lambda value: _wrap(value, name, pretended) if there else value, found)


def _numbers(value: Any) -> Any:
    return value.numbers if isinstance(value, Pretended) else value


def _wrap(value: Any, name: str, pretended: dict[int, Pretended]) -> Any:
    if not isinstance(value, Tensor):
        return value
    if id(value) in pretended:  # changed in place
        return pretended[id(value)]
    if value.dtype in (torch.float64, torch.complex128):
        raise Float64Error(f"{name} gives {value.dtype}, which an Apple GPU does not have")
    return Pretended(value)
