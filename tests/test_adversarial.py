"""Adversarial training: inputs, accuracies, penalties; every part goes with every other."""

from itertools import product

import pytest
import torch
from helpers_toy import run_toy
from s2vkit_composer import ModulatedDecoderOptions
from s2vkit_composer.modulated import ModulatedDecoder
from s2vkit_discriminators import SdfaFrameOptions, SdfaSequenceOptions, SdfaSyncOptions, SpeechSyncOptions
from s2vkit_discriminators.sdfa import SdfaFrame, SdfaSequence, SdfaSync
from s2vkit_discriminators.speech2video import SpeechSync
from s2vkit_gan_losses.losses import Hinge, Wasserstein
from s2vkit_landmarks import DarknessOptions
from s2vkit_landmarks.darkness import Darkness
from s2vkit_lsgan import LsganOptions
from s2vkit_lsgan.losses import Lsgan
from s2vkit_stages.adversarial import Adversarial
from s2vkit_stages.terms import FeatureMatchingTerm, PerceptualTerm
from safetensors.torch import load_file
from torch import nn

from s2vkit import AdversarialLossOptions, Batch, GeneratorOutput, RecipeError
from s2vkit.options import Slot
from s2vkit.plugins import registry
from s2vkit.testing.checking import SIZE, noise
from s2vkit.testing.stand_ins import EMOTION, FEATURES, IDENTITY, MAPS, stand_in_clips, stand_in_graph

TINY = {
    "frame_decoder": {"width": 16, "min_width": 4, "identity_width": 8},
    "skip_decoder": {"width": 16, "min_width": 4, "identity_width": 8},
    "lsgan": {"penalty": "r1"},
    "hinge": {"penalty": "gradient"},
}


def slot(kind, name, **options):
    return Slot(kind, name, registry().get(kind, name).options(**options))


def build(kind, name, **sizes):
    made = slot(kind, name, **TINY.get(name, {"channels": 4} if kind == "discriminator" else {}))
    return registry().get(kind, name).load()(made.options, **sizes)


def make(made):
    return registry().get(made.kind, made.use).load()(made.options)


def composition(generator, discriminator, loss, **more):
    """The adversarial stage with one generator, one discriminator and one loss."""
    torch.manual_seed(0)
    graph = stand_in_graph(make)
    graph.generator = build(
        "generator",
        generator,
        size=SIZE,
        features=FEATURES,
        codes={"identity": IDENTITY, "emotion": EMOTION},
        map_shapes=MAPS,
    )
    sizes = {"size": SIZE, "features": FEATURES, "map_shapes": MAPS}
    graph.discriminators = {"it": build("discriminator", discriminator, **sizes)}
    options = registry().get("stage", "adversarial").options
    losses = options.model_fields["losses"].annotation(adversarial=slot("loss", loss, **TINY.get(loss, {})))
    adam = slot("optimizer", "adam", lr=1e-3)
    chosen = {"optimizers": {"generator": adam, "it": adam}, "losses": losses, "batch": 2}
    stage = Adversarial(options(**{**chosen, "frames": 3, "window": 3, **more}), graph=graph)
    return stage, graph, stand_in_clips(stage)


def names(kind, gives=()):
    return [e.name for e in registry().of_kind(kind) if set(gives) <= set(e.gives)]


def every_two():
    """Combine every two of generators, discriminators and losses, but not every three: of a Latin square.

    A discriminator that few generators go with meets every loss with each of them.
    """
    losses, with_maps = names("loss", ["adversarial"]), names("generator", ["identity_maps"])
    pairs = product(enumerate(names("generator")), enumerate(names("discriminator")))
    for (row, generator), (column, discriminator) in pairs:
        if discriminator != "identity_maps":
            yield generator, discriminator, losses[(row + column) % len(losses)]
        elif generator in with_maps:
            yield from product([generator], [discriminator], losses)


def test_every_loss_meets_every_discriminator_and_generator():
    made = list(every_two())
    losses = names("loss", ["adversarial"])
    assert {(d, loss) for _, d, loss in made} == set(product(names("discriminator"), losses))
    assert {(g, loss) for g, _, loss in made} == set(product(names("generator"), losses))


@pytest.mark.parametrize(("generator", "discriminator", "loss"), list(every_two()))
def test_every_generator_goes_with_every_discriminator_and_loss(generator, discriminator, loss):
    stage, graph, clips = composition(generator, discriminator, loss)
    sides = {"discriminators": graph.discriminators["it"], "generator": graph.generator}
    shared = stage.shared_forward(clips)
    assert shared.generated.frames.shape == (2, 3, 3, SIZE, SIZE)
    for phase in stage.phases():
        for name, module in sides.items():
            module.zero_grad(set_to_none=True)
            module.requires_grad_(name == phase.name)
        terms = phase.loss(clips, shared)
        assert all(term.shape == () and term.isfinite() for term in terms.values())
        sum(terms.values()).backward()
        for name, module in sides.items():
            got = any(p.grad is not None and p.grad.any() for p in module.parameters())
            assert got == (name == phase.name), (name, phase.name)
    figures = stage.extra_metrics(clips, shared)
    if stage.adversarial_loss.looks_real(torch.zeros(1)) is not None:
        assert 0 <= figures["discriminator_accuracy.it"] <= 1


def test_windows_must_be_drawn_where_they_are_wanted():
    with pytest.raises(RecipeError, match="scores runs of frames, but single ones are sampled"):
        composition("frame_decoder", "temporal_patch", "lsgan", window=1)
    with pytest.raises(RecipeError, match="no whole number of windows"):
        composition("frame_decoder", "temporal_patch", "lsgan", frames=4)


def test_mouths_must_be_measured_where_they_are_wanted():
    stage, graph, clips = composition("frame_decoder", "patch", "lsgan")
    shown = ModulatedDecoderOptions(width=16, min_width=8, capacity=128, pose_size=3, mouth="landmarks")
    codes = {"identity": IDENTITY, "emotion": EMOTION}
    graph.generator = ModulatedDecoder(shown, size=SIZE, features=FEATURES, codes=codes, map_shapes=[])
    graph.landmarks = None
    with pytest.raises(RecipeError, match="but the recipe names none"):
        Adversarial(stage.options, graph=graph)
    graph.landmarks = Darkness(DarknessOptions())
    stage = Adversarial(stage.options, graph=graph)
    assert "landmarks" in stage.uses
    conditioning = graph.condition_batch(clips)
    frames = clips["frames"]
    measured = graph.landmarks.mouths(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    torch.testing.assert_close(conditioning.mouths, measured)
    stage.finish(clips)
    assert graph.generator.mouths.means.any()


# Several stages

SHARPEN = """
discriminators: {detail: {use: patch, channels: 4, detail: 10}}
stages:
  compose: {discriminators: [identity, frame, sync]}
  sharpen:
    use: adversarial
    after: [compose]
    discriminators: [detail]
    steps: 3
    batch: 2
    frames: 2
    optimizers: {generator: {use: adam, lr: 1.0e-5}, detail: {use: adam, lr: 1.0e-3}}
    losses: {adversarial: lsgan, similarity: {use: l1, weight: 10}}
  train_evaluators: null
  evaluate: null
"""


def test_a_second_stage_goes_on_with_the_generator_against_another_discriminator(tmp_path):
    run_toy(tmp_path, more=(SHARPEN,))
    stages = tmp_path / "run" / "stages"
    before, after = (load_file(stages / name / "weights.safetensors") for name in ("compose", "sharpen"))
    assert discriminators_of(before) == {"identity", "frame", "sync"}
    assert discriminators_of(after) == {"detail"}
    moved = {k: (after[k] - before[k]).abs().max().item() for k in before if is_weight(k)}
    assert 0 < max(moved.values()) < 1e-3  # three small steps from there, not from new weights
    made = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert all(torch.equal(made[k], after[k]) for k in moved)


def discriminators_of(weights):
    return {key.split("/")[0].split(".")[1] for key in weights if key.startswith("discriminator.")}


def is_weight(key):
    return key.startswith("generator/") and key.endswith("weight")


# The speed-ups change nothing


def test_real_frames_encoded_once_have_the_scores_of_encoding_them_twice():
    torch.manual_seed(0)
    options = SpeechSyncOptions(channels=4, joint=8)
    evaluator = SpeechSync(options, size=32, features=FEATURES, map_shapes=[])
    seen = []
    evaluator.trunk.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    real, fake = ((noise(3, 3, 32, 32, seed=s), noise(3, FEATURES, seed=s + 2)) for s in (1, 2))
    wrong = noise(3, FEATURES, seed=9)
    once = evaluator.score_kinds(real, fake, (real[0], wrong))
    assert seen == [6]
    apart = [evaluator(*real), evaluator(*fake), evaluator(real[0], wrong)]
    for one, other in zip(once, apart, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    gradients = []
    for scores in (once, apart):
        evaluator.zero_grad()
        Lsgan(LsganOptions()).discriminator(*scores).backward()
        gradients.append([p.grad.clone() for p in evaluator.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


# Accuracy


def test_which_side_of_the_boundary_a_score_lies_on():
    scores = torch.tensor([-0.2, 0.4, 0.6, 1.2])
    paper, usual = Lsgan(LsganOptions()), Lsgan(LsganOptions(labels="usual"))
    assert paper.looks_real(scores).tolist() == [True, True, False, False]
    assert usual.looks_real(1 - scores).tolist() == paper.looks_real(scores).tolist()
    assert Hinge(AdversarialLossOptions()).looks_real(scores - 0.5).tolist() == [False, False, True, True]
    assert Wasserstein(AdversarialLossOptions()).looks_real(scores) is None


def test_the_accuracy_is_the_mean_of_right_answers_over_real_and_fake():
    stage, _, clips = composition("frame_decoder", "speech_sync", "hinge")
    shared = stage.shared_forward(clips)
    stage.discriminator_loss(clips, shared)
    seen = {k: float(v) for k, v in stage.extra_metrics(clips, shared).items()}
    fakes = (seen["accuracy.it.fake"] + seen["accuracy.it.mismatched"]) / 2
    assert seen["discriminator_accuracy.it"] == pytest.approx((seen["accuracy.it.real"] + fakes) / 2)
    assert stage.progress_metrics == ("discriminator_accuracy.it",)
    (threshold,) = stage.thresholds()
    assert threshold.metric == "discriminator_accuracy.it"
    assert not threshold.stops
    assert composition("frame_decoder", "patch", "wasserstein")[0].thresholds() == []


def test_the_equilibrium_is_no_collapse():
    """At an accuracy of 0.5 fakes cannot be told from real: what an adversarial training aims at."""
    (threshold,) = composition("frame_decoder", "patch", "lsgan")[0].thresholds()
    assert threshold.minimum < 0.45 < 0.5 < 0.55 < threshold.maximum
    assert threshold.minimum > 0
    assert threshold.maximum < 1


# Batch norm


def test_batch_norm_treats_fakes_alike_in_both_phases():
    """In one batch with real frames, fakes would be normalised by other statistics than alone."""
    torch.manual_seed(0)
    options = SdfaFrameOptions(channels=4, max_multiple=2)
    discriminator = SdfaFrame(options, size=32, features=0, map_shapes=[])
    assert any(isinstance(m, nn.BatchNorm2d) for m in discriminator.modules())
    clips = Batch(
        ["a", "b"], data={"frames": noise(2, 3, 3, 32, 32), "reference_images": noise(2, 3, 32, 32, seed=2)}
    )
    generated = GeneratorOutput(0.2 * noise(2, 3, 3, 32, 32, seed=3) - 0.5)
    real = discriminator.inputs(clips, GeneratorOutput(clips["frames"]))
    fake = discriminator.inputs(clips, generated)
    first, second = discriminator.score_kinds(real, fake, None)
    assert torch.allclose(second, discriminator(*fake), atol=1e-5)
    assert torch.allclose(first, discriminator(*real), atol=1e-5)


# Penalties


class Slope(nn.Module):
    """Scores the sum of w x^2 / 2: its gradient is w x."""

    def __init__(self, w=3.0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x, *more):
        return (0.5 * self.w * x.square()).flatten(1).sum(1, keepdim=True)


def test_r1_by_hand():
    real, fake = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(2, 2)
    loss, discriminator = Lsgan(LsganOptions(penalty="r1", penalty_weight=4.0)), Slope()
    value = loss.penalty(discriminator, (real,), (fake,))
    assert value.item() == pytest.approx(4 * 0.5 * 9 * (5 + 1) / 2)
    value.backward()
    assert discriminator.w.grad.item() == pytest.approx(4 * 3 * (5 + 1) / 2)  # d/dw of w^2


def test_the_gradient_penalty_by_hand():
    class Linear(nn.Module):
        def forward(self, x):
            return 3 * x.flatten(1).sum(1, keepdim=True)

    loss = Wasserstein(AdversarialLossOptions(penalty="gradient", penalty_weight=10.0))
    value = loss.penalty(Linear(), (torch.ones(2, 4),), (torch.zeros(2, 4),))
    assert value.item() == pytest.approx(10 * (3 * 4**0.5 - 1) ** 2, rel=1e-4)


def test_penalties_of_maps_count_all_maps_and_leave_speech_alone():
    maps = [torch.ones(2, 1, 2, 2), torch.full((2, 1, 1, 1), 2.0)]
    loss = Hinge(AdversarialLossOptions(penalty="r1", penalty_weight=2.0))

    class Sum(nn.Module):
        def forward(self, maps):
            return sum(m.flatten(1).sum(1, keepdim=True) for m in maps)

    assert loss.penalty(Sum(), (maps,), (maps,)).item() == pytest.approx(4 + 1)
    features = torch.ones(2, 3, requires_grad=True)
    loss.penalty(Slope(), (torch.ones(2, 4), features), (torch.ones(2, 4), features))
    assert features.grad is None


def test_no_penalty_unless_asked_for_and_a_lazy_one_now_and_then():
    real = (torch.ones(2, 2),)
    assert Hinge(AdversarialLossOptions()).penalty(Slope(), real, real) is None
    lazy = Hinge(AdversarialLossOptions(penalty="r1", penalty_weight=1.0, penalty_every=4))
    torch.manual_seed(0)
    found = [lazy.penalty(Slope(), real, real) for _ in range(200)]
    given = [v.item() for v in found if v is not None]
    assert 30 < len(given) < 70
    assert set(given) == {4 * 0.5 * 9 * 2.0}


@pytest.mark.parametrize("kind", ["r1", "gradient"])
def test_a_penalty_of_a_recurrent_network_does_without_cudnn(monkeypatch, kind):
    """cuDNN's GRU has no second derivative; this one refuses to run where cuDNN would be used."""
    torch.manual_seed(0)
    options = SdfaSequenceOptions(channels=4, hidden=8)
    discriminator = SdfaSequence(options, size=32, features=0, map_shapes=[])
    forward, calls = nn.GRU.forward, []

    def without_cudnn(self, *given):
        assert not torch.backends.cudnn.enabled
        calls.append(1)
        return forward(self, *given)

    monkeypatch.setattr(nn.GRU, "forward", without_cudnn)
    runs = (noise(2, 3, 3, 32, 32),)
    before = torch.backends.cudnn.enabled
    loss = Hinge(AdversarialLossOptions(penalty=kind))
    loss.penalty(discriminator, runs, (noise(2, 3, 3, 32, 32, seed=2),)).backward()
    assert calls == [1]
    assert torch.backends.cudnn.enabled == before
    assert any(p.grad is not None and p.grad.any() for p in discriminator.follow.parameters())


# Perceptual and feature-matching terms


@pytest.mark.parametrize("discriminator", ["patch", "multi_scale_patch", "temporal_patch"])
def test_terms_of_layers_are_zero_for_equal_frames_and_reach_the_generator(discriminator):
    stage, graph, clips = composition("frame_decoder", discriminator, "lsgan")
    stage.terms = {
        "perceptual": PerceptualTerm(2.0, graph.teachers["identity"]),
        "feature_matching": FeatureMatchingTerm(3.0, graph.discriminators),
    }
    graph.discriminators["it"].requires_grad_(False)
    shared = stage.shared_forward(clips)
    terms = stage.generator_loss(clips, shared)
    for name in ("G.perceptual", "G.feature_matching"):
        graph.generator.zero_grad(set_to_none=True)
        terms[name].backward(retain_graph=True)
        assert any(p.grad is not None and p.grad.any() for p in graph.generator.parameters())
    shared.generated.frames = clips["frames"]
    equal = stage.generator_loss(clips, shared)
    assert equal["G.perceptual"] == equal["G.feature_matching"] == 0


def test_perceptual_needs_a_teacher_with_maps():
    options = registry().get("stage", "adversarial").options
    fields = options.model_fields["losses"].annotation
    losses = fields(adversarial=slot("loss", "lsgan"), perceptual={"weight": 1.0})
    graph = stand_in_graph(make)
    adam = slot("optimizer", "adam", lr=1e-3)
    chosen = options(optimizers={"generator": adam}, losses=losses)
    assert "teacher.identity" in Adversarial(chosen, graph=graph).uses
    graph.teachers.clear()
    with pytest.raises(RecipeError, match="no teacher's maps"):
        Adversarial(chosen, graph=graph)


# SDFA


def test_sdfa_sync_sees_the_lower_half_only_and_scores_distance():
    torch.manual_seed(0)
    evaluator = SdfaSync(SdfaSyncOptions(channels=4, joint=8), size=32, features=6, map_shapes=[])
    windows, features = noise(2, 5, 3, 32, 32), noise(2, 5, 6)
    changed = windows.clone()
    changed[..., :16, :] = 0
    assert torch.equal(evaluator(changed, features), evaluator(windows, features))
    changed[..., 16:, :] = 0
    assert not torch.allclose(evaluator(changed, features), evaluator(windows, features))
    assert not torch.allclose(evaluator(windows, features.flip(0)), evaluator(windows, features))
