"""A run that is stopped or killed at any moment goes on, and ends as one that never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers_kill import PHASES, SETS, interrupted_in
from helpers_toy import install_toy, results, run_toy, write_recipe

from s2vkit.engine.stop import Stopped
from s2vkit.engine.view import View
from s2vkit.files import read_json

HERE = Path(__file__).parent
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, no_curves):
    """The results of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    run_toy(folder, *SETS)
    return results(folder)


def test_kill_9_at_any_moment_changes_nothing(tmp_path, whole):
    command = [sys.executable, str(HERE / "helpers_kill.py"), str(tmp_path), "7"]
    done = subprocess.run(command, capture_output=True, text=True, env=ALONE, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["ends"] == [0, 0], done.stderr
    assert done.stderr == ""
    assert len(said["phases"]) >= len(PHASES) - 3, said["phases"]
    assert len(said["operations"]) >= 4
    assert results(tmp_path) == whole
    assert results(tmp_path / "operations") == whole
    assert list(tmp_path.rglob(".*.part*")) == []


@pytest.mark.parametrize("where", ["corpus", "speech features", "train_teachers", "compose", "evaluate"])
def test_ctrl_c_saves_and_the_run_goes_on(tmp_path, whole, monkeypatch, where):
    monkeypatch.setattr(View, "advance", interrupted_in(where, View.advance))
    with pytest.raises(Stopped):
        run_toy(tmp_path, *SETS)
    if where in ("train_teachers", "compose"):
        state = read_json(tmp_path / "run" / "stages" / where / "checkpoint" / "state.json")
        assert state["step"] in (2, 3)
    monkeypatch.undo()
    monkeypatch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
    run_toy(tmp_path, *SETS)
    assert results(tmp_path) == whole


@pytest.mark.parametrize("chosen", ["precision=fp32", "precision=bf16", "precision=auto"])
def test_weights_with_channels_last_go_on_with_their_own_moments(tmp_path, monkeypatch, chosen):
    layout = "auto" if "auto" in chosen else "always"  # `auto`: bf16 and channels last, but stages in fp32
    monkeypatch.setattr("s2vkit.device.bf16_is_native", lambda device: True)
    sets = (*SETS, f"compute.channels_last={layout}", f"compute.{chosen}")
    run_toy(tmp_path / "whole", *sets)
    for phase in ("train_teachers", "train_evaluators", "compose", "evaluate"):  # fused Adam, and RMSprop
        with monkeypatch.context() as patch:
            patch.setattr(View, "advance", interrupted_in(phase, View.advance))
            with pytest.raises(Stopped):
                run_toy(tmp_path / "stopped", *sets)
    run_toy(tmp_path / "stopped", *sets)
    assert results(tmp_path / "stopped") == results(tmp_path / "whole")


def test_ctrl_c_ends_the_command_with_130(tmp_path):
    recipe = write_recipe(tmp_path)
    env = {**ALONE, **install_toy(tmp_path / "site")}
    command = [sys.executable, "-c", "from s2vkit.cli.main import main; main()", "run", recipe]
    command += ["--set", "stages.train_teachers.steps=100000", "--set", "data.pause=0"]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout:
            if line.startswith("  train_teachers: "):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "goes on from the last checkpoint" in err
    assert "Traceback" not in out + err
    checkpoint = tmp_path / "run" / "stages" / "train_teachers" / "checkpoint"
    assert read_json(checkpoint / "state.json")["step"] >= 1


def group_lives(number):
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_end_with_a_killed_run(tmp_path):
    recipe = write_recipe(tmp_path)
    env = {**ALONE, **install_toy(tmp_path / "site")}
    command = [sys.executable, "-c", "from s2vkit.cli.main import main; main()", "run", recipe]
    command += ["--set", "compute.workers=2", "--set", "data.pause=0.2"]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        for line in process.stdout:
            if line.startswith("  corpus: "):  # a first clip has come: both workers are there
                break
        process.kill()
        process.wait()
        process.stdout.read()  # ends when the last process that holds it has ended
    for _ in range(100):
        time.sleep(0.1)
        if not group_lives(process.pid):
            break
    assert not group_lives(process.pid)
    parts = list((tmp_path / "cache").glob("*.parts/*.npz"))
    assert 1 <= len(parts) < 16
