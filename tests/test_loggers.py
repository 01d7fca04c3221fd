"""Loggers: what they get of a run, what they need, and the log file of a run."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from helpers_toy import run_toy
from PIL import Image

from s2vkit.engine.callbacks.loggers import Loggers
from s2vkit.engine.log import read_log
from s2vkit.errors import ResourceError
from s2vkit.interfaces.callback import TrainingState

pytestmark = pytest.mark.usefixtures("no_curves")

STAGE = "train_teachers"


def fake(calls):
    """Return a module that notes what is called of it."""

    def noting(name):
        return lambda *values, **named: calls.append((name, *values, named))

    return SimpleNamespace(init=noting("init"), log=noting("log"), finish=noting("finish"), Image=str)


@pytest.fixture
def wandb(monkeypatch):
    calls = []
    monkeypatch.setitem(sys.modules, "wandb", fake(calls))
    return calls


def curves(folder):
    """Read the figures of a stage from its event files: name -> [(step, value)]."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = module.EventAccumulator(str(folder / "run" / "tensorboard" / STAGE))
    found.Reload()
    return {name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_every_logger_of_a_run_gets_what_its_own_log_has(tmp_path, wandb):
    loggers = "loggers={here: tensorboard, there: {use: wandb, every: 2, arguments: {mode: offline}}}"
    how = {"stages": [STAGE], "quiet": True}
    run_toy(tmp_path, loggers, **how)
    lines = read_log(tmp_path / "run" / "stages" / STAGE / "log.jsonl")
    assert curves(tmp_path)["identity"] == [
        (n["step"], pytest.approx(n["identity"], rel=1e-5)) for n in lines
    ]
    assert [call[0] for call in wandb] == ["init", "log", "log", "finish"]
    init, first = wandb[0][-1], wandb[1]
    assert (init["group"], init["name"]) == ("run", f"run {STAGE}")
    assert (init["resume"], init["mode"], init["project"]) == ("allow", "offline", "s2vkit")
    assert init["config"]["seed"] == 1234
    assert first[-1] == {"step": 2}
    assert first[1]["identity"] == pytest.approx(lines[1]["identity"], rel=1e-5)
    run_toy(tmp_path, loggers, f"stages.{STAGE}.steps=6", **how)  # goes on
    assert [step for step, _ in curves(tmp_path)["identity"]] == [1, 2, 3, 4, 5, 6]
    assert wandb[4][-1]["id"] == init["id"]
    log = (tmp_path / "run" / "run.log").read_text()
    assert f"{STAGE} begins" in log
    assert f"{STAGE}: 6 steps" in log


def test_pictures_are_given_when_they_are_drawn(tmp_path):
    seen = []
    logger = SimpleNamespace(
        open=lambda stage: seen.append(stage.step),
        scalars=lambda step, values: None,
        picture=lambda step, name, path: seen.append((step, name)),
        close=lambda: seen.append("closed"),
    )
    samples = tmp_path / "samples"
    samples.mkdir()
    Image.new("RGB", (4, 4)).save(samples / "old.png")
    state = TrainingState("compose", 4, {}, list, tmp_path, step=3)
    callback = Loggers([logger], tmp_path, "run", {})
    callback.on_train_start(state)
    callback.on_metrics(state)
    Image.new("RGB", (4, 4)).save(samples / "over_time.png")
    callback.on_metrics(state)
    callback.on_metrics(state)
    callback.close()
    callback.close()
    assert seen == [3, (3, "over_time"), "closed"]


@pytest.mark.parametrize(
    ("logger", "module", "extra"),
    [
        ("tensorboard", "torch.utils.tensorboard", "tensorboard"),
        ("wandb", "wandb", "wandb"),
        ("{use: wandb, package: trackio}", "trackio", "trackio"),
    ],
)
def test_what_a_logger_needs_is_reported(tmp_path, monkeypatch, logger, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ResourceError, match=f"needs the package {extra}") as caught:
        run_toy(tmp_path, f"loggers={{it: {logger}}}", stages=[STAGE], quiet=True)
    assert f"s2vkit[{extra}]" in caught.value.hint
    assert "ended by ResourceError" in (tmp_path / "run" / "run.log").read_text()
