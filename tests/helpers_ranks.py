"""A process that runs stages of the toy recipe alone and then in several ranks; it imports torch once.

    python helpers_ranks.py WORLD FOLDER STAGE,STAGE SET ...

FOLDER/run is of one process. For each stage, FOLDER/STAGE/run is a copy of it in which WORLD ranks
train that stage again, from what those before it have left; KILLS times one rank is killed at a random
moment, in turn, and all are started again. FOLDER/computed has the rank of each that has computed
features, which are not cached at first. The process must not have computed
anything with threads before it forks, hence one of its own.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers_toy import REGISTRY, write_recipe
from rich.console import Console

from s2vkit.data.array_writers import FolderWriter
from s2vkit.engine.frozen_networks import FrozenNetworks
from s2vkit.engine.run import run_recipe
from s2vkit.recipe.load import load_recipe

COMPUTED = "computed"  # the file that has a line for each feature that a rank has computed
LOCAL = {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def environment(rank: int, world: int, port: int) -> dict[str, str]:
    """Give what torchrun would set for a rank."""
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    return {**LOCAL, "MASTER_PORT": str(port), **{name: str(value) for name, value in places.items()}}


def fork(what: Callable[[], object], **variables: str) -> int:
    """Do something in a child process; gives its process id."""
    child = os.fork()
    if child:
        return child
    os.environ.update(variables)
    try:
        what()
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        os._exit(1)
    os._exit(0)


def end_of(*children: int) -> list[int]:
    """Wait for children; gives their exit codes."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def record_encoding(file: Path) -> None:
    """Have this process note its rank in a file whenever it computes features for the cache."""
    encode = FrozenNetworks.encode

    def noting(self: FrozenNetworks, features: Any, clips: Any, picks: Any, out: Any, *rest: Any) -> None:
        if isinstance(out, FolderWriter):
            with file.open("a") as notes:
                notes.write(f"{os.environ['RANK']}\n")
        encode(self, features, clips, picks, out, *rest)

    FrozenNetworks.encode = noting  # type: ignore[method-assign]


def copy_without(stage: str, folder: Path, place: Path) -> Path:
    """Copy the run of a folder to a place, without what a stage has trained; gives the copy's recipe."""
    shutil.copytree(folder / "run", place / "run")
    shutil.rmtree(place / "run" / "stages" / stage)
    return write_recipe(place)


def main(world: int, folder: Path, stages: list[str], sets: list[str]) -> int:
    """Run everything; gives the greatest exit code."""
    sets = [f"cache={folder}/cache", *sets]

    def train(recipes: dict[str, Path]) -> None:
        if "RANK" in os.environ:
            record_encoding(folder / COMPUTED)
        for stage, recipe in recipes.items():
            loaded = load_recipe(recipe, sets, REGISTRY)
            run_recipe(loaded, console=Console(quiet=True), registry=REGISTRY, stages=(stage,), quiet=True)

    whole = dict.fromkeys(stages, write_recipe(folder))
    if ends := max(end_of(fork(lambda: train(whole)))):
        return ends
    for kind in ("speech", "faces"):
        for features in (folder / "cache").glob(f"{kind}-*"):
            shutil.rmtree(features)
    recipes = {stage: copy_without(stage, folder, folder / stage) for stage in stages}

    def start() -> list[int]:
        port = free_port()
        return [fork(lambda: train(recipes), **environment(rank, world, port)) for rank in range(world)]

    for number in range(int(os.environ.get("KILLS", "0"))):
        ranks = start()
        time.sleep(random.Random(number).uniform(0.5, 6))
        os.kill(ranks.pop(number % world), signal.SIGKILL)
        time.sleep(1)
        for rank in ranks:  # as torchrun ends those that are left
            os.kill(rank, signal.SIGKILL)
        end_of(*ranks)
    return max(map(abs, end_of(*start())))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:]))
