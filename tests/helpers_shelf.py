"""Making an entry of a cache in a process of its own; imports no torch, so that it begins soon."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from s2vkit.data.cache_entries import cached


def make_slowly(folder: str, log: str) -> None:
    """Make an entry, or wait for who makes it; say in `log` if it was made here."""

    def make(part: Path) -> None:
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        np.save(part / "a.npy", np.arange(5))

    assert cached(Path(folder), make, "it")["a"].sum() == 10
