"""Students and optimizers: sizes, gradients, and what a seed gives."""

import pytest
import torch
from s2vkit_optimizers import AdamOptions, AdamwOptions, RmspropOptions
from s2vkit_optimizers.optimizers import make_adam, make_adamw, make_rmsprop
from s2vkit_students import LinearOptions, MlpOptions, RecollectionOptions
from s2vkit_students.recollection import Recollection
from s2vkit_students.students import Linear, Mlp

from s2vkit import Student


def build(**options):
    torch.manual_seed(0)
    options = MlpOptions(**{"hidden": [16, 12], **options})
    return Mlp(options, inputs=10, dim=7)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("input_norm", ["batch", "layer", "none"])
def test_students_give_their_teachers_size_and_learn_throughout(norm, input_norm):
    student = build(norm=norm, input_norm=input_norm, dropout=0.1)
    assert isinstance(student, Student)
    code = student(torch.randn(6, 10) * 50 + 20)
    assert code.shape == (6, student.dim) == (6, 7)
    (code - torch.randn(6, 7)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
    weights = [p for n, p in student.named_parameters() if n.endswith("weight")]
    assert all(p.grad.any() for p in weights)


def test_the_last_layer_is_linear_so_both_signs_are_met():
    code = build()(torch.randn(32, 10))
    assert (code > 0).any()
    assert (code < 0).any()


def test_a_lone_clip_can_be_learned_from():
    student = build(norm="batch", input_norm="batch").train()
    assert student(torch.randn(1, 10)).isfinite().all()


def test_dropout_rests_in_eval():
    student = build(dropout=0.5).eval()
    x = torch.randn(4, 10)
    assert torch.equal(student(x), student(x))


def test_the_linear_student_is_linear():
    student = Linear(LinearOptions(input_norm="none"), inputs=10, dim=7)
    x, y = torch.randn(2, 4, 10)
    assert isinstance(student, Student)
    assert student.dim == 7
    assert torch.allclose(student(x + y) + student(torch.zeros(4, 10)), student(x) + student(y), atol=1e-5)


def recollection(**options):
    torch.manual_seed(0)
    return Recollection(RecollectionOptions(hidden=[16], **options), inputs=10, dim=7).eval()


def test_a_recollection_is_the_mlp_until_it_remembers():
    student = recollection()
    summary = torch.randn(4, 10)
    assert torch.equal(student(summary), student.layers(summary))


def test_a_voice_snaps_to_the_nearest_face_and_a_new_one_is_a_blend():
    student, faces = recollection(temperature=0.01), torch.randn(5, 7)
    student.remember(faces, torch.tensor([0, 0, 1, 2, -1]))
    means = torch.stack([faces[:2].mean(0), faces[2], faces[3]])
    with torch.no_grad():
        student.layers = torch.nn.Identity()
        torch.testing.assert_close(student(9 * means + 0.1 * torch.randn(3, 7)), means)
        student.temperature = 0.3
        between = student(torch.nn.functional.normalize(means[:2], dim=-1).sum(0, keepdim=True))
    far = (between - means).norm(dim=-1)
    assert far[:2].min() > 0.2 * (means[0] - means[1]).norm()
    assert far[:2].max() < far[2]
    again = recollection()
    again.load_state_dict(student.state_dict(), strict=False)
    assert torch.equal(again.memory, student.memory)
    assert again.count == 3


def test_more_faces_than_slots_are_thinned_and_without_people_each_clip_is_one():
    student, faces = recollection(slots=3), torch.randn(9, 7)
    student.remember(faces, None)
    assert torch.equal(student.memory, faces[[0, 4, 8]])


@pytest.mark.parametrize(
    ("make", "options", "kind", "expected"),
    [
        (
            make_rmsprop,
            RmspropOptions(lr=3e-4, alpha=0.9, eps=1e-6, momentum=0.5, weight_decay=0.1),
            torch.optim.RMSprop,
            {"lr": 3e-4, "alpha": 0.9, "eps": 1e-6, "momentum": 0.5, "weight_decay": 0.1},
        ),
        (
            make_adam,
            AdamOptions(lr=1e-3, beta1=0.5, beta2=0.9, eps=1e-4, weight_decay=0.2),
            torch.optim.Adam,
            {"lr": 1e-3, "betas": (0.5, 0.9), "eps": 1e-4, "weight_decay": 0.2},
        ),
        (
            make_adamw,
            AdamwOptions(lr=1e-3, beta1=0.5),
            torch.optim.AdamW,
            {"lr": 1e-3, "betas": (0.5, 0.999), "weight_decay": 0.01},
        ),
    ],
)
def test_optimizers_take_every_option(make, options, kind, expected):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make(options, [weight])
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {name: group[name] for name in expected} == expected
    weight.square().sum().backward()
    optimizer.step()
    assert (weight < 1).all()
