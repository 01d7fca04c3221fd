"""Compiling the networks of a stage by torch.compile, each way they are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

BACKEND = "inductor"  # of torch.compile; tests replace it

ENTRY_POINTS = ("encode", "context", "classify", "maps", "features", "head")
"""Methods of the contracts by which stages call a network, beside the call itself."""


def compile_all(modules: Mapping[str, nn.Module]) -> None:
    """Have every network compiled when it is first called, by whichever entry point."""
    for module in modules.values():
        module.compile(backend=BACKEND)
        for name in _entry_points(module):
            setattr(module, name, torch.compile(getattr(module, name), backend=BACKEND))


def uncompile_all(modules: Mapping[str, nn.Module]) -> None:
    """Have the networks run as they are written again."""
    for module in modules.values():
        module._compiled_call_impl = None
        for name in _entry_points(module):
            vars(module).pop(name, None)


def compiled_calls(modules: Mapping[str, nn.Module]) -> list[str]:
    """Name what `compile_all` compiles of these modules: `generator`, `encoder.context`."""
    return [
        name if not call else f"{name}.{call}"
        for name, module in modules.items()
        for call in ("", *_entry_points(module))
    ]


def reason_of(error: BaseException) -> str:
    """Return why something could not be compiled, in one line: what a compiler raised first."""
    cause = error
    while (inner := getattr(cause, "inner_exception", None) or cause.__cause__) is not None:
        cause = inner
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0]}" if lines else type(cause).__name__


def _entry_points(module: nn.Module) -> Iterator[str]:
    """Return the methods of a network that its own class, not only its contract, defines."""
    for name in ENTRY_POINTS:
        method = getattr(type(module), name, None)
        if callable(method) and not getattr(method, "__module__", "").startswith("s2vkit.interfaces."):
            yield name
