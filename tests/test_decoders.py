"""How a frame starts, and the decoder that adds up a picture of every size."""

import pytest
import torch
import torch.nn.functional as F
from s2vkit_composer import FrameDecoderOptions, ModulatedDecoderOptions, SkipDecoderOptions
from s2vkit_composer.blocks import UpBlock
from s2vkit_composer.decoder import FrameDecoder
from s2vkit_composer.modulated import ModulatedDecoder
from s2vkit_composer.skip import SkipDecoder

from s2vkit import Conditioning

SHAPES = [(6, 8, 8), (5, 16, 16)]
FEATURES, IDENTITY, EMOTION = 20, 12, 5
SIZES = {
    "size": 32,
    "features": FEATURES,
    "codes": {"identity": IDENTITY, "emotion": EMOTION},
    "map_shapes": SHAPES,
}
SMALL = {"width": 16, "min_width": 4, "identity_width": 8}


def paper(**options):
    torch.manual_seed(0)
    return FrameDecoder(FrameDecoderOptions(**{**SMALL, **options}), **SIZES)


def skip(**options):
    torch.manual_seed(0)
    return SkipDecoder(SkipDecoderOptions(**{**SMALL, **options}), **SIZES)


def codes(clips=2, times=4, radius=2):
    random = torch.Generator().manual_seed(1)
    context = torch.randn(clips, times, 2 * radius + 1, FEATURES, generator=random) * 2
    identity = torch.randn(clips, IDENTITY, generator=random)
    emotion = torch.randn(clips, EMOTION, generator=random)
    return Conditioning(context[:, :, radius], {"identity": identity, "emotion": emotion}, context)


def louder(given):
    given.features, given.context = 50 * given.features + 3, 50 * given.context + 3
    given.codes["emotion"] = 7 * given.codes["emotion"]
    return given


@pytest.mark.parametrize("make", [paper, skip])
def test_the_scale_of_speech_and_code_does_not_matter(make):
    with torch.no_grad():
        before = make()(codes()).frames
        assert torch.allclose(make()(louder(codes())).frames, before, atol=1e-3)
        plain = make(start_input="none")
        assert not torch.allclose(plain(louder(codes())).frames, plain(codes()).frames, atol=0.1)


def test_what_starts_a_frame_has_unit_scale_and_speech_its_share():
    given = codes(clips=8, times=8)
    with torch.no_grad():
        start = paper(speech=0.5)._vector(given)
    heard, emotion = start.split([FEATURES, EMOTION], 1)
    assert start.square().mean().item() == pytest.approx((1 + 0.5**2) / 2, rel=1e-3)
    assert heard.norm(dim=1).square().mean() / emotion.norm(dim=1).square().mean() == (
        pytest.approx(0.5**2, rel=1e-3)
    )
    assert torch.allclose(heard.mean(0), torch.zeros(FEATURES), atol=1e-5)


def test_unscaled_the_start_is_the_concatenation_as_printed():
    given = codes()
    with torch.no_grad():
        start = paper(start_input="none")._vector(given).unflatten(0, (2, 4))
    assert torch.equal(start[..., :FEATURES], given.features)
    assert torch.equal(start[..., FEATURES:], given.codes["emotion"].unsqueeze(1).expand(-1, 4, -1))


@pytest.mark.parametrize("side", ["identity", "emotion", "features"])
@pytest.mark.parametrize("make", [paper, skip])
def test_every_code_changes_the_frames(make, side):
    decoder, given = make().eval(), codes()
    with torch.no_grad():
        before = decoder(given).frames
        if side == "features":
            given.features = given.features.flip(0) + 1
        else:
            given.codes[side] = given.codes[side].flip(0) + 1
        assert (decoder(given).frames - before).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_a_convolution_has_a_bias_only_where_no_norm_takes_it_away(norm):
    block = UpBlock(8, 6, 4, norm)
    assert (block.up.conv.bias is None) == (norm != "none")
    for branch in paper(norm=norm).branch.blocks:
        assert (branch[0].bias is None) == (norm != "none")


def test_a_frame_is_the_sum_of_pictures_of_every_size():
    decoder, given, pictures = skip().eval(), codes(), []
    for show in decoder.to_rgb:
        show.register_forward_hook(lambda module, given, out: pictures.append(out))
    last = []
    decoder.blocks[-1].register_forward_hook(lambda module, given, out: last.append(out))
    with torch.no_grad():
        frames = decoder(given).frames.flatten(0, 1)
    assert [p.shape[-1] for p in pictures] == [8, 16]
    whole = pictures[0]
    for finer in (pictures[1], last[0]):
        whole = finer + F.interpolate(whole, scale_factor=2, mode="bilinear")
    assert torch.allclose(frames, whole.tanh(), atol=1e-6)


def test_without_its_skips_it_draws_as_the_papers_does():
    plain, decoder = paper().eval(), skip().eval()
    decoder.load_state_dict(plain.state_dict(), strict=False)
    for show in decoder.to_rgb:
        torch.nn.init.zeros_(show.weight)
    with torch.no_grad():
        assert torch.allclose(decoder(codes()).frames, plain(codes()).frames, atol=1e-6)


@pytest.mark.parametrize("make", [paper, skip])
def test_a_canvas_is_a_picture_of_the_codes_alone_in_every_frame(make):
    decoder, given = make(canvas=8).eval(), codes()
    with torch.no_grad():
        together = decoder(given).frames.double().atanh()
        canvas, decoder.canvas = decoder.canvas, None
        alone = decoder(given).frames.double().atanh()
        drawn = canvas([given.codes["identity"], given.codes["emotion"]])
        louder_still = canvas([3 * given.codes["identity"], 7 * given.codes["emotion"]])
    assert drawn.abs().max() > 0.01
    assert drawn.std(0).max() > 0.01  # another for each clip
    torch.testing.assert_close(louder_still, drawn)
    expected = drawn.unsqueeze(1).expand_as(together).double()
    torch.testing.assert_close(together - alone, expected, rtol=1e-2, atol=1e-3)


def test_it_hears_as_far_as_its_context_radius():
    decoder, given = skip(context_radius=2).eval(), codes()
    with torch.no_grad():
        before = decoder(given).frames
        given.context = given.context.clone()
        given.context[:, :, 0] += 5  # two frames before
        assert (decoder(given).frames - before).abs().max() > 1e-3
        given.context = None
        with pytest.raises(ValueError, match="neighbouring features"):
            decoder(given)


def modulated(**options):
    torch.manual_seed(0)
    small = {"width": 16, "min_width": 8, "capacity": 256, "code_size": 6, "speech_size": 5}
    return ModulatedDecoder(ModulatedDecoderOptions(**{**small, **options}), **SIZES)


def test_a_modulated_frame_follows_the_direction_of_codes_and_the_level_of_no_other_frame():
    decoder = modulated().eval()
    with torch.no_grad():
        given, scaled = codes(), codes()
        frames = decoder(given).frames
        scaled.codes = {side: 5 * code for side, code in scaled.codes.items()}
        torch.testing.assert_close(decoder(scaled).frames, frames)
        scaled.features = scaled.features[:, 1:3]
        torch.testing.assert_close(decoder(scaled).frames, frames[:, 1:3])
        for side in given.codes:
            other = codes()
            other.codes[side] = other.codes[side].flip(0)
            assert not torch.allclose(decoder(other).frames, frames, atol=1e-3)
        silent = codes()
        silent.features = torch.zeros_like(silent.features)
        assert not torch.allclose(decoder(silent).frames, frames, atol=1e-3)


def test_every_weight_of_the_modulated_decoder_learns_and_it_takes_neighbouring_speech():
    decoder = modulated(context_radius=2)
    decoder(codes()).frames.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in decoder.parameters())
    assert all(p.grad.any() for n, p in decoder.named_parameters() if n.endswith("weight"))


def test_a_pose_is_seen_above_the_mouth_in_training_and_recalled_by_person_afterwards():
    decoder = modulated(pose_size=3)
    frames = torch.randn(2, 4, 3, SIZES["size"], SIZES["size"])
    below = frames.clone()
    below[..., round(0.6 * SIZES["size"]) :, :] = 0
    decoder.eval()
    who = torch.zeros(8, IDENTITY)
    seen, unseen = (decoder.poses.seen(one.flatten(0, 1), who) for one in (frames, below))
    assert seen.equal(unseen)
    decoder.train()
    given = codes()
    given.frames = frames
    decoder(given).frames.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in decoder.poses.parameters())
    decoder.eval()
    with torch.no_grad():
        decoder.remember(given, torch.tensor([4, 9]))
        who = decoder._unit(given.codes["identity"], "identity").repeat_interleave(4, 0)
        seen = decoder.poses.seen(frames.flatten(0, 1), who).unflatten(0, (2, 4))
        weights = decoder.poses.weights(given.codes["identity"])
        for clip, pose in enumerate(decoder.poses.recalled(weights, None)[:, 0]):
            distances = (seen - pose).abs().amax(-1)
            assert distances[clip].min() < 1e-3 < distances[1 - clip].min()  # one of the person's own
        alone = codes()
        torch.testing.assert_close(decoder(alone).frames, decoder(given).frames)  # the frames are not needed


def test_clips_of_one_person_share_a_pose_and_nobody_is_everybody():
    decoder = modulated(pose_size=3).eval()
    given = codes()
    given.frames = torch.randn(2, 4, 3, SIZES["size"], SIZES["size"])
    with torch.no_grad():
        decoder.remember(given, torch.tensor([5, 5]))
        assert int(decoder.poses.count) == 1
        decoder.remember(given, torch.tensor([-1, -1]))
        assert int(decoder.poses.count) == 2
        decoder.remember(given, None)
        assert int(decoder.poses.count) == 2
