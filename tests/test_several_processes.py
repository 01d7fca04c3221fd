"""Several processes train as one: the same steps, to rounding, and one of them writes."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from helpers_cli import start
from helpers_ranks import COMPUTED
from helpers_toy import load_toy, run_toy, write_recipe
from safetensors.torch import load_file

from s2vkit.engine import process_group
from s2vkit.engine.log import read_log
from s2vkit.engine.process_group import ProcessGroup
from s2vkit.engine.whole_batch import WholeBatch
from s2vkit.errors import RecipeError
from s2vkit.interfaces.data_parallel import Part, computing_on, draw_rows, means_over_processes

HERE = Path(__file__).parent
SOFT = '"eps": 1.0'  # without it, an optimizer makes whole steps of what is only rounding
SETS = (
    'audio_encoder={"use": "cpc", "channels": 16}',
    'stages.pretrain={"use": "contrastive", "steps": 2, "batch": 4, "sampling": "uniform", "negatives": 8,'
    f' "predictor": "linear", "score": "scaled", "optimizer": {{"use": "adam", "lr": 0.001, {SOFT}}}}}',
    *(f"stages.{name}.steps=2" for name in ("train_teachers", "train_evaluators", "distill", "compose")),
    "stages.pretrain_mouth.steps=2",
    f'stages.pretrain_mouth.optimizer={{"use": "adamw", "lr": 0.001, {SOFT}}}',
    *(
        f'stages.train_{name}.optimizer={{"use": "adam", "lr": 0.001, {SOFT}}}'
        for name in ("teachers", "evaluators")
    ),
    f'stages.distill.optimizer={{"use": "rmsprop", "lr": 0.1, {SOFT}}}',
    'stages.distill.losses.apart={"use": "decorrelate"}',
    "stages.distill.segments=2",
    "stages.compose.batch=4",
    "stages.compose.accumulate=2",
    "stages.compose.samples=0",
    "stages.compose.losses.perceptual.weight=1.0",
    'stages.compose.losses.adversarial={"use": "lsgan", "penalty": "gradient", "penalty_every": 2}',
    *(
        f'stages.compose.optimizers.{name}={{"use": "rmsprop", "lr": 0.0001, {SOFT}, "schedule": "cosine"}}'
        for name in ("generator", "identity", "frame", "sync")
    ),
)
QUICK = "compose"
ALL = "pretrain,train_teachers,train_evaluators,distill,pretrain_mouth,compose"
thorough = pytest.mark.skipif("S2VKIT_DISTRIBUTED" not in os.environ, reason="nox -s distributed")


def run_ranks(folder: Path, world: int, stages: str, *sets: str, kills: int = 0) -> None:
    command = [sys.executable, str(HERE / "helpers_ranks.py"), str(world), str(folder), stages, *sets]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "KILLS": str(kills)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert kills or done.stderr == ""


def compare(folder: Path, stage: str) -> None:
    """Hold the weights and the metrics of a stage against those of one process."""
    alone, together = folder / "run" / "stages" / stage, folder / stage / "run" / "stages" / stage
    ours, theirs = (load_file(one / "weights.safetensors") for one in (alone, together))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        slack = 1e-4 + 5e-4 * float(value.abs().max())  # a bias before a norm has rounding for a gradient
        assert torch.allclose(theirs[name], value, rtol=1e-4, atol=slack), f"{stage}: {name}"
    first, other = (read_log(one / "log.jsonl")[0] for one in (alone, together))
    assert first.keys() == other.keys()
    wrong = {
        name: (value, other[name])
        for name, value in first.items()
        if name != "seconds" and other[name] != pytest.approx(value, rel=5e-4, abs=_slack(name))
    }
    assert wrong == {}


def _slack(name: str) -> float:
    return 0.01 if "accuracy" in name else 1e-4  # rounding may turn the order of two equal scores


def test_two_processes_train_as_one(tmp_path):
    run_ranks(tmp_path, 2, QUICK, *SETS, "stages.pretrain=null", "audio_encoder=logmel")
    compare(tmp_path, QUICK)
    ranks = (tmp_path / COMPUTED).read_text().split()
    assert ranks.count("0") == ranks.count("1") > 0  # each of its share of the clips


def test_two_processes_evaluate_as_one(tmp_path):
    run_ranks(tmp_path, 2, "evaluate", *SETS, "stages.pretrain=null", "audio_encoder=logmel")
    for name in ("metrics.json", "clips.csv"):
        alone, together = tmp_path / "run" / name, tmp_path / "evaluate" / "run" / name
        assert together.read_text() == alone.read_text()
        assert together.stat().st_mtime_ns > alone.stat().st_mtime_ns  # it was copied, and written again


def test_a_process_that_has_read_another_recipe_than_rank_0_is_reported(tmp_path, monkeypatch):
    class Follower(ProcessGroup):
        part = Part(1, 2)

        def from_leader(self, value):
            return load_toy(tmp_path, "stages.compose.steps=5").data, "fp32"

    monkeypatch.setattr("s2vkit.engine.run.join_processes", Follower)
    with pytest.raises(RecipeError, match="rank 1 has read another recipe than rank 0"):
        run_toy(tmp_path)


@thorough
@pytest.mark.parametrize("world", [2, 3, 4])
def test_every_stage_is_the_same_in_several_processes(tmp_path, world):
    stages = (*ALL.split(","), "pretrain_sync")
    batches = [f"stages.{name}.batch=6" for name in stages] if world == 3 else []
    run_ranks(tmp_path, world, ALL, *SETS, *batches)
    for stage in ALL.split(","):
        compare(tmp_path, stage)


@thorough
def test_local_batch_norm_has_the_mean_of_the_statistics_of_each_process(tmp_path):
    stage, key = "train_teachers", "running_mean"
    run_ranks(tmp_path, 2, stage, *SETS, f"stages.{stage}.steps=1", "compute.batch_norm=local")
    alone, together = tmp_path / "run" / "stages" / stage, tmp_path / stage / "run" / "stages" / stage
    ours, theirs = (load_file(one / "weights.safetensors") for one in (alone, together))
    first = next(name for name in ours if name.endswith(key))  # what it normalises is the same in both
    assert torch.allclose(theirs[first], ours[first], rtol=1e-4, atol=1e-6)
    variance = first.replace(key, "running_var")
    assert not torch.allclose(theirs[variance], ours[variance], rtol=1e-4)


@thorough
def test_with_local_batch_norm_a_stage_that_has_none_is_the_same(tmp_path):
    run_ranks(tmp_path, 2, "pretrain", *SETS, "compute.batch_norm=local")
    compare(tmp_path, "pretrain")


@thorough
@pytest.mark.parametrize("batch_norm", ["synchronized", "local"])
def test_a_rank_that_is_killed_at_any_moment_loses_nothing(tmp_path, batch_norm):
    norm = f"compute.batch_norm={batch_norm}"
    sets = (*SETS, "checkpoint_seconds=0.001", "stages.compose.steps=40", norm)
    for name, kills in (("unbroken", 0), ("broken", 3)):
        run_ranks(tmp_path / name, 2, QUICK, *sets, kills=kills)
    place = Path(QUICK) / "run" / "stages" / QUICK / "weights.safetensors"
    unbroken, broken = ((tmp_path / name / place).read_bytes() for name in ("unbroken", "broken"))
    assert broken == unbroken


def test_a_batch_that_cannot_be_shared_equally_is_reported(tmp_path):
    called = start("run", write_recipe(tmp_path), "--devices", 3, "--set", "data=synthetic")
    assert called.code == 3
    assert "stages.train_teachers.batch is 4, which 3 processes cannot share equally" in called.err
    assert not (tmp_path / "run").exists()


def test_the_part_of_a_batch_is_its_rows():
    assert Part(1, 4).rows(8) == slice(2, 4)
    torch.manual_seed(0)
    whole = torch.rand(8)
    drawn = []
    for rank in range(4):
        torch.manual_seed(0)
        drawn.append(draw_rows(torch.rand, 2, Part(rank, 4)))
    assert torch.equal(torch.cat(drawn), whole)


def test_dropout_draws_for_the_whole_batch():
    torch.manual_seed(0)
    whole = torch.nn.functional.dropout(torch.ones(8, 5), 0.4)
    parts = []
    for rank in range(2):
        torch.manual_seed(0)
        with computing_on(Part(rank, 2)), WholeBatch():
            parts.append(torch.nn.Dropout(0.4)(torch.ones(4, 5)))
    assert torch.equal(torch.cat(parts), whole)


def test_local_batch_norm_is_torchs_own():
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    alone, local = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    with computing_on(Part(0, 2)), WholeBatch(local_batch_norm=True):
        made = local(x)  # would wait for another process, if it asked for one
    assert torch.equal(made, alone(x))
    assert torch.equal(local.running_var, alone.running_var)


def test_where_nothing_is_averaged_no_process_is_asked():
    with computing_on(Part(0, 2)):  # a stage without batch norm has no statistics
        assert means_over_processes([]) == []


def test_torchs_functions_come_back_after_an_error():
    before = torch.nn.functional.batch_norm, torch.nn.functional.dropout
    with pytest.raises(RuntimeError, match="expand"), WholeBatch():
        torch.nn.functional.dropout(torch.ones(2), 0.5).expand(3)
    assert (torch.nn.functional.batch_norm, torch.nn.functional.dropout) == before
    with WholeBatch():
        assert torch.nn.functional.batch_norm is not before[0]
        assert torch.nn.functional.dropout is not before[1]


def test_gradients_travel_in_messages_of_some_size_and_order():
    sizes = [10, process_group._PIECE, 3, 4]
    trained = [(torch.nn.Parameter(torch.empty(n)), torch.empty(n)) for n in sizes]
    pieces = list(process_group._pieces(trained))
    assert [len(piece) for piece in pieces] == [2, 2]
    assert [pair for piece in pieces for pair in piece] == trained


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_over_processes_has_the_gradients_of_torchs(affine):
    torch.manual_seed(0)
    x, cotangent = torch.randn(2, 6, 3, 4, 5)
    found = []
    for mode in (WholeBatch(), nullcontext()):
        torch.manual_seed(1)
        layer, given = torch.nn.BatchNorm2d(3, affine=affine), (2 * x + 1).requires_grad_()
        wanted = [given, *layer.parameters()]
        with mode:
            made = layer(given)
            first = torch.autograd.grad(made, wanted, cotangent, retain_graph=True)
            again = torch.autograd.grad(made, given, cotangent, create_graph=True)[0]  # of a penalty
            second = torch.autograd.grad(again.square().sum(), given)[0]
        found.append([made, *first, again, second, *layer.buffers()])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
