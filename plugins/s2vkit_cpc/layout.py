"""How a CPC network is made: read from a file's own tensors, which cannot be wrong about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from s2vkit import InputError, Weights
from s2vkit_cpc import CpcOptions

_GATES = {4: "lstm", 3: "gru", 1: "rnn"}
_AR = "gAR.baseNet."


@dataclass(frozen=True)
class Layout:
    """What a recipe may say of the network, or leave to the file."""

    channels: int = 256
    context: str = "lstm"
    layers: int = 1
    norm: str = "channel"


def layout_without_file(options: CpcOptions) -> Layout:
    """Use the recipe's settings, and the published network's for the rest."""
    given = {one.name: getattr(options, one.name) for one in fields(Layout)}
    return Layout(**{name: value for name, value in given.items() if value is not None})


def layout_of(stored: Weights, options: CpcOptions, path: str) -> Layout:
    """Read the layout from a file; raises InputError if the recipe contradicts it."""
    found = _read(stored.tensors, stored.config, path)
    if found is None:  # so little is there that fitting the weights will say what lacks
        return layout_without_file(options)
    for one in fields(Layout):
        given, is_so = getattr(options, one.name), getattr(found, one.name)
        if given not in (None, is_so):
            raise InputError(
                f"{path}: of its network {one.name} is {is_so}, the recipe says {given}",
                hint=f"set `{one.name}: {is_so}`, or leave it out to take the file's",
            )
    return found


def _read(tensors: Mapping[str, Tensor], config: Mapping[str, Any], path: str) -> Layout | None:
    first = tensors.get("gEncoder.conv0.weight")
    hidden = tensors.get(f"{_AR}weight_hh_l0")
    if first is None or hidden is None or first.dim() != 3 or hidden.dim() != 2:
        _refuse_other_modes(config, path)
        return None
    channels, wide = first.shape[0], hidden.shape[1]
    if channels != wide:
        raise InputError(
            f"{path}: its encoding has {channels} channels and its context {wide}",
            hint="s2vkit's cpc takes files where both are the same, as the published ones",
        )
    context = _GATES.get(hidden.shape[0] // wide, "lstm")
    layers = sum(name.startswith(f"{_AR}weight_ih_l") for name in tensors)
    return Layout(channels, context, layers, _norm(tensors, path))


def _norm(tensors: Mapping[str, Tensor], path: str) -> str:
    weight = tensors.get("gEncoder.batchNorm0.weight")
    if weight is not None and weight.dim() == 3:
        return "channel"
    if "gEncoder.batchNorm0.running_mean" in tensors:
        return "batch"
    if weight is not None and weight.dim() != 1:
        return "channel"  # fitting the weights will say what is wrong with it
    kind = "instanceNorm" if weight is not None else "ID"
    raise InputError(
        f"{path}: was made with normMode '{kind}', which s2vkit's cpc has not",
        hint="files made with layerNorm (the published ones) or batchNorm can be read",
    )


def _refuse_other_modes(config: Mapping[str, Any], path: str) -> None:
    mode = str(config.get("arMode", "LSTM"))
    if mode.lower() not in _GATES.values():
        raise InputError(
            f"{path}: was made with arMode '{mode}', which s2vkit's cpc has not",
            hint="files made with LSTM, GRU or RNN can be read",
        )
