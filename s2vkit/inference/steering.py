"""Control of who speaks and in what mood: codes of one's choice in the place of those heard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from s2vkit.errors import InputError

NEUTRAL = "neutral"  # the label that a strength is counted from, where a side has it
HEARD = "heard"  # in a request: what the speech itself says
Request = str | Mapping[str, float]
"""A label, `label=strength`, several of those with spaces between, or strengths by label."""


@dataclass(frozen=True)
class Steering:
    """The code of one side over time: a share of the heard code, and what is added to it.

    Between its times it is interpolated; before the first and after the last it is constant.
    """

    times: Tensor  # (K,) seconds, increasing
    heard: Tensor  # (K,) the share of the heard code
    added: Tensor  # (K, dim)

    @property
    def needs_speech(self) -> bool:
        """Whether the speech itself has a say."""
        return bool((self.heard != 0).any())

    def code(self, heard: Tensor | None, times: Tensor) -> Tensor:
        """Return the code at times (V,) in seconds: (V, dim), or (1, dim) where it is constant."""
        share, added = self._at(times)
        if not self.needs_speech:
            return added
        assert heard is not None
        return share[:, None] * heard.to(added) + added

    def _at(self, times: Tensor) -> tuple[Tensor, Tensor]:
        if len(self.times) == 1:
            return self.heard, self.added
        right = torch.searchsorted(self.times, times.to(self.times)).clamp(1, len(self.times) - 1)
        start, end = self.times[right - 1], self.times[right]
        part = ((times.to(self.times) - start) / (end - start)).clamp(0, 1).to(self.added)
        return torch.lerp(self.heard[right - 1], self.heard[right], part), torch.lerp(
            self.added[right - 1], self.added[right], part[:, None]
        )

    def to(self, device: torch.device) -> Steering:
        """Return a copy on a device; times stay on the CPU, in double precision."""
        return Steering(self.times, self.heard.to(device), self.added.to(device))


def steer(side: str, codes: Mapping[str, Tensor], request: Request) -> Steering:
    """Turn a request into steering that does not change. Raises InputError."""
    return over_time(side, codes, [(0.0, request)])


def fixed(code: Tensor, strength: float = 1.0) -> Steering:
    """Steer to a code (dim,) of other speech or of a picture, whole or in part."""
    share = torch.tensor([1.0 - strength])
    return Steering(torch.zeros(1, dtype=torch.float64), share, strength * code.float().cpu()[None])


def over_time(side: str, codes: Mapping[str, Tensor], requests: Sequence[tuple[float, Request]]) -> Steering:
    """Turn requests at times in seconds into steering. Raises InputError."""
    parts = [_part(side, codes, read_request(side, request)) for _, request in requests]
    times = torch.tensor([time for time, _ in requests], dtype=torch.float64)
    return Steering(times, torch.tensor([share for share, _ in parts]), torch.stack([c for _, c in parts]))


def _part(side: str, codes: Mapping[str, Tensor], wanted: Mapping[str, float]) -> tuple[float, Tensor]:
    """Return the share of the heard code, and what is added to it."""
    if not codes:
        raise InputError(
            f"this model has no codes of its own for '{side}', so none can be asked for by name",
            hint="run its recipe again: nothing is trained anew, and the codes are added to the model",
        )
    if unknown := [label for label in wanted if label not in codes and label != HEARD]:
        raise InputError(
            f"this model knows no {side} '{unknown[0]}'", hint=f"it knows {_listed(sorted(codes))}"
        )
    rest = 1.0 - math.fsum(wanted.values())
    shares = dict(wanted)
    base = NEUTRAL if NEUTRAL in codes else HEARD
    shares[base] = shares.get(base, 0.0) + rest
    share = shares.pop(HEARD, 0.0)
    added = [strength * codes[label] for label, strength in shares.items()]
    return share, sum(added, torch.zeros_like(next(iter(codes.values()))))


def read_request(side: str, request: Request) -> dict[str, float]:
    """Read strengths by label. Raises InputError if one is no share, or all exceed 1."""
    pairs = (part.rpartition("=") for part in request.split()) if isinstance(request, str) else ()
    found = {label or value: value if label else "1" for label, _, value in pairs}
    found = found if isinstance(request, str) else dict(request)  # type: ignore[arg-type]
    strengths = {label: _strength(side, label, value) for label, value in found.items()}
    if not strengths:
        raise InputError(f"{side}: nothing is asked for", hint=f"for example {side}=LABEL or LABEL=0.7")
    total = math.fsum(strengths.values())
    if total > 1 + 1e-9:
        raise InputError(f"{side}: the strengths {strengths} add up to {total:g}, which is more than 1")
    return strengths


def _strength(side: str, label: str, value: float | str) -> float:
    try:
        strength = float(value)
    except ValueError:
        strength = math.nan
    if not 0 <= strength <= 1:
        raise InputError(f"{side} '{label}': the strength is {value!r}, not a number from 0 to 1")
    return strength


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:24]) + (f" and {len(labels) - 24} more" if len(labels) > 24 else "")
