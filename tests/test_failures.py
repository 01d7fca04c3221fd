"""Processes that fail in training: the others say so, and started again the run loses nothing.

All of it is `nox -s failures`; it takes a quarter of an hour. The suite has a quick one.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_kill import SETS
from helpers_toy import results, run_toy, write_recipe

from s2vkit.engine.log import read_log

HERE = Path(__file__).parent
STEPS = 12
TRAIN = ("checkpoint_seconds=0.001", f"stages.compose.steps={STEPS}", "stages.evaluate=null")
STRUCK = int(os.environ.get("S2VKIT_KILLS", "20"))
thorough = pytest.mark.skipif("S2VKIT_FAILURES" not in os.environ, reason="nox -s failures")


def elastic(folder: Path, restarts: int, **failure: str) -> subprocess.CompletedProcess[str]:
    """Train the toy in two processes of torchrun's, which starts them again after a failure."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += [f"--max-restarts={restarts}", str(HERE / "helpers_failures.py")]
    command += [str(write_recipe(folder)), *TRAIN]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "S2VKIT_STEP_TIMEOUT": "40", "MARK": str(folder / "mark")}
    return subprocess.run(command, env={**env, **failure}, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What two processes leave that nothing happens to."""
    folder = tmp_path_factory.mktemp("unbroken")
    done = elastic(folder, 0)
    assert done.returncode == 0, done.stderr
    return weights(folder)


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
    assert "rank 0 of 2: the other processes do not answer" in done.stdout, done.stderr
    assert "the same command goes on from the last checkpoint" in done.stdout


@thorough
@pytest.mark.parametrize(
    ("failure", "rank", "said"),
    [
        ("SIGSEGV", 1, "the other processes do not answer"),
        ("exception", 1, "unexpected ArithmeticError: made up"),
        ("exception", 0, "unexpected ArithmeticError: made up"),
        ("hang", 1, "the other processes do not answer"),
        ("deadlock", 1, "the other processes do not answer"),
        ("full disk", 0, "no space left on the disk"),
    ],
)
def test_a_failure_of_one_process_loses_nothing(tmp_path, unbroken, failure, rank, said):
    done = elastic(tmp_path, 1, FAILURE=failure, RANK_FAILS=str(rank), STEP_FAILS="5")
    assert (tmp_path / "mark").exists()
    assert said in done.stderr
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path) == unbroken


@thorough
@pytest.mark.parametrize("number", range(STRUCK))
def test_a_rank_that_is_killed_is_started_again_by_torchrun(tmp_path, unbroken, number):
    at = random.Random(number).randrange(STEPS)
    done = elastic(tmp_path, 1, FAILURE="SIGKILL", RANK_FAILS=str(number % 2), STEP_FAILS=str(at))
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path) == unbroken


@thorough
def test_fifty_kills_over_a_whole_run_change_nothing(tmp_path):
    run_toy(tmp_path / "whole", *SETS)
    command = [sys.executable, str(HERE / "helpers_kill.py"), str(tmp_path / "killed"), "5", "50"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["killed"] == 50
    assert said["end"] == 0, done.stderr
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    assert list(tmp_path.rglob(".*.part*")) == []
