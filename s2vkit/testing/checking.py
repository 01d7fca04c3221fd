"""What all checks share: the component under check, and reporting what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from s2vkit.errors import ResourceError
from s2vkit.inference.assembly import build_encoder, encoders_within
from s2vkit.interfaces.batch import Batch
from s2vkit.options import Slot
from s2vkit.registry import Entry, Registry
from s2vkit.testing.abilities import hidden, misspelt

SIZE = 64  # H = W of the images of every check
_CPU = torch.device("cpu")
_DEVICE = ContextVar[torch.device]("_DEVICE")  # where checks compute
_Placed = TypeVar("_Placed", Tensor, nn.Module, Batch)


class ContractError(AssertionError):
    """A component breaks the contract of its kind."""


class MissingPackageError(ResourceError):
    """A component cannot be checked because a package it needs is not installed."""


@dataclass(frozen=True)
class Subject:
    """The component under check."""

    entry: Entry
    target: Any
    options: Any
    registry: Registry

    def build(self, **sizes: Any) -> Any:
        """Build it, from the same random start every time; a network is placed where checks compute.

        Audio encoders that its options hold are built first, as the host does.
        """

        def build(name: str, slot: Slot, **inner: Any) -> Any:
            return self.make(slot, **inner)

        slot = Slot(self.entry.kind, self.entry.name, self.options)
        with seeded():
            inner = {name: build_encoder(one, build) for name, one in encoders_within(slot).items()}
            part = self.target(self.options, **inner, **sizes)
        return place(part) if isinstance(part, nn.Module) else part

    def make(self, slot: Slot, *args: Any, **sizes: Any) -> Any:
        """Build what a slot of its options names."""
        return self.registry.get(slot.kind, slot.use).load()(slot.options, *args, **sizes)

    def require(self, right: Any, problem: str) -> None:
        """Raise ContractError, with the component's name, unless `right`."""
        if not right:
            entry = self.entry
            raise ContractError(f"{entry.kind} '{entry.name}' of {entry.owner}: {problem}")

    def require_contract(self, part: Any, contract: type) -> None:
        """Require a part to derive from its contract and to spell the contract's words as it does."""
        self.require(isinstance(part, contract), f"is not derived from s2vkit.{contract.__name__}")
        for name, ability in misspelt(part, contract):
            self.require(False, f"'{name}' is no word of {contract.__name__}; '{ability}' is")
        for name in hidden(part, contract):
            self.require(False, f"its submodule '{name}' is hidden by {contract.__name__}.{name}: rename it")

    def require_attributes(self, part: Any, **wanted: type | tuple[type, ...]) -> None:
        """Require attributes of these types."""
        for name, kind in wanted.items():
            self.require(hasattr(part, name), f"has no attribute '{name}'")
            value = getattr(part, name)
            right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
            self.require(right, f"its '{name}' is {value!r}, not of {kind}")

    def require_tensor(self, what: str, value: Any, shape: Iterable[int]) -> None:
        """Require a finite float tensor of a shape."""
        shape = tuple(shape)
        self.require(isinstance(value, Tensor), f"{what}: a {type(value).__name__}, no tensor")
        self.require(tuple(value.shape) == shape, f"{what}: shape {tuple(value.shape)}, not {shape}")
        self.require(value.dtype == torch.float32, f"{what}: {value.dtype}, not torch.float32")
        self.require(torch.isfinite(value).all(), f"{what}: not all of it is finite")

    def require_equal(self, what: str, one: Tensor, other: Tensor) -> None:
        """Require two tensors to be alike."""
        alike = one.shape == other.shape and torch.allclose(one, other, rtol=1e-3, atol=1e-4)
        self.require(alike, what)

    def require_gradients(self, what: str, part: nn.Module, *tensors: Tensor) -> None:
        """Require the sum of squares of tensors to reach every parameter of a module."""
        part.zero_grad(set_to_none=True)
        torch.stack([t.square().mean() for t in tensors]).sum().backward()
        for name, parameter in part.named_parameters():
            gradient = parameter.grad
            self.require(gradient is not None, f"{what}: no gradient reaches '{name}'")
            assert gradient is not None
            finite = torch.isfinite(gradient).all()
            self.require(finite, f"{what}: the gradient of '{name}' is not finite")


@contextmanager
def computing_on(device: str) -> Iterator[None]:
    """Have checks compute on a device."""
    before = _DEVICE.set(torch.device(device))
    try:
        yield
    finally:
        _DEVICE.reset(before)


def place(value: _Placed) -> _Placed:
    """Move a tensor, a module or a batch to where checks compute."""
    return value.to(_DEVICE.get(_CPU))


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Draw from a fixed start inside, leaving torch's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def noise(*shape: int, scale: float = 0.5, seed: int = 1) -> Tensor:
    """Draw noise in [-1, 1], the same every time."""
    random = torch.Generator().manual_seed(seed)
    return place((torch.randn(*shape, generator=random) * scale).clamp(-1, 1))
