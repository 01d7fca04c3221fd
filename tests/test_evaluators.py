"""Several evaluators of one label: whom a name stands for, who trains them, what they say together."""

from __future__ import annotations

import pytest
import torch
from helpers_toy import load_toy, metrics, results_in, run_toy
from s2vkit_metrics import AccuracyOptions
from s2vkit_metrics.evaluated import EmotionAccuracy
from s2vkit_metrics.panel import EmotionAgreement

from s2vkit import Options, Outcome, RecipeError
from s2vkit.errors import InputError
from s2vkit.options import label_of_evaluator

SECOND = """
evaluators: {emotion_2: {use: timm, model: lcnet_050, input_size: 32}}
stages:
  second_evaluator: {use: classify, of: evaluator, only: [emotion_2], steps: 2, batch: 4,
                 optimizer: {use: adamw, lr: 1.0e-3}}
  evaluate:
    after: [compose, train_evaluators, second_evaluator]
    metrics:
      again: {use: emotion_accuracy, evaluator: emotion_2}
      emotion_agreement: emotion_agreement
"""


def test_a_further_evaluator_is_named_after_the_first():
    names = ["identity", "emotion", "emotion_2", "emotion_from_file", "mouth_aperture"]
    found = {name: label_of_evaluator(name, names) for name in names}
    assert found == {
        "identity": "identity",
        "emotion": "emotion",
        "emotion_2": "emotion",
        "emotion_from_file": "emotion",
        "mouth_aperture": "mouth_aperture",
    }
    assert label_of_evaluator("emotion_2", ["identity", "emotion_2"]) == "emotion_2"
    assert label_of_evaluator("emotional", names) == "emotional"


def test_a_second_evaluator_leaves_all_work_but_the_measuring_as_it_was(tmp_path):
    before, after = results_in(tmp_path), results_in(tmp_path, more=(SECOND,))
    assert {k for k in before if before[k] != after[k]} == {"evaluate"}
    assert set(after) - set(before) == {"second_evaluator"}


def test_options_that_came_later_leave_old_results_in_as_they_were(tmp_path):
    """At their default nothing changes; set, they count."""
    before = results_in(tmp_path)
    said = "stages.evaluate.metrics.emotion_accuracy"
    assert results_in(tmp_path, f"{said}.evaluator=null", "stages.train_evaluators.only=null") == before
    after = results_in(tmp_path, f"{said}.evaluator=emotion")
    assert {k for k in before if before[k] != after[k]} == {"evaluate"}


def test_a_second_evaluator_that_nobody_trains_is_told(tmp_path):
    with pytest.raises(RecipeError, match=r"evaluators\.emotion_2 has no file") as caught:
        results_in(tmp_path, more=("evaluators: {emotion_2: timm}\n",))
    assert "only: [emotion_2]" in caught.value.hint
    with pytest.raises(RecipeError, match="evaluator 'emotion_3', which is not there"):
        results_in(tmp_path, "stages.second_evaluator.only=[emotion_3]", more=(SECOND,))


def test_a_run_measures_by_each_evaluator_and_by_both(tmp_path):
    run_toy(tmp_path, more=(SECOND,), stages=["evaluate"])
    found = metrics(tmp_path)
    both = found["emotion_agreement"]["details"]
    assert list(both["evaluators"]) == ["emotion", "emotion_2"]
    for name, evaluator in (("emotion_accuracy", "emotion"), ("again", "emotion_2")):
        own, told = found[name], both["evaluators"][evaluator]
        assert told["accuracy"] == own["value"]
        assert told["accuracy_on_real"] == own["on_real"]
        assert told["confusion"] == own["details"]["confusion"]
    assert "ResNet" in both["evaluators"]["emotion"]["evaluator"]
    assert "MobileNetV3" in both["evaluators"]["emotion_2"]["evaluator"]
    assert "the evaluator 'emotion_2'" in found["again"]["definition"]
    assert "the evaluator, trained" in found["emotion_accuracy"]["definition"]


class Sayer(torch.nn.Module):
    """Says what it is told, clip after clip."""

    pretrained, gives, map_shapes, dim = True, "logits", (), 3

    def __init__(self, classes, said):
        super().__init__()
        self.classes, self.said = classes, list(said)

    def classify(self, images):
        """Return logits that name the next class for all frames."""
        place = self.classes.index(self.said.pop(0))
        return torch.eye(len(self.classes))[place].expand(len(images), -1)


def test_agreement_by_hand():
    """Each evaluator is asked of the made and then of the real clip."""
    classes = ("sad", "glad", "cold")
    made = {"emotion": "sad sad glad cold", "emotion_2": "sad glad glad glad"}
    real = {"emotion": "sad sad glad glad", "emotion_2": "sad sad glad cold"}
    evaluators = {
        name: Sayer(
            classes, [w for both in zip(made[name].split(), real[name].split(), strict=True) for w in both]
        )
        for name in made
    }
    metric = EmotionAgreement(Options())
    frames = torch.zeros(2, 3, 4, 4)
    for label in ("sad", "sad", "glad", "glad"):
        metric.update(Outcome("x", frames, frames, {"emotion": label}, evaluators=evaluators))
    metric.update(Outcome("x", frames, frames, {"emotion": "odd"}, evaluators=evaluators))
    score = metric.compute()
    assert (score.value, score.on_real, score.n) == (2 / 4, 3 / 4, 4)
    assert score.chance == pytest.approx((2 * 1 + 1 * 3 + 1 * 0) / 16)
    told = score.details
    assert [told["evaluators"][n]["accuracy"] for n in evaluators] == [3 / 4, 3 / 4]
    assert told["evaluators"]["emotion_2"]["confusion"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert told["pairs"][0]["rows_by_columns"] == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert told["majority"] == {"accuracy": 3 / 4, "accuracy_on_real": 1.0}
    assert told["left_out_unknown_label"] == 1


def test_one_evaluator_alone_agrees_with_nobody():
    evaluators = {"emotion": Sayer(("sad",), ["sad"] * 2)}
    frames = torch.zeros(1, 3, 4, 4)
    with pytest.raises(InputError, match="1 evaluators of emotion, two at least"):
        EmotionAgreement(Options()).update(Outcome("x", frames, frames, {}, evaluators=evaluators))


def test_a_evaluator_may_be_asked_by_name():
    frames = torch.zeros(1, 3, 4, 4)
    evaluators = {
        name: Sayer(("a", "b"), [said] * 2) for name, said in (("emotion", "a"), ("emotion_2", "b"))
    }
    metric = EmotionAccuracy(AccuracyOptions(evaluator="emotion_2"))
    metric.update(Outcome("x", frames, frames, {"emotion": "b"}, evaluators=evaluators))
    assert metric.compute().value == 1


WRONG = """
evaluators: {emotion_2: timm, identity: timm}
stages:
  evaluate:
    metrics:
      one: {use: emotion_accuracy, evaluator: emotion_3}
      two: {use: emotion_accuracy, evaluator: identity}
      three: identity_agreement
      four: emotion_agreement
"""


def test_what_does_not_fit_is_told_before_anything_runs(tmp_path):
    with pytest.raises(RecipeError) as caught:
        load_toy(tmp_path, more=(WRONG,))
    told = str(caught.value)
    assert "metrics.one: metric 'emotion_accuracy' asks the evaluator 'emotion_3', which is not" in told
    assert "metrics.two: metric 'emotion_accuracy' asks the evaluator 'identity', who knows id" in told
    assert "evaluators of emotion: emotion, emotion_2" in told
    assert "metrics.three: metric 'identity_agreement' compares evaluators of 'identity', and" in told
    assert "metrics.four" not in told
