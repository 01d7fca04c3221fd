"""Probes: what a linear classifier reads, whose face a voice finds, the maps, and their page."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers_toy import load_toy, metrics, run_toy
from s2vkit_probes import CodeMapOptions, FaceRetrievalOptions, LinearProbeOptions
from s2vkit_probes.linear import LinearProbe
from s2vkit_probes.logistic import Logistic, cross_validated, folds
from s2vkit_probes.maps import CodeMap
from s2vkit_probes.pitch import clip_pitch
from s2vkit_probes.retrieval import FaceRetrieval

from s2vkit import InputError, ProbeData, RecipeError
from s2vkit.report.page import write_page
from s2vkit.report.probes import probe_section


def heard(who, emotions=None, *, codes=None, targets=None, sentence=None, speech=None, rate=16000):
    n = len(who)
    codes = codes or {"identity": torch.zeros(n, 2), "emotion": torch.zeros(n, 2)}
    labels = {"identity": list(who), "emotion": list(emotions or ["calm"] * n)}
    labels["sentence"] = list(sentence or ["a"] * n)
    return ProbeData(
        [f"c{i}" for i in range(n)],
        labels,
        codes["identity"],
        codes,
        targets or {},
        lambda i: speech[i],
        rate,
    )


def draw(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


# The classifier


def test_logistic_is_at_the_least_of_its_error():
    x, y = draw(60, 3, 0).double(), torch.arange(60) % 3
    x[:, 0] += y
    probe = Logistic(x, y, 3, 0.05)
    turned = ((x - x.mean(0)) / x.std(0, correction=0)) @ probe.axes
    weight = probe.weight.clone().requires_grad_()
    error = F.cross_entropy(turned @ weight[1:] + weight[0], y)
    (error + 0.025 * weight[1:].square().sum()).backward()
    assert weight.grad.abs().max() < 1e-4


def test_logistic_does_not_mind_units_nor_dead_or_doubled_dimensions():
    x, y = draw(80, 4, 1), torch.arange(80) % 2
    x[:, 1] += 1.5 * y
    more = torch.cat([1e4 * x, x[:, :1], torch.full((80, 1), 7.0)], 1)
    a, b = Logistic(x, y, 2, 1e-3), Logistic(more, y, 2, 1e-3)
    test = draw(200, 4, 2)
    same = torch.cat([1e4 * test, test[:, :1], torch.full((200, 1), 7.0)], 1)
    assert (a(test) == b(same)).float().mean() > 0.97


def test_folds_keep_groups_together():
    groups = ["a", "b", "c", "a", "d", "e"]
    masks = folds(groups, 4)
    assert len(masks) == 4
    assert sum(m.int() for m in masks).tolist() == [1] * 6
    assert all(bool(m[0]) == bool(m[3]) for m in masks)


def test_more_penalty_is_chosen_where_there_is_only_noise():
    y = torch.arange(60) % 2
    groups = [str(i // 6) for i in range(60)]
    penalty, _ = cross_validated(draw(60, 50, 3), y, 2, groups)
    signal = draw(60, 2, 4) + 5 * y[:, None]
    _, right = cross_validated(signal, y, 2, groups)
    assert penalty >= 1e-3
    assert right == 1.0


# The linear probe


def clips(n, seed, leak):
    """Make clips whose identity code is the speaker's, plus `leak` times the emotion."""
    who, mood = torch.arange(n) % 4, (torch.arange(n) // 4) % 2
    faces = draw(4, 6, 99)
    code = faces[who] + 0.1 * draw(n, 6, seed) + leak * mood[:, None] * draw(1, 6, 98)
    return heard(
        [f"s{i}" for i in who.tolist()],
        [("calm", "mad")[i] for i in mood.tolist()],
        codes={"identity": code},
        targets={"identity": faces[who] + 0.01 * draw(n, 6, seed)},
        sentence=[f"{seed}{i // 8}" for i in range(n)],
    )


@pytest.mark.parametrize(("leak", "least", "most"), [(0.0, 0.3, 0.7), (1.0, 0.95, 1.0)])
def test_a_cross_probe_tells_codes_that_leak_from_those_that_do_not(leak, least, most):
    train, test = clips(160, 1, leak), clips(64, 2, leak)
    own = LinearProbe(LinearProbeOptions(of="identity", on="identity")).probe(train, test)
    cross = LinearProbe(LinearProbeOptions(of="emotion", on="identity")).probe(train, test)
    assert own.value == 1.0
    assert own.chance == 0.25
    assert own.on_real == 1.0
    assert least <= cross.value <= most
    assert cross.chance == 0.5
    assert cross.on_real < 0.75  # the faces themselves do not leak
    assert cross.n == 64
    assert cross.details["probe"] == {"of": "emotion", "on": "identity"}


def test_labels_that_training_never_had_are_read_among_held_out_clips():
    train, test = clips(64, 1, 0.0), clips(64, 2, 0.0)
    test.codes["identity"] = F.one_hot(torch.arange(64) // 8).float()
    score = LinearProbe(LinearProbeOptions(of="sentence", on="identity")).probe(train, test)
    assert "among the held-out clips" in score.definition
    assert score.n == 64
    assert score.value > 0.9


def test_clips_without_the_label_are_left_out_and_unknown_labels_are_told():
    train, test = clips(64, 1, 0.0), clips(32, 2, 0.0)
    test.labels["identity"][:8] = [""] * 8
    assert LinearProbe(LinearProbeOptions(of="identity", on="identity")).probe(train, test).n == 24
    with pytest.raises(InputError, match="no label 'accent'"):
        LinearProbe(LinearProbeOptions(of="accent", on="identity")).probe(train, test)


def hum(hertz, seconds=1.0, rate=16000):
    t = np.arange(int(seconds * rate)) / rate
    return sum(np.sin(2 * np.pi * k * hertz * t) / k for k in (1, 2, 3)).astype(np.float32) * 0.1


def test_pitch_parts_low_voices_from_high_by_speaker():
    # one clip of the low speaker is high: the speaker's median counts
    speech = [hum(100), hum(220), hum(110), hum(230), hum(300), hum(120)]
    part = heard(["al", "bea", "al", "bea", "al", "al"], speech=speech)
    assert clip_pitch(part, 0) == pytest.approx(100, rel=0.05)
    assert clip_pitch(part, 1) == pytest.approx(220, rel=0.05)
    part.codes["identity"] = torch.tensor([[0.0], [1], [0], [1], [0], [0]])
    score = LinearProbe(LinearProbeOptions(of="pitch", on="identity")).probe(part, part)
    assert score.value == 1.0
    assert score.details["classes"] == 2
    assert score.chance == pytest.approx(4 / 6)


def test_the_shortest_clip_has_a_pitch():
    assert math.isfinite(clip_pitch(heard(["al"], speech=[hum(100, 0.02)]), 0))


# Faces from voices


def test_retrieval_by_hand():
    faces = {"identity": torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [-3.0, 0.1]])}
    codes = {"identity": torch.tensor([[5.0, 1.0], [0.1, 1.0], [0.0, 1.0], [-1.0, 0.0]])}
    test = heard(["a", "a", "b", "c"], codes=codes, targets=faces)
    train = heard(["a", "c"], targets={"identity": torch.tensor([[0.0, 1.0], [0.0, 1.0]])})

    def score(**options):
        return FaceRetrieval(FaceRetrievalOptions(**options)).probe(train, test)

    whole = score()  # the second clip of a is nearer to b
    assert (whole.value, whole.n, whole.chance) == (0.75, 4, pytest.approx(1 / 3))
    assert whole.details["top_5"] == 1.0
    assert whole.details["mean_rank"] == pytest.approx(1.25)
    assert score(top=2).value == 1.0
    heard_ones = score(speakers="seen")
    assert (heard_ones.n, heard_ones.value, heard_ones.details["faces"]) == (3, 1.0, 2)
    unseen = score(speakers="unseen")
    assert (unseen.n, unseen.value, unseen.chance) == (1, 1.0, 1.0)
    crowded = score(speakers="unseen", distractors=True)
    assert crowded.details["faces"] == 3


def test_retrieval_of_nobody_is_no_number():
    part = heard(["a"], targets={"identity": torch.ones(1, 2)})
    score = FaceRetrieval(FaceRetrievalOptions(speakers="unseen")).probe(part, part)
    assert math.isnan(score.value)
    assert score.n == 0


# Maps and the page


def test_a_map_holds_the_axes_of_most_variance():
    wide = draw(40, 1, 0) * 9
    code = torch.cat([0.1 * draw(40, 1, 1), wide, 2 * draw(40, 1, 2)], 1)
    test = heard(["a", "b"] * 20, codes={"identity": code})
    score = CodeMap(CodeMapOptions(of="identity", clips=30)).probe(test, test)
    drawn = score.details["map"]
    assert score.value > 0.99
    assert len(drawn["points"]) == len(drawn["labels"]["identity"]) == 30
    chosen = wide[[i * 40 // 30 for i in range(30)], 0].numpy()
    assert abs(np.corrcoef(np.array(drawn["points"])[:, 0], chosen)[0, 1]) > 0.99


def metric(of, on, value, real=None):
    return {
        "value": value,
        "on_real": real,
        "chance": 0.125,
        "n": 9,
        "definition": "d",
        "details": {"probe": {"of": of, "on": on}},
    }


def test_the_page_lays_probes_out_as_a_table_and_draws_maps(tmp_path):
    found = {
        "a": metric("identity", "identity", 0.97, 1.0),
        "b": metric("identity", "emotion", 0.2),
        "m": {
            "value": 0.5,
            "details": {
                "map": {
                    "of": "identity",
                    "points": [[0, 1], [2, 3], [1, 1]],
                    "labels": {"identity": ["<x>", "y", "<x>"]},
                }
            },
        },
    }
    text = probe_section(found)
    assert "97 % (100 %)" in text
    assert "<em>20 %</em>" in text
    assert "12 %" in text
    assert text.count("<svg") == 1
    assert text.count('r="3.2"') == 3
    assert "<x>" not in text
    assert probe_section({"ssim": {"value": 1.0, "details": {}}}) == ""
    (tmp_path / "metrics.json").write_text(json.dumps(found))
    assert "what the codes reveal" in write_page(tmp_path).read_text()


# In a run


PROBES = """
discriminators: {identity: null, frame: null, sync: null}
evaluators: null
stages:
  train_evaluators: null
  compose: null
  evaluate:
    after: [distill]
    metrics:
      identity_accuracy: null
      emotion_accuracy: null
      mouth_aperture_correlation: null
      mouth_movement: null
      face_sharpness: null
      mouth_sharpness: null
      ssim: null
      psnr: null
      who: {use: linear_probe, of: identity, on: identity}
      voice: {use: linear_probe, of: pitch, on: summary}
      face: face_retrieval
      map: {use: code_map, of: emotion}
"""


def test_a_run_that_only_hears_is_measured_and_draws_nothing(tmp_path):
    said = run_toy(tmp_path, more=(PROBES,))
    found = metrics(tmp_path)
    assert list(found) == ["who", "voice", "face", "map"]
    assert found["who"]["n"] == 4
    assert found["face"]["details"]["faces"] == 2
    page = (tmp_path / "run" / "report.html").read_text()
    assert "what the codes reveal" in page
    assert "summary of the speech" in page
    assert not (tmp_path / "run" / "videos").exists()
    assert not (tmp_path / "run" / "model").exists()
    again = run_toy(tmp_path, more=(PROBES,))
    assert "evaluate ..." in said
    assert "evaluate ..." not in again


def test_another_emotion_teacher_makes_probes_run_again_but_not_generators(tmp_path):
    run_toy(tmp_path, more=(PROBES,))
    assert "evaluate ..." not in run_toy(tmp_path, "generator.width=8", more=(PROBES,))
    assert "evaluate ..." in run_toy(tmp_path, "teachers.emotion.grey=false", more=(PROBES,))


def test_probing_a_side_that_is_left_out_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="'map' probes the emotion code"):
        run_toy(tmp_path, "teachers.emotion=null", more=(PROBES,))
    with pytest.raises(RecipeError, match="there is no student"):
        load_toy(tmp_path, "teachers.emotion=null", "teachers.identity=null", more=(PROBES,))
