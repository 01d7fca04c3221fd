"""Which share of the work is this process's, where several machines do it together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from s2vkit.errors import InputError

_VARIABLES = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"))  # torchrun's, Slurm's


@dataclass(frozen=True)
class Rank:
    """One of `of` processes that share the work; counted from 0."""

    number: int = 0
    of: int = 1

    def has(self, part: int) -> bool:
        """Return whether a numbered part of the work is this one's."""
        return part % self.of == self.number


ALONE = Rank()


def find_rank(text: str | None = None, environment: Mapping[str, str] = os.environ) -> Rank:
    """Read the rank out of "K/N", or else out of torchrun's or Slurm's variables.

    Raises InputError if it is no rank.
    """
    if text is not None:
        return _rank(text, *text.partition("/")[::2])
    for number, of in _VARIABLES:
        if number in environment and of in environment:
            text = f"{number}={environment[number]} {of}={environment[of]}"
            return _rank(text, environment[number], environment[of])
    return Rank()


def _rank(text: str, number: str, of: str) -> Rank:
    try:
        rank = Rank(int(number), int(of))
    except ValueError:
        rank = Rank(-1, 0)
    if not 0 <= rank.number < rank.of:
        raise InputError(f"'{text}' is no rank", hint="write --rank K/N with 0 <= K < N, e.g. --rank 0/4")
    return rank
