"""Every number of the paper's section 3.1, and those its equations name, in the recipe for CREMA-D."""

from __future__ import annotations

import math
from typing import Any

import pytest
from helpers_cli import RECIPES

from s2vkit.recipe.comparison import load_comparison
from s2vkit.recipe.load import load_recipe

CLIPS = 7442  # of CREMA-D: 91 actors, 12 sentences, 6 emotions
SHARES = {"val": 0.15, "test": 0.15}  # training has the other 70 %
TRAINING_CLIPS = CLIPS - sum(round(CLIPS * share) for share in SHARES.values())
EPOCHS = 100

SECTION_3_1 = {
    "stages.compose.optimizers.generator.lr": 3e-4,
    "stages.compose.optimizers.identity.lr": 3e-4,
    "stages.compose.optimizers.frame.lr": 1e-4,
    "stages.compose.optimizers.sync.lr": 1e-5,  # the naturalness discriminator
    "data.use": "cremad",
    "data.sample_rate": 16000,
    "data.fps": 30.0,
    "data.split": "by_clip",  # 70, 15 and 15 % of the clips
    **{
        f"stages.{optimizer}.{key}": value
        for optimizer in (
            "distill.optimizer",
            "compose.optimizers.generator",
            "compose.optimizers.identity",
            "compose.optimizers.frame",
            "compose.optimizers.sync",
        )
        for key, value in {"use": "rmsprop", "schedule": "constant", "warmup": 0}.items()
    },
}
EQUATIONS_AND_3_3 = {
    "stages.distill.losses.match.weight": 0.025,  # lambda of Eq. 2
    "stages.compose.losses.adversarial.use": "lsgan",  # Eqs. 4 to 6
    "stages.compose.losses.similarity.region": "upper",  # Eq. 8, from the nose up
    "stages.compose.losses.gradient.use": "smooth_gradient",  # Eq. 9
    "stages.compose.average": 0.0,
    "audio_encoder.use": "cpc",
    "audio_encoder.summary": "last",  # omega
    "alignment.mode": "linear",
    "alignment.shift": 0.0,
    "stages.evaluate.metrics.ssim.use": "ssim",
    "stages.evaluate.metrics.psnr.use": "psnr",
    "stages.evaluate.metrics.av_confidence.use": "av_confidence",
}


def at(data: dict[str, Any], path: str) -> Any:
    value: Any = data
    for key in path.split("."):
        value = value[key]
    return value


@pytest.fixture(scope="module")
def cremad() -> dict[str, Any]:
    return load_recipe(RECIPES / "cremad.yaml").data


@pytest.mark.parametrize(("path", "number"), {**SECTION_3_1, **EQUATIONS_AND_3_3}.items())
def test_a_setting_of_the_paper_is_in_the_resolved_recipe(path, number, cremad):
    assert at(cremad, path) == number


@pytest.mark.parametrize("stage", ["distill", "compose"])
def test_a_module_is_trained_for_100_epochs(stage, cremad):
    options = at(cremad, f"stages.{stage}")
    epoch = math.ceil(TRAINING_CLIPS / options["batch"])
    assert EPOCHS * epoch <= options["steps"] < (EPOCHS + 1) * epoch
    assert options["accumulate"] == 1


def test_table1_of_cremad_is_three_systems_on_one_corpus_with_one_measure(cremad):
    runs = load_comparison(RECIPES / "table1_cremad.yaml").runs
    assert {run.system for run in runs} == {"sdfa", "s2f_sdfa", "ours"}
    for run in runs:
        data = run.loaded.data
        assert data["data"] == cremad["data"]
        assert data["sync_evaluator"] == cremad["sync_evaluator"]
        assert data["stages"]["evaluate"] == cremad["stages"]["evaluate"]
        compose, ours = data["stages"]["compose"], cremad["stages"]["compose"]
        assert (compose["steps"], compose["batch"]) == (ours["steps"], ours["batch"])
        for optimizer in compose["optimizers"].values():
            assert (optimizer["schedule"], optimizer["warmup"]) == ("constant", 0)
    ours = next(run.loaded.data for run in runs if run.system == "ours")
    assert {k: v for k, v in ours.items() if k not in ("output", "seed")} == {
        k: v for k, v in cremad.items() if k not in ("output", "seed")
    }
