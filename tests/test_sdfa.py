"""SDFA: its published network and file, what it sees, its memory, and S2F+SDFA beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers_weights import published
from s2vkit_sdfa import SdfaFromVoiceOptions, SdfaOptions
from s2vkit_sdfa.networks import ContentEncoder, FrameDecoder, IdentityEncoder
from s2vkit_sdfa.sdfa import Sdfa, SdfaFromVoice
from torch import nn

from s2vkit import Conditioning, InputError, RecipeError
from s2vkit.interfaces.audio_windows import at_peak, cut_speech
from s2vkit.plugins import registry

SIZES = {"features": 4, "map_shapes": []}
TINY = {"channels": 4, "content": 16, "identity": 6}


def lively(generator):
    """Return first weights a size at which a few narrow layers still let differences through."""
    for parameter in generator.parameters():
        if parameter.ndim > 2:
            torch.nn.init.xavier_normal_(parameter)
    return generator.eval()


def tiny(size=32, **options):
    torch.manual_seed(0)
    return lively(Sdfa(SdfaOptions(**TINY, **options), size=size, codes={}, **SIZES))


def from_voice(**options):
    torch.manual_seed(0)
    options = SdfaFromVoiceOptions(**TINY, **options)
    return lively(SdfaFromVoice(options, size=32, codes={"identity": 10}, **SIZES))


def codes(clips=2, frames=4, lead=5, runs=1, size=32):
    random = torch.Generator().manual_seed(1)
    per_run = lead + frames // runs
    return Conditioning(
        torch.zeros(clips, frames, 4),
        {"identity": torch.randn(clips, 10, generator=random)},
        reference_images=torch.rand(clips, 3, size, size, generator=random) * 2 - 1,
        audio_windows=torch.randn(clips, runs, per_run, 3200, generator=random) * 0.3,
    )


def numbered():
    """Make weights of the published names and shapes, each tensor of one number."""
    shapes = published("sdfa", "crema.dat").shapes()
    made = {k: torch.full(shape, 1e-4 * i + 1e-3) for i, (k, (shape,)) in enumerate(shapes.items())}
    return {k: v.long() if k.endswith("tracked") else v for k, v in made.items()}


def on_meta(given):
    return replace(
        given,
        features=given.features.to("meta"),
        reference_images=given.reference_images.to("meta"),
        audio_windows=given.audio_windows.to("meta"),
    )


def flipped(given):
    return replace(given, codes={"identity": given.codes["identity"].flip(0)})


@torch.no_grad()
def draw(generator, given):
    return generator(given).frames


# The published network


@pytest.fixture(scope="module")
def whole():
    options = SdfaOptions(shape="portrait", warmup_frames=0)
    with torch.device("meta"):  # sizes need no numbers
        return Sdfa(options, size=128, codes={}, **SIZES).eval()


def test_it_has_the_published_tensors_and_size(whole):
    manifest = published("sdfa", "crema.dat").shapes()
    assert {k: (tuple(v.shape),) for k, v in whole.state_dict().items()} == manifest
    assert len(manifest) == 135
    assert sum(v.numel() for v in whole.state_dict().values()) == 55_286_359
    assert sum(p.numel() for p in whole.parameters()) / 1e6 == pytest.approx(55.3, abs=0.05)


def test_a_frame_takes_the_published_operations(whole):
    def count(frames):
        given = on_meta(codes(1, frames, lead=0, size=128))
        found = []

        def add(module, seen, made):
            taps = module.weight[0, 0].numel() if hasattr(module, "weight") else 0
            if isinstance(module, nn.ConvTranspose2d):
                found.append(seen[0].numel() * module.out_channels * taps)
            elif isinstance(module, nn.Conv1d | nn.Conv2d):
                found.append(made.numel() * module.in_channels * taps)
            else:  # a GRU
                weights = sum(p.numel() for p in module.parameters() if p.ndim == 2)
                found.append(seen[0].shape[1] * weights)

        kinds = nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d | nn.GRU
        hooks = [m.register_forward_hook(add) for m in whole.modules() if isinstance(m, kinds)]
        draw(whole, given)
        for hook in hooks:
            hook.remove()
        return 2 * sum(found) / 1e9

    one, two = count(1), count(2)
    once, each = 2 * one - two, two - one  # the still is looked at once a clip
    assert each + once / 50 == pytest.approx(2.67, abs=0.01)  # of a clip of 2 s
    assert once == pytest.approx(0.83, abs=0.01)


def test_it_draws_the_published_shape_into_a_square(whole):
    given = on_meta(codes(1, 1, lead=0, size=128))
    code, maps = whole.encoder_id(torch.zeros(1, 3, 128, 96, device="meta"))
    assert code.shape == (1, 128)
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 64, 48),
        (128, 32, 24),
        (256, 16, 12),
        (512, 8, 6),
        (1024, 4, 3),
    ]
    assert draw(whole, given).shape == (1, 1, 3, 128, 128)


def test_the_published_file_is_read(whole, tmp_path):
    """As the file is: three state dicts, an array of landmarks, and numbers beside them."""
    weights = numbered()
    parts = {}
    for key, value in weights.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    assert set(parts) == {"encoder", "encoder_id", "generator"}
    extra = {
        "mean_face": np.zeros((68, 2)),
        "img_size": (128, 96),
        "audio_rate": 16000,
        "video_rate": 25,
        "aux_latent": 10,
        "sequential_noise": True,
    }
    path = tmp_path / "crema.dat"
    torch.save({**parts, **extra}, path)
    options = SdfaOptions(checkpoint=str(path), shape="portrait", warmup_frames=0)
    loaded = Sdfa(options, size=64, codes={}, **SIZES).eval()
    for key, value in loaded.state_dict().items():
        assert torch.equal(value, weights[key]), key
    frames = draw(loaded, codes(1, 2, lead=0, size=64))
    assert frames.shape == (1, 2, 3, 64, 64)
    assert frames.max() <= 250 / 127.5 - 1 + 1e-5  # 125 tanh + 125


def test_a_file_of_another_rate_is_refused(tmp_path):
    weights = numbered()
    weights["encoder.encoder.cl.0.weight"] = torch.zeros(16, 1, 250)
    torch.save(weights, tmp_path / "grid.dat")
    options = SdfaOptions(checkpoint=str(tmp_path / "grid.dat"), shape="portrait")
    with pytest.raises(InputError, match=r"cl\.0\.weight \(16, 1, 250\) for \(16, 1, 80\)"):
        Sdfa(options, size=128, codes={}, **SIZES)


def test_a_file_with_code_beside_the_weights_is_refused(tmp_path):
    torch.save({"encoder": {"x": torch.zeros(1)}, "mean_face": np.array([print])}, tmp_path / "x")
    options = SdfaOptions(checkpoint=str(tmp_path / "x"), shape="portrait")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        Sdfa(options, size=128, codes={}, **SIZES)


def test_a_file_needs_the_published_shape():
    with pytest.raises(ValueError, match="shape: portrait"):
        SdfaOptions(checkpoint="crema.dat")
    with pytest.raises(ValueError, match="published sizes"):
        SdfaOptions(checkpoint="crema.dat", shape="portrait", channels=32)


# What it sees


def test_sdfa_sees_the_still_and_no_code():
    generator, given = tiny(), codes()
    frames = draw(generator, given)
    assert torch.equal(frames, draw(generator, flipped(given)))
    swapped = draw(generator, replace(given, reference_images=given.reference_images.flip(0)))
    assert not torch.allclose(frames, swapped, atol=1e-4)


@pytest.mark.parametrize("face", ["drawn", "code"])
def test_from_voice_sees_the_code_and_no_still(face):
    generator, given = from_voice(face=face), codes()
    assert not generator.takes_reference_image
    frames = draw(generator, given)
    assert torch.equal(frames, draw(generator, replace(given, reference_images=None)))
    swapped = draw(generator, flipped(given))
    assert not torch.allclose(frames, swapped, atol=1e-5)


def test_the_drawn_still_is_given_and_the_skips_come_from_it():
    given = codes()
    assert from_voice()(given).reference_image.shape == (2, 3, 32, 32)
    without = from_voice(face="code")
    assert without(given).reference_image is None
    rises = [rise.dcl1.in_channels for rise in without.generator.dcl[1:-1]]
    assert rises == [rise.dcl1.in_channels // 2 for rise in from_voice().generator.dcl[1:-1]]


def test_frames_follow_the_sounds_up_to_them():
    generator, given = tiny(), codes(1, 6)
    later = given.audio_windows.clone()
    later[:, :, -1] = 0
    changed = (draw(generator, given) - draw(generator, replace(given, audio_windows=later))).abs()
    assert changed[:, :5].max() == 0
    assert changed[:, 5].max() > 1e-5


# Memory over frames


@pytest.mark.parametrize("make", [tiny, from_voice])
def test_chunks_are_drawn_as_if_at_once(make):
    generator, given = make(), codes(1, 6)
    whole = draw(generator, given)
    first = replace(given, features=given.features[:, :2], audio_windows=given.audio_windows[:, :, :7])
    with torch.no_grad():
        one = generator(first)
        rest = replace(
            given,
            features=given.features[:, 2:],
            audio_windows=given.audio_windows[:, :, 7:],
            state=one.state,
        )
        two = generator(rest)
    assert torch.allclose(torch.cat([one.frames, two.frames], 1), whole, atol=1e-5)
    forgot = draw(generator, replace(rest, state=None))
    assert not torch.allclose(forgot, whole[:, 2:], atol=1e-5)


def test_runs_do_not_hear_each_other():
    generator, given = tiny(), codes(1, 6, runs=2)
    alone = replace(given, features=given.features[:, :3], audio_windows=given.audio_windows[:, 1:])
    assert torch.allclose(draw(generator, given)[:, 3:], draw(generator, alone), atol=1e-5)


def test_noise_varies_in_training_only():
    generator, given = tiny(noise_scale=3.0), codes()
    assert torch.equal(draw(generator, given), draw(generator, given))
    generator.train()
    assert not torch.equal(draw(generator, given), draw(generator, given))


# Sizes, equations


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_square_frames_of_any_size(size):
    given = codes(1, 1, size=size)
    assert draw(tiny(size), given).shape == (1, 1, 3, size, size)


def test_another_size_is_refused():
    with pytest.raises(RecipeError, match="cannot draw frames of 48 px"):
        tiny(48)


def test_parts_have_the_shapes_of_the_paper():
    content, state = ContentEncoder(256)(torch.zeros(2, 3, 3200), None)
    assert content.shape == (2, 3, 256)
    assert state.shape == (2, 2, 256)
    code, maps = IdentityEncoder((64, 64), 8, 128)(torch.zeros(2, 3, 64, 64))
    assert code.shape == (2, 128)
    assert code.abs().max() <= 1
    frame = FrameDecoder((64, 64), 8, 384, 10, skips=True)(torch.zeros(2, 394), maps)
    assert frame.shape == (2, 3, 64, 64)


def test_sounds_are_cut_around_the_middle_of_each_frame():
    speech = torch.arange(1.0, 16001.0)
    cut = cut_speech(speech, 16000, 25.0, torch.tensor([[-1, 0], [10, 24]]), 3200)
    assert cut.shape == (2, 2, 3200)
    middle = 10 * 640 + 320
    assert torch.equal(cut[1, 0], speech[middle - 1600 : middle + 1600])
    assert cut[0, 1, :1280].abs().sum() == 0  # before the beginning
    assert cut[0, 1, 1280] == 1.0
    assert cut[1, 1, -1] == 0  # past the end
    assert at_peak(torch.tensor([0.1, -0.5])).tolist() == pytest.approx([0.2, -1.0])
    assert at_peak(torch.zeros(3)).tolist() == [0, 0, 0]


def test_a_still_makes_it_learn_a_face():
    """A few steps on one clip: the difference from it falls by half."""
    generator, given = tiny().train(), codes(2, 4)
    given.reference_images = (
        given.reference_images[:, :, ::16, ::16].repeat_interleave(16, 2).repeat_interleave(16, 3)
    )
    target = given.reference_images[:, None].expand(-1, 4, -1, -1, -1) * 0.5
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)
    falls = []
    for _ in range(40):
        loss = (generator(given).frames - target).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falls.append(loss.item())
    assert falls[-1] < 0.5 * falls[0]


def test_it_is_offered_as_other_published_weights_are():
    entry = registry().get("generator", "sdfa")
    assert [c.file for c in entry.checkpoints] == ["crema.dat"]
    assert entry.wants == ("reference_images", "audio_windows")
