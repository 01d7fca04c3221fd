"""The recipes that come along: each is valid, and an ablation is a few lines."""

from pathlib import Path

import pytest

from s2vkit.recipe.comparison import load_comparison
from s2vkit.recipe.load import load_recipe

RECIPES = Path(__file__).parent.parent / "recipes"
ABLATIONS = sorted((RECIPES / "ablations").glob("*.yaml"))


COMPARISONS = [
    RECIPES / f"{name}.yaml" for name in ("table1", "table1_tiny", "table1_cremad", "discriminators")
]


@pytest.mark.parametrize("path", sorted({*RECIPES.rglob("*.yaml")} - {*COMPARISONS}), ids=lambda p: p.stem)
def test_a_recipe_is_valid(path):
    assert load_recipe(path).recipe.stages


@pytest.mark.parametrize("path", COMPARISONS, ids=lambda p: p.stem)
def test_a_comparison_is_valid(path):
    assert all(run.loaded.recipe.stages for run in load_comparison(path).runs)


def test_there_is_an_ablation_of_every_part_of_the_game():
    assert {path.stem for path in ABLATIONS} >= {
        "no_identity_discriminator",
        "no_frame_discriminator",
        "no_sync_discriminator",
        "no_identity_branch",
        "no_similarity",
        "no_gradient",
        "hinge",
    }


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda p: p.stem)
def test_an_ablation_is_five_lines_and_changes_something(path):
    assert len(path.read_text().splitlines()) <= 5
    whole = load_recipe(RECIPES / "speech2video.yaml").data
    assert {k: v for k, v in load_recipe(path).data.items() if k != "output"} != {
        k: v for k, v in whole.items() if k != "output"
    }
