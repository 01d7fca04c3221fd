"""A process of torchrun's that trains the toy and fails on purpose at steps of a stage.

    torchrun ... helpers_failures.py RECIPE SET ...       FAILURE, FAILS_AT and MARKS say how

FAILS_AT is a list of RANK:STEP, of which each fails in turn; MARKS is a folder of a file for each that did.

`python helpers_failures.py --wait KIND` has two processes wait for each other, first longer than a step may
take, and prints what they say.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from helpers_ranks import end_of, environment, fork, free_port
from helpers_toy import REGISTRY

import s2vkit.engine.checkpoint
import s2vkit.engine.run
import s2vkit.plugins
from s2vkit.cli.guard import guard
from s2vkit.cli.main import cli
from s2vkit.engine.process_group import join_processes
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import TrainingError
from s2vkit.interfaces.batch import Batch

STAGE = "compose"


def hang() -> None:
    """Come to no collective any more."""
    time.sleep(10_000)


def deadlock() -> None:
    """Wait for a message that no process sends."""
    dist.recv(torch.zeros(3), src=1 - dist.get_rank())


def fail() -> None:
    """Raise what nobody expects."""
    raise ArithmeticError("made up")


def fill_the_disk() -> None:
    """Have the next checkpoint find the disk full."""

    def full(*values: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    s2vkit.engine.checkpoint.write_tensors = full  # type: ignore[assignment]


FAILURES: dict[str, Callable[[], object]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exception": fail,
    "hang": hang,
    "deadlock": deadlock,
    "full disk": fill_the_disk,
}


def train(recipe: str, sets: list[str]) -> int:
    """Run a recipe by the command line; gives its exit code."""
    marks = Path(os.environ["MARKS"])
    places = os.environ.get("FAILS_AT", "").split(",")
    rank = os.environ["RANK"]
    do = Trainer._optimize

    def optimize_or_fail(self: Trainer, batches: list[Batch], number: int) -> dict[str, torch.Tensor]:
        failed = len(list(marks.iterdir()))
        if self.name == STAGE and self.state.folder and places[failed : failed + 1] == [f"{rank}:{number}"]:
            (marks / str(failed)).touch()
            FAILURES[os.environ["FAILURE"]]()
        return do(self, batches, number)

    Trainer._optimize = optimize_or_fail  # type: ignore[method-assign]
    s2vkit.plugins.registry = s2vkit.engine.run.installed = lambda: REGISTRY  # type: ignore
    return guard(cli, ["run", recipe, "--stage", STAGE, *sets])


def wait(kind: str) -> int:
    """Have rank 0 reach a collective and rank 1 not."""

    def rank(number: int) -> None:
        group = join_processes()
        with group.first() as leads:
            if leads:  # what takes longer than a step may, as caching does
                time.sleep(1.1 * float(os.environ["S2VKIT_STEP_TIMEOUT"]))
        print(f"rank {number} goes on", flush=True)
        if number:
            FAILURES[kind]()
        try:
            group.share({"loss": torch.ones(())}, now=True)
        except TrainingError as error:
            print(error, flush=True)

    port = free_port()
    ranks = [fork(lambda number=number: rank(number), **environment(number, 2, port)) for number in range(2)]
    end_of(ranks[0])
    os.kill(ranks[1], signal.SIGKILL)
    end_of(ranks[1])
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--wait":
        sys.exit(wait(sys.argv[2]))
    sys.exit(train(sys.argv[1], sys.argv[2:]))
