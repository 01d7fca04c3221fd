"""Varying the real images that teachers and evaluators learn from."""

import pytest
import torch
from s2vkit_stages import ClassifyOptions
from s2vkit_stages.vary import vary

IMAGES = torch.linspace(-0.8, 0.8, 16 * 3 * 12 * 12).view(16, 3, 12, 12)
PLAIN = {"shift": 0, "flip": False, "blur": 0.0, "colour": 0.0, "noise": 0.0}


def _varied(seed: int = 0, **options: float) -> torch.Tensor:
    torch.manual_seed(seed)
    optimizer = {"use": "adam", "lr": 1e-3}
    given = ClassifyOptions.model_construct(optimizer=optimizer, **{**PLAIN, **options})
    return vary(IMAGES, given)


def test_nothing_asked_for_changes_nothing() -> None:
    assert torch.equal(_varied(), IMAGES)


@pytest.mark.parametrize("option", [{"shift": 2}, {"blur": 1.0}, {"colour": 0.4}, {"noise": 0.1}])
def test_each_option_changes_images_within_range_and_by_the_seed(option: dict[str, float]) -> None:
    varied = _varied(**option)
    assert varied.shape == IMAGES.shape
    assert varied.abs().max() <= 1
    assert not torch.allclose(varied, IMAGES)
    assert torch.equal(varied, _varied(**option))
    assert not torch.equal(varied, _varied(1, **option))


def test_some_groups_of_images_are_mirrored_and_the_others_are_as_they_were() -> None:
    pairs = [pair for seed in range(4) for pair in zip(_varied(seed, flip=True), IMAGES, strict=True)]
    mirrored = [torch.equal(varied, image.flip(-1)) for varied, image in pairs]
    plain = [torch.equal(varied, image) for varied, image in pairs]
    assert all(a != b for a, b in zip(mirrored, plain, strict=True))
    assert len(pairs) / 4 < sum(mirrored) < 3 * len(pairs) / 4


def test_images_of_a_batch_are_not_all_varied_alike() -> None:
    torch.manual_seed(0)
    same = torch.zeros(16, 3, 12, 12)
    given = ClassifyOptions.model_construct(**{**PLAIN, "colour": 0.5})
    brightness = vary(same, given).mean((1, 2, 3))
    assert len(brightness.unique()) > 4


def test_grain_is_at_most_as_rough_as_asked() -> None:
    added = _varied(noise=0.05) - IMAGES
    assert 0 < added.std() < 0.05
