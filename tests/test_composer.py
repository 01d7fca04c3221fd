"""The frame decoder and the three discriminators."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from s2vkit_composer import FrameDecoderOptions
from s2vkit_composer.blocks import ConcatUpConv, UpBlock
from s2vkit_composer.decoder import FrameDecoder
from s2vkit_discriminators import IdentityMapsOptions, PatchOptions, SpeechSyncOptions
from s2vkit_discriminators.speech2video import IdentityMaps, Patch, SpeechSync

from s2vkit import Conditioning, Discriminator, Generator, GeneratorOutput, RecipeError

SHAPES = [(12, 8, 8), (10, 16, 16), (6, 32, 32)]
FEATURES, IDENTITY, EMOTION = 20, 24, 5


def sides(identity, emotion):
    return {side: dim for side, dim in (("identity", identity), ("emotion", emotion)) if dim}


def build(size=64, *, identity=IDENTITY, emotion=EMOTION, shapes=SHAPES, **options):
    torch.manual_seed(0)
    options = FrameDecoderOptions(**{"width": 32, "min_width": 8, "identity_width": 16, **options})
    return FrameDecoder(
        options, size=size, features=FEATURES, codes=sides(identity, emotion), map_shapes=shapes
    )


def draw_codes(clips=2, times=3, *, identity=IDENTITY, emotion=EMOTION):
    generator = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(*shape, generator=generator)

    return Conditioning(
        randn(clips, times, FEATURES),
        {
            **({"identity": randn(clips, identity) * 30} if identity else {}),
            **({"emotion": randn(clips, emotion)} if emotion else {}),
        },
    )


def settle(decoder):
    """Return batch norm running figures that are not those it was born with."""
    decoder.train()
    with torch.no_grad():
        for _ in range(5):
            decoder(draw_codes(4, 4))
    return decoder.eval()


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("identity", [0, IDENTITY])
@pytest.mark.parametrize("emotion", [0, EMOTION])
def test_frames_and_maps_have_the_shapes_asked_for(size, identity, emotion):
    shapes = [(c, h * size // 64, w * size // 64) for c, h, w in SHAPES]
    decoder = build(size, identity=identity, emotion=emotion, shapes=shapes)
    made = decoder(draw_codes(identity=identity, emotion=emotion))
    assert isinstance(decoder, Generator)
    assert made.frames.shape == (2, 3, 3, size, size)
    assert made.frames.abs().max() <= 1
    expected = [(2, *shape) for shape in shapes] if identity else []
    assert [tuple(m.shape) for m in made.identity_maps] == expected


@pytest.mark.parametrize("size", [32, 64])
def test_without_a_teachers_shapes_the_branch_has_its_own_and_gives_none(size):
    decoder = build(size, shapes=[])
    made = decoder(draw_codes())
    assert made.identity_maps == []
    assert [side for _, side, _ in decoder.branch.shapes] == {32: [4, 8, 16], 64: [8, 16, 32]}[size]
    other = draw_codes()
    other.codes["identity"] = other.codes["identity"].flip(0)
    assert not torch.allclose(decoder(other).frames, made.frames)


@pytest.mark.parametrize(
    "shapes", [[(6, 7, 7), (5, 14, 14), (4, 28, 28)], [(4, 16, 16), (4, 32, 32), (3, 64, 64)]]
)
def test_maps_of_other_sizes_join_at_the_nearest(shapes):
    made = build(shapes=shapes)(draw_codes())
    assert [tuple(m.shape[1:]) for m in made.identity_maps] == shapes
    assert made.frames.shape == (2, 3, 3, 64, 64)


def test_identity_maps_join_where_the_decoder_is_of_equal_size():
    decoder = build()
    assert decoder.joined == [[], [0], [1], [2]]  # at 4, 8, 16 and 32 px
    inputs = [block.up.conv.in_channels for block in decoder.blocks]
    assert inputs == [32, 16 + 12, 8 + 10, 8 + 6]


def test_the_identity_branch_runs_once_a_clip():
    decoder, seen = build().eval(), []
    for module in decoder.branch.modules():
        if isinstance(module, torch.nn.ConvTranspose2d | torch.nn.Conv2d):
            module.register_forward_hook(lambda m, given, out: seen.append(len(given[0])))
    decoder(draw_codes(clips=2, times=7))
    assert seen == [2] * 6  # three doublings and three alignments, of 2 clips and not 14 frames


def test_an_identity_code_is_inflated_once_for_all_chunks_of_a_clip():
    decoder, seen = settle(build()), []
    decoder.branch.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    first, other = draw_codes(1, 3), draw_codes(1, 3)
    with torch.no_grad():
        start = decoder(first)
        again = decoder(replace(first, state=start.state))
        assert torch.equal(again.frames, start.frames)
        assert len(seen) == 1
        other.codes["identity"] = first.codes["identity"] + 1
        changed = decoder(replace(other, state=again.state)).frames
        assert len(seen) == 2
        assert torch.equal(changed, decoder(other).frames)


@pytest.mark.parametrize("times", [1, 5])
def test_the_split_weight_equals_the_literal_concatenation(times):
    torch.manual_seed(0)
    join = ConcatUpConv(8, 6, 10)
    frames, identity = torch.randn(3 * times, 8, 4, 4), torch.randn(3, 6, 4, 4)
    repeated = identity.repeat_interleave(times, 0)
    literal = join.conv(torch.cat([frames, repeated], 1))
    assert torch.allclose(join(frames, join.inflate(identity)), literal, atol=1e-5)
    join(frames, join.inflate(identity)).square().sum().backward()
    split, join.conv.weight.grad = join.conv.weight.grad.clone(), None
    literal.square().sum().backward()
    assert torch.allclose(split, join.conv.weight.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("joins", [6, 0])
def test_a_fixed_norm_within_the_weights_equals_the_norm_after_them(joins):
    torch.manual_seed(0)
    block = UpBlock(8, joins, 10, "batch")
    frames, identity = torch.randn(12, 8, 4, 4), torch.randn(3, joins, 4, 4) if joins else None
    torch.nn.init.uniform_(block.norm.weight, 0.5, 2.0)
    torch.nn.init.normal_(block.norm.bias)
    for _ in range(20):  # running statistics that are not those of the start
        block(2 * frames + 1, None if identity is None else block.inflate(identity))
    block.eval()
    given = frames if identity is None else torch.cat([frames, identity.repeat_interleave(4, 0)], 1)
    literal = block.norm(block.up.conv(given)).relu()
    literal = block.second(block.first(literal).relu()).relu()
    made = block(frames, None if identity is None else block.inflate(identity))
    torch.testing.assert_close(made, literal, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_frames_do_not_depend_on_how_speech_is_cut(norm):
    decoder, codes = settle(build(norm=norm)), draw_codes(2, 9)
    with torch.no_grad():
        whole = decoder(codes).frames
        parts = [
            decoder(Conditioning(part, codes.codes)).frames for part in codes.features.split([1, 5, 3], 1)
        ]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-5)
    assert whole.std() > 1e-3


def test_instance_norm_keeps_frames_free_in_training_too():
    decoder, codes = build(norm="instance", start_input="none"), draw_codes(2, 4)
    alone = Conditioning(codes.features[:, :1], codes.codes)
    assert torch.allclose(decoder(codes).frames[:, :1], decoder(alone).frames, atol=1e-5)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_parameter_gets_a_gradient(norm):
    decoder = build(norm=norm)
    made = decoder(draw_codes(3, 2))
    target = torch.linspace(-1, 1, 64)
    (made.frames - target).square().mean().backward()
    dead = [n for n, p in decoder.named_parameters() if p.grad is None or not p.grad.any()]
    # a constant before a norm has no effect; batch norm's own shift takes its place
    assert [n for n in dead if not n.endswith("bias")] == []
    assert all(p.grad.isfinite().all() for p in decoder.parameters())


@pytest.mark.parametrize("name", ["features", "identity", "emotion"])
def test_each_code_changes_the_frames(name):
    decoder, codes = settle(build()), draw_codes()
    with torch.no_grad():
        before = decoder(codes).frames
        values = codes.features if name == "features" else codes.codes[name]
        changed = values + torch.linspace(-3, 3, values.shape[-1])
        changes = {"features": changed} if name == "features" else {"codes": {**codes.codes, name: changed}}
        codes = replace(codes, **changes)
        assert (decoder(codes).frames - before).abs().max() > 1e-3


def test_the_scale_of_the_identity_code_does_not_matter():
    decoder, codes = settle(build()), draw_codes()
    with torch.no_grad():
        before = decoder(codes).frames
        codes.codes["identity"] = codes.codes["identity"] * 100
        assert torch.allclose(decoder(codes).frames, before, atol=1e-4)
        raw = settle(build(identity_input="none"))
        assert not torch.allclose(raw(codes).frames, raw(draw_codes()).frames, atol=1e-2)


def test_bfloat16_draws_nearly_the_same_frames_in_float32():
    decoder, codes = settle(build()), draw_codes()
    with torch.no_grad():
        plain = decoder(codes).frames
        with torch.autocast("cpu", torch.bfloat16):
            low = decoder(codes).frames
    assert low.dtype == torch.float32
    assert (low - plain).abs().mean() < 0.02


@pytest.mark.parametrize(("size", "start"), [(48, 4), (16, 4), (512, 4), (100, 4)])
def test_a_size_that_cannot_be_drawn_is_refused_with_those_that_can(size, start):
    with pytest.raises(RecipeError, match=f"{size} px") as caught:
        build(size, start=start)
    assert "32, 64, 128, 256" in str(caught.value)


def test_another_start_allows_other_sizes():
    assert build(96, start=6, shapes=[])(draw_codes()).frames.shape[-1] == 96


def test_a_missing_code_is_named():
    with pytest.raises(ValueError, match="emotion code"):
        build()(draw_codes(emotion=0))


SIZES = {"size": 64, "features": FEATURES, "map_shapes": SHAPES}


def evaluators(spectral):
    torch.manual_seed(0)
    return [
        IdentityMaps(IdentityMapsOptions(spectral_norm=spectral), **SIZES),
        Patch(PatchOptions(channels=8, spectral_norm=spectral), **SIZES),
        Patch(PatchOptions(channels=8, detail=10, spectral_norm=spectral), **SIZES),
        SpeechSync(SpeechSyncOptions(channels=8, spectral_norm=spectral), **SIZES),
        SpeechSync(SpeechSyncOptions(channels=8, region="lower", spectral_norm=spectral), **SIZES),
    ]


def shown(evaluator, n=3):
    generator = torch.Generator().manual_seed(2)
    things = {
        "identity_maps": [torch.rand(n, *shape, generator=generator) for shape in SHAPES],
        "frames": torch.rand(n, 3, 64, 64, generator=generator) * 2 - 1,
        "features": torch.randn(n, FEATURES, generator=generator),
    }
    return [things[want] for want in evaluator.input_names()]


@pytest.mark.parametrize("spectral", [False, True])
def test_discriminators_score_each_item_apart_and_all_parameters_learn(spectral):
    for evaluator in evaluators(spectral):
        assert isinstance(evaluator, Discriminator)
        seen = shown(evaluator)
        scores = evaluator(*seen)
        assert scores.shape[0] == 3
        scores.square().mean().backward()
        assert all(p.grad is not None and p.grad.any() for p in evaluator.parameters())
        evaluator.eval()
        one = [[m[:1] for m in s] if isinstance(s, list) else s[:1] for s in seen]
        assert torch.allclose(evaluator(*one), evaluator(*seen)[:1], atol=1e-5)


def test_each_map_has_an_equal_say():
    evaluator = evaluators(False)[0]
    scores = evaluator(*shown(evaluator))
    assert scores.shape == (3, 3 * 16)  # each head ends in a grid of 4x4


def test_the_scale_of_a_teachers_maps_does_not_matter():
    evaluator = evaluators(False)[0]
    (maps,) = shown(evaluator)
    assert torch.allclose(evaluator([m * 200 for m in maps]), evaluator(maps), atol=1e-4)


def test_synchrony_sees_both_sides_and_only_its_region():
    *_, full, lower = evaluators(False)
    frames, features = shown(full)
    upper_changed = frames.clone()
    upper_changed[:, :, :32] = 0
    assert not torch.allclose(full(frames, features.flip(0)), full(frames, features))
    assert not torch.allclose(full(upper_changed, features), full(frames, features))
    assert torch.equal(lower(upper_changed, features), lower(frames, features))


def told_apart(detail, steps=60):
    """Train D_fr on broad colours with and without a little grain; its share of right answers."""
    torch.manual_seed(0)
    sizes = {"size": 32, "features": FEATURES, "map_shapes": []}
    evaluator = Patch(PatchOptions(channels=8, detail=detail), **sizes)
    optimizer = torch.optim.Adam(evaluator.parameters(), 1e-3)
    sharp = torch.arange(32) % 2 == 0
    for _ in range(steps + 1):
        frames = 0.5 * F.interpolate(torch.randn(32, 3, 4, 4), 32, mode="bicubic")
        frames[sharp] += 0.03 * torch.randn(16, 1, 32, 32)
        scores = evaluator(frames)
        loss = scores[sharp].square().mean() + (scores[~sharp] - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = (scores[sharp] < 0.5).float().mean() + (scores[~sharp] > 0.5).float().mean()
    return right.item() / 2


def test_detail_is_learnt_in_few_steps_where_it_has_a_channel():
    assert told_apart(detail=10) > 0.9
    assert told_apart(detail=0) < 0.6


def test_layers_with_a_channel_of_detail_are_those_that_score():
    evaluator = Patch(PatchOptions(channels=8, detail=10), **SIZES)
    (frames,) = shown(evaluator)
    assert torch.equal(evaluator.score(evaluator.layers(frames)[-1]), evaluator(frames))


def test_spectral_norm_bounds_the_weights():
    evaluator = evaluators(True)[1]
    for _ in range(30):
        evaluator(*shown(evaluator))
    weight = evaluator.eval().score.weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-2)


def test_an_identity_discriminator_without_maps_is_refused():
    with pytest.raises(RecipeError, match="no maps"):
        IdentityMaps(IdentityMapsOptions(), size=64, features=FEATURES, map_shapes=[])


@pytest.mark.parametrize("size", [32, 96, 256])
def test_discriminators_of_frames_fit_every_size(size):
    sizes = {"size": size, "features": FEATURES, "map_shapes": []}
    frames, features = torch.rand(2, 3, size, size), torch.randn(2, FEATURES)
    assert len(Patch(PatchOptions(channels=4, layers=6), **sizes)(frames)) == 2
    for region in ("full", "lower"):
        evaluator = SpeechSync(SpeechSyncOptions(channels=4, region=region), **sizes)
        assert evaluator(frames, features).shape == (2, 1)


@pytest.mark.parametrize(("region", "rows", "columns"), [("full", 0, 0), ("lower", 32, 0), ("mouth", 32, 16)])
def test_a_patch_discriminator_moves_what_it_sees_alone(region, rows, columns):
    torch.manual_seed(0)
    evaluator = Patch(PatchOptions(channels=4, detail=10, region=region), **SIZES)
    frames = torch.rand(1, 2, 3, 64, 64, requires_grad=True)
    evaluator(*evaluator.inputs({}, GeneratorOutput(frames, []))).square().sum().backward()
    seen = frames.grad.abs().sum((0, 1, 2)) > 0
    wanted = torch.zeros_like(seen)
    wanted[rows:, columns : 64 - columns] = True
    assert torch.equal(seen, wanted)
