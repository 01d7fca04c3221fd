"""Eqs. 1 to 3 with their options, by hand; what holds codes apart; what is watched meanwhile."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers_batches import loader_of
from helpers_toy import read_json, run_toy
from s2vkit_losses import DecorrelateOptions, HsicOptions, SoftTargetsOptions
from s2vkit_losses.codes import NormalizedL2, SoftTargets
from s2vkit_losses.independence import Decorrelate, Hsic
from s2vkit_stages.distill import _kinds
from s2vkit_stages.erase import eraser, principal
from s2vkit_stages.held_out import agreement, retrieval
from s2vkit_students import LinearOptions, MlpOptions
from s2vkit_students.students import Linear, Mlp
from safetensors.torch import load_file
from torch import nn

from s2vkit import FrozenFeatures, LossOptions, RecipeError, Targets
from s2vkit.engine.callbacks.starting import Starting
from s2vkit.engine.log import read_log
from s2vkit.engine.sources import Sources
from s2vkit.options import Slot
from s2vkit.plugins import registry
from s2vkit.recipe.check import Checker
from s2vkit.testing.stand_ins import stand_in_clips, stand_in_graph

STUDENT = torch.tensor([[0.0, math.log(3.0)]])  # softmax 1/4, 3/4
TEACHER = torch.tensor([[math.log(4.0), 0.0]])  # softmax 4/5, 1/5


def soft(**options):
    return float(SoftTargets(SoftTargetsOptions(**options))(STUDENT, TEACHER))


# Eqs. 2 and 3


def test_the_teacher_weighs_the_students_logarithm():
    assert soft() == pytest.approx(-(0.8 * math.log(1 / 4) + 0.2 * math.log(3 / 4)))


def test_as_printed_the_student_weighs_the_teachers_logarithm():
    assert soft(direction="as_printed") == pytest.approx(-(0.25 * math.log(0.8) + 0.75 * math.log(0.2)))


def test_the_temperature_divides_both():
    # at T = 2 the odds 1:3 and 4:1 become 1:sqrt(3) and 2:1
    p, q = 1 / (1 + math.sqrt(3)), 2 / 3
    assert soft(temperature=2.0) == pytest.approx(-(q * math.log(p) + (1 - q) * math.log(1 - p)))


def test_only_kd_is_least_at_the_teachers_own_distribution():
    teacher = torch.tensor([[1.0, 0.0, -1.0]])
    for direction, recovered in (("kd", True), ("as_printed", False)):
        loss = SoftTargets(SoftTargetsOptions(direction=direction))
        code = torch.zeros(1, 3, requires_grad=True)
        optimizer = torch.optim.Adam([code], 0.1)
        for _ in range(400):
            optimizer.zero_grad()
            loss(code, teacher).backward()
            optimizer.step()
        there = torch.allclose(code.softmax(1), teacher.softmax(1), atol=1e-2)
        assert there == recovered
        if not recovered:
            assert code.softmax(1)[0, 0] > 0.95  # all on the teacher's first choice


def test_normalised_distance_by_hand():
    made, true = torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[4.0, 3.0], [0.0, -1.0]])
    # 2 - 2 * 24/25, and opposite vectors: 4
    assert float(NormalizedL2(LossOptions())(made, true)) == pytest.approx((2 - 48 / 25 + 4) / 2)


# Independence


def spread(n=64, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_decorrelate_is_the_sum_of_squared_canonical_correlations():
    x, y = spread(200, 3).float(), spread(200, 2, 1).float()
    y[:, 0] += 2 * x[:, 1]
    qx, _ = np.linalg.qr((x - x.mean(0)).numpy())
    qy, _ = np.linalg.qr((y - y.mean(0)).numpy())
    expected = (np.linalg.svd(qx.T @ qy)[1] ** 2).sum() / 200
    found = Decorrelate(DecorrelateOptions(ridge=1e-4))(x, y)
    assert float(found) == pytest.approx(expected, rel=1e-2)


def test_decorrelate_does_not_mind_scale_and_falls_to_nothing():
    loss = Decorrelate(DecorrelateOptions())
    x = spread().float()
    told, mixed = float(loss(x, x[:, :2])), float(loss(x, spread(seed=7).float()))
    assert float(loss(100 * x, 0.01 * x[:, :2])) == pytest.approx(told, rel=1e-3)
    assert told > 3 * mixed
    assert float(loss(x, torch.ones(64, 2))) == pytest.approx(0, abs=1e-6)


def test_hsic_sees_what_no_line_tells():
    x = spread(256, 1).float()
    hsic, line = Hsic(HsicOptions()), Decorrelate(DecorrelateOptions())
    assert float(hsic(x, x.square())) > 0.2
    assert float(hsic(x, spread(256, 1, 3).float())) < 0.02
    assert float(line(x, x.square())) < 0.1 * float(line(x, x))
    assert float(hsic(x, x)) == pytest.approx(1.0, abs=1e-5)
    assert float(hsic(x[:3], x[:3])) == 0.0


def test_hsic_agrees_with_the_sum_over_quadruples():
    """Song et al. 2012: the mean over all quadruples of different clips."""
    from itertools import permutations

    x, y = spread(6, 2), spread(6, 2, 1)
    hsic = Hsic(HsicOptions())
    a, b = hsic._kernel(x), hsic._kernel(y)
    terms = [a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q]) for i, j, q, r in permutations(range(6), 4)]
    from s2vkit_losses.independence import _unbiased

    assert float(_unbiased(a, b)) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-9)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_students_rank_bounds_what_its_codes_span(rank):
    student = Mlp(MlpOptions(hidden=[16], rank=rank), inputs=10, dim=7).eval()
    codes = student(torch.randn(50, 10)).detach()
    assert torch.linalg.matrix_rank(codes - codes.mean(0), rtol=1e-4) == rank


# The stage


def stage(graph=None, **options):
    from s2vkit.recipe.nodes import Source, from_plain
    from s2vkit.recipe.report import Problems

    said = {"use": "distill", "optimizer": {"use": "adam", "lr": 1e-3}, **options}
    problems = Problems()
    node = from_plain({"it": said}, Source("test", "data")).items["it"]
    from s2vkit.options import SlotOf

    slot = Checker(registry(), problems).slot(SlotOf("stage"), node, ())
    problems.raise_any("test")

    def make(slot: Slot):
        return registry().get(slot.kind, slot.use).load()(slot.options)

    graph = graph or stand_in_graph(make)
    graph.make = make
    return registry().get("stage", "distill").load()(slot.options, graph=graph)


def test_terms_are_weighted_and_named_by_side():
    plain = stage(losses={"match": "normalized_l2", "distill": "soft_targets"})
    paper = stage(losses={"match": {"use": "normalized_l2", "weight": 0.025}})
    clips = stand_in_clips(plain)
    torch.manual_seed(0)
    a, b = plain.loss(clips, None), paper.loss(clips, None)
    assert set(a) == {f"{side}.{term}" for side in ("identity", "emotion") for term in ("match", "distill")}
    assert set(b) == {"identity.match", "emotion.match"}
    for name, term in b.items():
        assert term.item() == pytest.approx(0.025 * a[name].item(), rel=1e-5)


def test_through_the_head_codes_are_named_before_they_are_compared():
    graph = stand_in_graph(lambda slot: None)
    teacher = graph.teachers["identity"]
    teacher.head, teacher.has_head = lambda code: 2.0 * code[:, :3], True
    made = stage(graph, losses={"distill": "soft_targets"}, through_head=True)
    clips = stand_in_clips(made)
    code = graph.students["identity"](clips["summary"])
    expected = SoftTargets(SoftTargetsOptions())(2 * code[:, :3], 2 * clips["targets.identity"][:, :3])
    found = made.loss(clips, None)
    assert found["identity.distill"].item() == pytest.approx(expected.item())


def test_a_teacher_without_a_head_is_refused():
    with pytest.raises(RecipeError, match="'identity' has no `head`"):
        stage(losses={"distill": "soft_targets"}, through_head=True)


def test_apart_is_taken_of_codes_without_dropout_and_leaves_the_mode():
    made = stage(losses={"match": "normalized_l2", "apart": {"use": "decorrelate", "weight": 5}})
    graph, modes = made.graph, []
    student = graph.students["identity"]
    student.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    student.train()
    found = made.loss(stand_in_clips(made), None)
    assert modes == [True, False]
    assert student.training
    assert {"identity.apart", "emotion.apart"} < set(found)


# Erasure


def test_erased_features_covary_with_nothing_told_and_others_stay():
    x, other = spread(300, 6), spread(300, 1, 1)
    told = torch.cat([x[:, :1] + 0.1 * other, other], 1)
    project, shift = eraser(x, told, 0.01)
    left = x @ project.T + shift
    assert torch.linalg.matrix_rank(project, rtol=1e-9) == 4
    covaries = (left - left.mean(0)).T @ (told - told.mean(0)) / 300
    torch.testing.assert_close(covaries, torch.zeros_like(covaries), atol=1e-9, rtol=0)
    torch.testing.assert_close(left.mean(0), x.mean(0))
    kept = np.corrcoef(left[:, 5], x[:, 5])[0, 1]
    assert kept > 0.95


def test_erasure_is_the_least_change_that_does_it():
    """Against the weighted least-squares projection: of all that erase, LEACE moves x least."""
    x = spread(200, 4)
    told = x[:, :1] + x[:, 1:2]
    project, shift = eraser(x, told, 1e-6)
    moved = (x @ project.T + shift - x).square().sum()
    # another that erases as well: orthogonal to the direction that covaries
    direction = nn.functional.normalize((x - x.mean(0)).T @ (told - told.mean(0)), dim=0)
    plain = torch.eye(4, dtype=x.dtype) - direction @ direction.T
    assert moved < ((x - x.mean(0)) @ plain.T - (x - x.mean(0))).square().sum() + 1e-9


def test_principal_components_are_as_many_as_hold_the_share():
    x = torch.zeros(100, 5, dtype=torch.float64)
    q, _ = torch.linalg.qr(spread(100, 3) - spread(100, 3).mean(0))
    x[:, :3] = (q - q.mean(0)) * torch.tensor([3.0, 1.0, 0.1])
    assert [principal(x, share).shape[1] for share in (0.5, 0.95, 1.0)] == [1, 2, 3]
    assert principal(torch.ones(9, 4), 0.99).shape == (9, 0)
    still, _ = eraser(x, principal(torch.ones(100, 4), 0.99), 0.01)
    assert torch.equal(still, torch.eye(5, dtype=x.dtype))


@pytest.mark.parametrize("student", ["mlp", "linear"])
def test_after_finish_no_line_tells_what_the_other_teacher_saw(student):
    graph = stand_in_graph(lambda slot: None)
    clips = stand_in_clips(stage(graph, losses={"match": "normalized_l2"}))
    n, (inputs, sides) = 60, (clips["summary"].shape[1], ("identity", "emotion"))
    clips.data["summary"] = spread(n, inputs).float()
    tell = {"identity": clips["summary"][:, :2], "emotion": clips["summary"][:, 2:4]}
    for side in sides:
        clips.data[f"targets.{side}"] = 3 * tell[side] @ spread(2, graph.teachers[side].dim, 5).float()
        kind, options = {"mlp": (Mlp, MlpOptions(hidden=[24])), "linear": (Linear, LinearOptions())}[student]
        graph.students[side] = kind(options, inputs=inputs, dim=graph.students[side].dim).eval()
    before = {side: graph.students[side](clips["summary"]).detach() for side in sides}
    made = stage(graph, losses={"match": "normalized_l2"}, erase=1.0)
    with torch.no_grad():
        made.finish(clips)
    for side, other in (("identity", "emotion"), ("emotion", "identity")):
        seen = made._comparable(other, clips.data[f"targets.{other}"])
        after = graph.students[side](clips["summary"]).detach()
        torch.testing.assert_close(after.mean(0), before[side].mean(0), atol=1e-4, rtol=1e-4)
        covaries = [((c - c.mean(0)).T @ (seen - seen.mean(0))).abs().max() for c in (before[side], after)]
        assert covaries[1] < 1e-3 * covaries[0]


def test_a_student_without_a_last_layer_is_refused_only_if_it_is_asked_for():
    graph = stand_in_graph(lambda slot: None)
    assert stage(graph, losses={"match": "normalized_l2"}).finish_with == 0
    with pytest.raises(RecipeError, match="'identity' has no linear last layer"):
        stage(graph, losses={"match": "normalized_l2"}, erase=0.99)


def test_a_run_erases_once_after_the_last_step(tmp_path):
    from s2vkit.files import remove

    said = ("stages.distill.erase=0.99", "stages.distill.average=0.9")
    run_toy(tmp_path, *said, stages=["distill"])
    folder = tmp_path / "run" / "stages" / "distill"
    erased = load_file(folder / "weights.safetensors")
    trained = load_file(folder / "checkpoint" / "tensors.safetensors")
    moved = {
        k
        for k, v in erased.items()
        if v.is_floating_point()
        and not torch.equal(v, trained[f"module/average.{k.replace('/', '/module.', 1)}"])
    }
    assert {k.split(".")[-1] for k in moved} == {"weight", "bias"}
    assert len(moved) == 4  # the last layer of each student
    for name in ("done.json", "weights.safetensors"):  # as if killed after the last step
        remove(folder / name)
    run_toy(tmp_path, *said, stages=["distill"])
    again = load_file(folder / "weights.safetensors")
    assert all(torch.equal(v, again[k]) for k, v in erased.items())


# What students are shown before the first step

HEARD = ("students.identity.input_norm=discriminant", "students.emotion.input_norm=batch")


def test_a_discriminant_is_learnt_before_the_first_step_and_kept_by_a_longer_run(tmp_path):
    path = tmp_path / "run" / "stages" / "distill" / "weights.safetensors"
    run_toy(tmp_path, *HEARD, "stages.distill.segments=3", stages=["distill"])
    first = load_file(path)
    learnt = {key: value for key, value in first.items() if key.endswith("learnt")}
    assert [key.split("/")[0] for key in learnt] == ["student.identity"]
    assert all(learnt.values())
    axes = next(value for key, value in first.items() if key.endswith("axes"))
    assert int(axes.any(0).sum()) == 3, "two speakers by two emotions"
    run_toy(tmp_path, *HEARD, "stages.distill.segments=3", "stages.distill.steps=8", stages=["distill"])
    longer = load_file(path)
    assert torch.equal(next(value for key, value in longer.items() if key.endswith("axes")), axes)
    assert any(not torch.equal(value, longer[key]) for key, value in first.items())


def test_what_starts_from_a_trained_model_keeps_its_directions(tmp_path):
    run_toy(tmp_path / "old", *HEARD)
    more = (*HEARD, f"start_from.run={tmp_path / 'old' / 'run'}", "data.speakers=3")
    run_toy(tmp_path / "new", *more, stages=["distill"])
    old, new = (
        load_file(tmp_path / which / "run" / "stages" / "distill" / "weights.safetensors")
        for which in ("old", "new")
    )
    place = next(key for key in old if key.endswith("axes"))
    assert torch.equal(old[place], new[place])


@pytest.mark.parametrize(("step", "called"), [(0, True), (3, False)])
def test_a_stage_starts_once(step, called):
    seen = []
    stage = SimpleNamespace(start_with=4, start=seen.append)
    state = SimpleNamespace(step=step)
    Starting(stage, lambda: "clips").on_train_start(state)
    assert seen == (["clips"] if called else [])
    stage.start_with = 0
    Starting(stage, lambda: pytest.fail("no clips were asked for")).on_train_start(state)


def test_clips_are_of_a_kind_if_they_share_every_label_that_all_of_them_have():
    def clips(**labels):
        return SimpleNamespace(
            names=["a", "b", "c", "d"], labels={name: torch.tensor(known) for name, known in labels.items()}
        )

    def alike(*given):
        kinds = _kinds(*given)
        return [kinds.tolist().index(kind) for kind in kinds.tolist()]

    both = ["identity", "emotion"]
    assert alike(clips(identity=[0, 0, 1, 1], emotion=[5, 5, 5, 2]), both) == [0, 0, 2, 3]
    assert alike(clips(identity=[0, 0, 1, 1], emotion=[5, -1, 5, 2]), both) == [0, 1, 2, 3]
    assert alike(clips(identity=[0, 0, 1, 1]), both) == [0, 1, 2, 3]
    assert alike(clips(identity=[0, 0, 1, 1]), ["identity"]) == [0, 0, 2, 2]


# Eq. 1


def test_k_of_m_views_are_drawn_anew_each_step(tmp_path):
    held = 2.0 ** np.arange(2 * 6 * 3, dtype=np.float32).reshape(2, 6, 3)
    record = SimpleNamespace(name="c", labels={}, split="train", frame=0, frames=4, samples=1)
    store = SimpleNamespace(
        clips=[record, record],
        split=lambda name: [0, 1],
        truths={},
        index=SimpleNamespace(labels={}, clips=[record, record]),
    )
    made = stage(
        losses={"match": "normalized_l2"},
        sampled_frames={"emotion": 2},
        cached_frames={"emotion": 6},
        batch=2,
    )
    (target_field,) = (f for f in made.fields if f == Targets("emotion", 2, 6))
    made.fields = (target_field,)
    sources = Sources(store, 16000, {FrozenFeatures("targets", "emotion", 6): {"targets": held}})
    batches = loader_of(sources, made, "distill")
    seen = set()
    for step in range(60):
        target = batches(step)["targets.emotion"]
        again = batches(step)["targets.emotion"]
        assert torch.equal(target, again)
        row = target[:, 0].min().item()
        pairs = [(i, j) for i in range(6) for j in range(i) if held[0, [i, j], 0].mean() == row]
        assert len(pairs) == 1  # a mean of two different views of the clip
        seen.add(pairs[0])
    assert len(seen) > 12  # of the 15 pairs


# What is watched


def test_held_out_figures_by_hand():
    code = torch.tensor([[1.0, 0.1], [0.2, 1.0], [1.0, 0.9]])
    face = torch.tensor([[9.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    found = retrieval(code, face, None)["retrieval"]  # the third finds the first (equal angle)
    assert float(found) == pytest.approx(2 / 3)
    labels = torch.tensor([0, 1, 0])
    assert float(retrieval(code, face, labels)["retrieval"]) == 1.0
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 3.0, 1.0], [5.0, 0.0, 0.0]])
    teacher = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    found = agreement(logits, teacher, torch.tensor([0, 1, -1, 1]), [2, 0])
    assert float(found["as_teacher"]) == pytest.approx(3 / 4)
    # label 0 is class 2, label 1 is class 0: only the last is right; the third has no label
    assert float(found["accuracy"]) == pytest.approx(1 / 3)


def test_held_out_figures_stand_in_the_log_of_a_run(tmp_path):
    run_toy(tmp_path, "stages.distill.validate_every=4", stages=["distill"])
    lines = read_log(tmp_path / "run" / "stages" / "distill" / "log.jsonl")
    steps = [line["step"] for line in lines if "val.identity.retrieval" in line]
    assert steps == [4, 6]  # every fourth, and the last
    assert all(0 <= line["val.emotion.accuracy"] <= 1 for line in lines if line["step"] in steps)
    assert read_json(tmp_path / "run" / "stages" / "distill" / "done.json")
