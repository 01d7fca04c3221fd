"""Processes that fail in training: the others say so, and started again the run loses nothing.

All of it is `nox -s failures`; it takes a quarter of an hour. The suite has a quick one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_failures import STAGE
from helpers_kill import SETS, interrupted_in
from helpers_ranks import copy_without
from helpers_toy import results, run_toy, write_recipe

from s2vkit.engine.log import read_log
from s2vkit.engine.stop import Stopped
from s2vkit.engine.view import View

pytestmark = pytest.mark.usefixtures("no_curves")

HERE = Path(__file__).parent
STEPS = 20
TRAIN = ("checkpoint_seconds=0.001", f"stages.compose.steps={STEPS}", "stages.evaluate=null")
LIMIT = "60"  # s that a collective of the training may take
MISSED = "another process did not join a collective operation"
RESUMES = "the same command resumes from the last checkpoint"
thorough = pytest.mark.skipif("S2VKIT_FAILURES" not in os.environ, reason="nox -s failures")


def elastic(
    recipe: Path, cache: Path, failure: str = "", *places: str, restarts: int = 0
) -> subprocess.CompletedProcess[str]:
    """Train the toy in two processes of torchrun's, which starts them again after a failure."""
    marks = recipe.parent / "marks"
    marks.mkdir()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [f"--max-restarts={restarts}", str(HERE / "helpers_failures.py")]
    command += [str(recipe), f"cache={cache}", *TRAIN]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "S2VKIT_STEP_TIMEOUT": LIMIT, "MARKS": str(marks)}
    env |= {"FAILURE": failure, "FAILS_AT": ",".join(places)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1200)
    assert len(list(marks.iterdir())) == len(places), done.stderr
    return done


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The folder of a run of two processes that nothing happens to."""
    folder = tmp_path_factory.mktemp("unbroken")
    done = elastic(write_recipe(folder), folder / "cache")
    assert done.returncode == 0, done.stderr
    return folder


def fail(unbroken: Path, folder: Path, *failures: str, restarts: int) -> subprocess.CompletedProcess[str]:
    """Train the last stage of a run again, in two processes that fail: how, and RANK:STEP in turn."""
    recipe = copy_without(STAGE, unbroken, folder)
    return elastic(recipe, unbroken / "cache", *failures, restarts=restarts)


def weights(folder: Path) -> dict[str, bytes]:
    """Return what each stage has trained, and the steps that its log has."""
    found = {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("run/stages/*/weights.safetensors")
    }
    steps = [line["step"] for line in read_log(folder / "run" / "stages" / "compose" / "log.jsonl")]
    assert steps == list(range(1, STEPS + 1))
    return found


@pytest.mark.parametrize("kind", ["hang", pytest.param("deadlock", marks=thorough)])
def test_a_process_that_does_not_come_is_reported(kind):
    command = [sys.executable, str(HERE / "helpers_failures.py"), "--wait", kind]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "S2VKIT_STEP_TIMEOUT": "2"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "rank 1 goes on" in done.stdout
    assert f"rank 0 of 2: {MISSED} within 2 s" in done.stdout, done.stderr
    assert RESUMES in done.stdout


@thorough
@pytest.mark.parametrize(
    ("failure", "rank", "said"),
    [
        ("SIGSEGV", 1, "the connection to another process is lost"),
        ("exception", 1, "unexpected ArithmeticError: made up"),
        ("exception", 0, "unexpected ArithmeticError: made up"),
        ("hang", 1, MISSED),
        ("deadlock", 1, MISSED),
        ("full disk", 0, "no space left on the disk"),
    ],
)
def test_a_failure_of_one_process_loses_nothing(tmp_path, unbroken, failure, rank, said):
    done = fail(unbroken, tmp_path, failure, f"{rank}:5", restarts=1)
    assert said in done.stderr
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path) == weights(unbroken)


@thorough
def test_a_collective_that_a_process_never_enters_ends_the_job_with_one_message(tmp_path, unbroken):
    done = fail(unbroken, tmp_path, "hang", "1:5", restarts=0)
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1
    assert f"error: rank 0 of 2: {MISSED} within {LIMIT} s" in done.stderr
    assert RESUMES in done.stderr


@thorough
@pytest.mark.parametrize("seed", range(4))
def test_ranks_that_are_killed_are_started_again_by_torchrun(tmp_path, unbroken, seed):
    draw = random.Random(seed)
    places = [f"{draw.randrange(2)}:{step}" for step in sorted(draw.sample(range(STEPS), 5))]
    done = fail(unbroken, tmp_path, "SIGKILL", *places, restarts=5)
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path) == weights(unbroken)


@thorough
@pytest.mark.parametrize(
    ("change", "stage"),
    [
        ("stages.compose.losses.similarity.weight=5", "compose"),
        ("generator.width=24", "compose"),
        ("generator.width=24", "train_teachers"),
    ],
)
def test_a_recipe_that_is_changed_while_its_run_is_stopped_is_run_as_it_is_then(
    tmp_path, monkeypatch, change, stage
):
    run_toy(tmp_path / "whole", *SETS, change)
    with monkeypatch.context() as patch:
        patch.setattr(View, "advance", interrupted_in(stage, View.advance))
        with pytest.raises(Stopped):
            run_toy(tmp_path / "stopped", *SETS)
    run_toy(tmp_path / "stopped", *SETS, change)
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


@thorough
def test_fifty_kills_over_whole_runs_of_tiny_change_nothing(tmp_path):
    command = [sys.executable, str(HERE / "helpers_kill.py"), str(tmp_path), "5", "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said["ends"]) == {0, signal.SIGKILL}, done.stderr
    assert len(said["phases"]) == 50
    assert len(said["runs"]) > 1
    assert len(set(said["runs"])) == 1
