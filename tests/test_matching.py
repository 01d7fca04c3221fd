"""Matching voices and faces: a second implementation from the definitions, and known answers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from s2vkit_probes import FaceVerificationOptions
from s2vkit_probes.matching import equal_error_rate, matching, pairs_of, recall_at
from s2vkit_probes.verification import FaceVerification

from s2vkit import InputError, ProbeData

CASES = 1000


def rates(scores, same, threshold):
    """False rejections and false acceptances, where scores from the threshold on are accepted."""
    wanted = [s for s, is_same in zip(scores, same, strict=True) if is_same]
    others = [s for s, is_same in zip(scores, same, strict=True) if not is_same]
    return sum(s < threshold for s in wanted) / len(wanted), sum(s >= threshold for s in others) / len(others)


def error_by_definition(scores, same):
    """Walk over all thresholds to where the two rates meet, on straight lines between them."""
    if all(same) or not any(same):
        return None
    points = [rates(scores, same, t) for t in [*sorted(set(scores)), float("inf")]]
    for (r0, a0), (r1, a1) in zip([(0.0, 1.0), *points], points, strict=False):
        if r1 == a1:
            return r1
        if r1 > a1:
            t = (a0 - r0) / ((a0 - r0) + (r1 - a1))
            return r0 + t * (r1 - r0)
    raise AssertionError("the rates never meet")


def recall_by_definition(likeness, right, k):
    hits = 0
    for row, place in zip(likeness, right, strict=True):
        rivals = [value for column, value in enumerate(row) if column != place and value >= row[place]]
        hits += len(rivals) < k
    return hits / len(likeness)


def match_by_definition(likeness, right, of):
    won, drawn = 0, 0
    for row, place in zip(likeness, right, strict=True):
        others = [value for column, value in enumerate(row) if column != place]
        for rivals in combinations(others, of - 1):
            drawn += 1
            won += all(value < row[place] for value in rivals)
    return won / drawn if drawn else None


def test_every_figure_agrees_with_its_definition_on_made_cases():
    rng = np.random.default_rng(11)
    for number in range(CASES):
        rows, columns = int(rng.integers(1, 6)), int(rng.integers(1, 6))
        digits = 1 if number % 2 else 6  # every other case has ties
        likeness = rng.normal(0, 1, (rows, columns)).round(digits)
        right = rng.integers(0, columns, rows)
        same = (np.arange(columns) == right[:, None]).ravel()
        table = likeness.tolist()
        found = equal_error_rate(likeness.ravel(), same)
        expected = error_by_definition(likeness.ravel().tolist(), same.tolist())
        assert found == expected if expected is None else found == pytest.approx(expected, abs=1e-12)
        for k in (1, 2):
            assert recall_at(likeness, right, k) == pytest.approx(recall_by_definition(table, right, k))
        for of in (2, 3):
            expected = match_by_definition(table, right, of)
            found = matching(likeness, right, of)
            assert found == expected if expected is None else found == pytest.approx(expected)


@pytest.mark.parametrize(("scores", "expected"), [([0.9, 0.8, 0.2, 0.1], 0.0), ([0.1, 0.2, 0.8, 0.9], 1.0)])
def test_a_likeness_that_is_always_right_has_no_error_and_one_always_wrong_nothing_else(scores, expected):
    assert equal_error_rate(np.array(scores), np.array([True, True, False, False])) == expected


def test_within_a_group_only_its_pairs_count():
    likeness = np.arange(6.0).reshape(2, 3)
    scores, same = pairs_of(likeness, ["a", "b"], ["a", "b", "c"], ["f", "m", "f", "m", "m"])
    assert scores.tolist() == [0.0, 4.0, 5.0]
    assert same.tolist() == [True, True, False]


def data(gender_tells):
    """Voices that tell gender alone, or the speaker too; four speakers, three clips each."""
    speakers = [name for name in ("ann", "eve", "bob", "tom") for _ in range(3)]
    gender = ["f" if name in ("ann", "eve") else "m" for name in speakers]
    faces = torch.eye(4)[[("ann", "eve", "bob", "tom").index(name) for name in speakers]]
    voices = faces.clone()
    if gender_tells:
        voices = torch.tensor([[1.0, 1, 0, 0] if g == "f" else [0, 0, 1.0, 1] for g in gender])
        voices += 0.01 * torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    labels = {"identity": speakers, "gender": gender}
    names = [f"c{i}" for i in range(12)]
    return ProbeData(names, labels, voices, {"identity": voices}, {"identity": faces}, None, 16000)


def test_voices_that_tell_the_speaker_are_verified():
    known = data(gender_tells=False)
    score = FaceVerification(FaceVerificationOptions()).probe(known, known)
    assert score.value == 0.0
    assert score.details["match_1_to_2"] == score.details["recall_at_1"] == 1.0
    assert score.chance == 0.5


def test_gender_alone_scores_only_where_it_is_not_balanced():
    known = data(gender_tells=True)
    free = FaceVerification(FaceVerificationOptions()).probe(known, known)
    balanced = FaceVerification(FaceVerificationOptions(within="gender")).probe(known, known)
    assert free.value < 0.3 < balanced.value
    assert balanced.details["match_1_to_2"] == pytest.approx(0.5, abs=0.35)


def test_a_label_that_is_not_there_is_named():
    known = data(gender_tells=False)
    known.labels["emotion"] = ["joy", "anger"] * 6
    with pytest.raises(InputError, match="no label of speakers"):
        FaceVerification(FaceVerificationOptions(within="emotion")).probe(known, known)
    with pytest.raises(InputError, match="no label 'age'"):
        FaceVerification(FaceVerificationOptions(within="age")).probe(known, known)
