"""The true points of drawn faces: they lie where the drawing has put mouth, eyes, brows and jaw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from s2vkit_landmarks.markup import GROUPS, POINTS
from s2vkit_synthetic.cast import cast
from s2vkit_synthetic.expression import express
from s2vkit_synthetic.mouth import GAPE, Speaking
from s2vkit_synthetic.points import landmarks
from s2vkit_synthetic.portrait import Light, Motion, draw

from s2vkit.interfaces.landmarks import GROUPS as NAMED

SIZE = 96
OPEN = torch.tensor([0.0, 0.25, 0.5, 1.0])
PERSON = cast(1)[0]


def speaking(opening: torch.Tensor) -> Speaking:
    """A mouth that is `opening` (V,) open and else at rest."""
    rest = torch.zeros(len(opening), 1, 1)
    return Speaking(opening.view(-1, 1, 1), rest, rest, rest, rest, rest, rest)


def moving(frames: int, **values: float) -> Motion:
    """A head that stands still but for what is said."""
    given = {"x": 0.0, "y": 0.0, "turn": 0.0, "size": 1.0, "closure": 0.0, "brows": 0.0, **values}
    return Motion(**{name: torch.full((frames,), value) for name, value in given.items()})


def points(opening: torch.Tensor = OPEN, emotion: str = "neutral", **values: float) -> np.ndarray:
    return landmarks(PERSON, express(emotion, 1.0), speaking(opening), moving(len(opening), **values), SIZE)


def pictures(opening: torch.Tensor = OPEN, emotion: str = "neutral", **values: float) -> np.ndarray:
    return draw(
        PERSON,
        express(emotion, 1.0),
        speaking(opening),
        moving(len(opening), **values),
        Light(1.0, 0.0, 0.0),
        size=SIZE,
        noise=torch.Generator().manual_seed(0),
    ).astype(float)


def test_the_markup_names_every_group_of_the_contract():
    assert set(GROUPS) == set(NAMED)
    assert max(place for group in GROUPS.values() for place in group) == POINTS - 1
    lips = {*GROUPS["upper_inner_lip"], *GROUPS["lower_inner_lip"]}
    assert len(lips) == 6
    assert lips < set(GROUPS["lips"])


def test_the_gap_of_the_inner_lips_is_the_opening_that_was_drawn():
    found = points()
    upper, lower = (found[:, GROUPS[f"{lip}_inner_lip"]] for lip in ("upper", "lower"))
    gap = lower[..., 1] - upper[..., 1]
    assert gap[:, 1] == pytest.approx((GAPE * OPEN / 2 * SIZE).numpy(), abs=1e-3)
    assert np.allclose(lower[..., 0], upper[..., 0], atol=1e-3)
    assert np.all(np.diff(gap, axis=0) > 0)


def test_between_the_lips_it_is_dark_and_beyond_them_it_is_not():
    found, frames = points()[3], pictures()[3]
    upper, lower = (found[GROUPS[f"{lip}_inner_lip"][1]] for lip in ("upper", "lower"))
    column = frames[:, round(float(upper[0])), :].mean(1)
    inside = column[int(upper[1]) + 3 : int(lower[1]) - 2]  # below the teeth, above the lip
    assert inside.min() < 60
    assert min(column[int(upper[1]) - 2], column[int(lower[1]) + 2]) > 90


@pytest.mark.parametrize(
    "how", [{"x": 0.1, "y": -0.05}, {"turn": 0.2}, {"size": 1.1}, {"x": 0.05, "turn": -0.15, "size": 0.95}]
)
def test_points_move_as_the_picture_does(how):
    """What is drawn around a point is found around it again after the head has moved."""
    still, moved = points(OPEN[2:3])[0], points(OPEN[2:3], **how)[0]
    before, after = pictures(OPEN[2:3])[0], pictures(OPEN[2:3], **how)[0]
    places = [30, 36, 39, 42, 45, 48, 54, 8]  # nose, corners of eyes and mouth, chin
    assert np.abs(moved - still).max() > 1.5

    def there(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
        columns, rows = (np.clip(at - 0.5, 0, SIZE - 1).round().astype(int)).T
        return np.stack(
            [picture[r - 1 : r + 2, c - 1 : c + 2].mean((0, 1)) for r, c in zip(rows, columns, strict=True)]
        )

    right = np.abs(there(after, moved[places]) - there(before, still[places])).mean()
    wrong = np.abs(there(after, still[places]) - there(before, still[places])).mean()
    assert right < 0.6 * wrong


def test_lids_meet_in_a_blink_and_brows_rise_by_what_was_drawn():
    wide, shut = points(closure=0.0)[0], points(closure=1.0)[0]

    def height(found: np.ndarray) -> float:
        return float(np.mean([found[low, 1] - found[up, 1] for up, low in ((37, 41), (38, 40), (43, 47))]))

    assert height(wide) > 3
    assert abs(height(shut)) < 0.5
    raised = points(brows=0.05)[0]
    brows = [*GROUPS["left_brow"], *GROUPS["right_brow"]]
    assert wide[brows, 1] - raised[brows, 1] == pytest.approx(0.05 / 2 * SIZE, abs=1e-3)
    others = [place for place in range(POINTS) if place not in brows]
    assert np.allclose(wide[others], raised[others], atol=1e-3)


def test_the_chin_drops_with_the_mouth_and_nothing_above_it():
    found = points()
    assert np.all(np.diff(found[:, 8, 1]) > 0.3)
    above = [*range(17, 48), 0, 16]
    assert np.allclose(found[0, above], found[3, above], atol=1e-3)


@pytest.mark.parametrize("emotion", ["happiness", "sadness", "anger", "disgust", "fear"])
def test_sides_lie_in_their_order_whoever_is_drawn(emotion):
    for person in cast(12):
        say, motion = speaking(OPEN), moving(len(OPEN))
        found = landmarks(person, express(emotion, 1.0), say, motion, SIZE)
        assert found.dtype == np.float32
        assert np.all((found > 0) & (found < SIZE))
        middles = [
            found[:, list(GROUPS[f"{side}_{part}"]), 0].mean()
            for part in ("eye", "brow")
            for side in ("left", "right")
        ]
        assert middles[0] < SIZE / 2 < middles[1]
        assert middles[2] < SIZE / 2 < middles[3]
        assert np.all(np.diff(found[:, 48:55, 0], axis=1) > 0)  # the upper lip, from left to right
        assert np.all(np.diff(found[:, :17, 0], axis=1) > 0)  # the jaw
