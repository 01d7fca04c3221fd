"""Locks and entries of a cache in a process of its own; imports no torch, so that it begins soon."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from s2vkit.data.cache_entries import cached, holding
from s2vkit.files import locked


@contextmanager
def held_by_another(hold: Callable[[str, Connection], None], path: Path) -> Iterator[Callable[[], None]]:
    """Let another process hold something in this block; gives what makes it let go.

    Nothing is waited for by the clock: a process that dies ends the pipe.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=hold, args=(str(path), theirs))
    process.start()
    theirs.close()
    try:
        assert ours.recv() == "held"
        yield lambda: ours.send("let go")
    finally:
        ours.close()
        process.join()
    assert process.exitcode == 0


def hold_lock(path: str, connection: Connection) -> None:
    """Hold a lock until the other side says so."""
    with locked(Path(path), wait=True):
        connection.send("held")
        connection.recv()


def hold_entry(folder: str, connection: Connection) -> None:
    """Use an entry of a cache until the other side says so."""
    with holding(Path(folder), Path(folder).parent / "run"):
        connection.send("held")
        connection.recv()


def make_slowly(folder: str, log: str) -> None:
    """Make an entry, or wait for who makes it; say in `log` if it was made here."""

    def make(part: Path) -> None:
        with Path(log).open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        np.save(part / "a.npy", np.arange(5))

    assert cached(Path(folder), make, "it")["a"].sum() == 10
