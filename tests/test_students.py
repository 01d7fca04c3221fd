"""Students and optimizers: sizes, gradients, and what a seed gives."""

import pytest
import torch
from s2vkit_optimizers import AdamOptions, AdamwOptions, RmspropOptions
from s2vkit_optimizers.optimizers import make_adam, make_adamw, make_rmsprop
from s2vkit_students import LinearOptions, MlpOptions, RecollectionOptions
from s2vkit_students.recollection import Recollection
from s2vkit_students.students import Discriminant, Linear, Mlp

from s2vkit import Student


def build(**options):
    torch.manual_seed(0)
    options = MlpOptions(**{"hidden": [16, 12], **options})
    return Mlp(options, inputs=10, dim=7)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("input_norm", ["batch", "layer", "none", "discriminant"])
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
    student.remember(faces, torch.tensor([0, 0, 1, 2, -1]), torch.randn(5, 1, 10))
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
    student.remember(faces, None, torch.randn(9, 1, 10))
    assert torch.equal(student.memory, faces[[0, 4, 8]])


def voices(people, clips, segments, inputs=10, seed=0):
    """Give summaries whose people differ in two directions of little variance, and hardly in others."""
    random = torch.Generator().manual_seed(seed)
    noise = torch.randn(people * clips, segments, inputs, generator=random)
    noise *= torch.cat([torch.full((2,), 0.1), torch.full((inputs - 2,), 9.0)])
    who = torch.arange(people).repeat_interleave(clips)
    angle = 2 * torch.pi * who / people
    noise[..., 0] += angle.cos()[:, None]
    noise[..., 1] += angle.sin()[:, None]
    return who, noise


def nearest(points, others, who):
    means = torch.stack([others[who == one].mean(0) for one in who.unique()])
    return torch.cdist(points, means).argmin(1)


@pytest.mark.parametrize("known", [True, False], ids=["people", "clips"])
def test_a_voice_is_compared_with_voices_and_given_the_face_of_the_nearest(known):
    who, heard = voices(6, 2, 5)
    fresh, asked = voices(6, 3, 1, seed=1)
    student = recollection(input_norm="discriminant", directions=4, by="voice", temperature=0.03)
    student.prepare(heard, who)
    faces = torch.randn(6, 7)
    student.remember(faces[who], who if known else None, heard)
    assert student.count == (6 if known else 12)
    with torch.no_grad():
        given = student(asked[:, 0])
    assert torch.equal(torch.cdist(given, faces).argmin(1), fresh)
    again = recollection(input_norm="discriminant", directions=4, by="voice", temperature=0.03)
    again.load_state_dict(student.state_dict())
    assert torch.equal(again(asked[:, 0]), given)


def test_voices_are_compared_along_a_discriminant_only():
    with pytest.raises(ValueError, match="input_norm: discriminant"):
        RecollectionOptions(by="voice")


@pytest.mark.parametrize("kinds", ["people", "clips"])
def test_a_discriminant_finds_what_varies_little_within_a_clip(kinds):
    who, heard = voices(6, 4, 5)
    fresh, asked = voices(6, 3, 1, seed=1)
    found = Discriminant(10, 4)
    found.learn(heard, who if kinds == "people" else torch.arange(len(who)))
    before = nearest(asked[:, 0], heard.flatten(0, 1), who.repeat_interleave(5))
    after = nearest(found(asked[:, 0]), found(heard.flatten(0, 1)), who.repeat_interleave(5))
    assert (before != fresh).any(), "no discriminant is needed here"
    assert torch.equal(after, fresh)
    within = found(heard) - found(heard).mean(1, keepdim=True)
    spread = within.flatten(0, 1).std(0)
    assert (spread < 1.1).all()
    assert (spread[:2] > 0.4).all(), "the two directions are whitened, but for the shrinkage"


def test_a_discriminant_keeps_what_it_has_learnt_and_saves_it():
    found, again = Discriminant(10, 4), Discriminant(10, 4)
    summary = torch.randn(3, 10)
    assert torch.equal(found(summary), summary[:, :4])
    found.learn(*reversed(voices(6, 4, 5)))
    axes = found.axes.clone()
    found.learn(*reversed(voices(5, 4, 5, seed=3)))
    assert torch.equal(found.axes, axes)
    again.load_state_dict(found.state_dict())
    again.learn(*reversed(voices(5, 4, 5, seed=3)))
    assert torch.equal(again.axes, axes)


@pytest.mark.parametrize(
    ("people", "clips", "directions"), [(1, 1, 1), (1, 3, 1), (2, 1, 1), (4, 1, 3), (9, 2, 6)]
)
def test_a_discriminant_of_few_clips_has_few_directions(people, clips, directions):
    who, heard = voices(people, clips, 1)
    found = Discriminant(10, 6)
    found.learn(heard, who)
    assert found(heard).isfinite().all()
    assert int(found.axes.any(0).sum()) == directions


@pytest.mark.parametrize("kind", ["mlp", "linear", "recollection"])
def test_a_student_with_a_discriminant_learns_behind_it(kind):
    make = {
        "mlp": lambda **options: Mlp(MlpOptions(hidden=[16], **options), inputs=10, dim=7),
        "linear": lambda **options: Linear(LinearOptions(**options), inputs=10, dim=7),
        "recollection": lambda **options: Recollection(
            RecollectionOptions(hidden=[16], **options), inputs=10, dim=7
        ),
    }[kind]
    assert not make(input_norm="batch").prepares
    student = make(input_norm="discriminant", directions=4)
    assert student.prepares
    who, heard = voices(6, 4, 5)
    student.prepare(heard, who)
    student.train()(heard[:, 0]).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
    assert student.eval()(heard[:2, 0]).shape == (2, 7)
    # What varies within a voice alone is hardly heard.
    loud = heard[:, 0] + 9 * torch.nn.functional.one_hot(torch.tensor(5), 10)
    far = (student(loud) - student(heard[:, 0])).norm() / (
        student(heard[:, 0]) - student(heard[:, 0]).mean(0)
    ).norm()
    assert far < 0.5


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
