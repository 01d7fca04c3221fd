"""LPIPS, FID and FVD: their layouts, the Frechet distance, and what is said without weights."""

import json
import math
from pathlib import Path

import pytest
import torch
from s2vkit_perceptual import FidOptions, FvdOptions, LpipsOptions
from s2vkit_perceptual import fid as fid_module
from s2vkit_perceptual.fid import Fid
from s2vkit_perceptual.frechet import Cloud, frechet
from s2vkit_perceptual.fvd import Fvd
from s2vkit_perceptual.i3d import I3d, pool, same
from s2vkit_perceptual.lpips import Lpips
from torchvision.models import alexnet

from s2vkit import InputError, Outcome
from s2vkit.testing import check_component


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def clip(frames=4, side=64, seed=0):
    made, true = (noise(frames, 3, side, side, seed=seed + i).clamp(-1, 1) for i in (0, 1))
    return Outcome("a", made, true)


# The Frechet distance


def test_frechet_of_gaussians_with_one_basis_is_that_of_the_closed_form():
    """Where covariances commute it is |m1-m2|^2 + sum (s1 - s2)^2 over the common axes."""
    basis = torch.linalg.qr(noise(6, 6).double())[0]
    s1, s2 = noise(6, seed=1).abs().double(), noise(6, seed=2).abs().double()
    m1, m2 = noise(2, 6, seed=3).double()
    given = [(m, basis @ torch.diag(s**2) @ basis.T) for m, s in ((m1, s1), (m2, s2))]
    expected = (m1 - m2).square().sum() + (s1 - s2).square().sum()
    assert frechet(*given) == pytest.approx(float(expected), rel=1e-9)
    assert frechet(given[0], given[0]) == pytest.approx(0, abs=1e-9)


def test_frechet_agrees_with_the_root_of_the_product_and_takes_singular_covariances():
    linalg = pytest.importorskip("scipy.linalg")
    a, b = noise(50, 5).double(), (noise(40, 5, seed=1).double() @ noise(5, 5, seed=2).double())
    moments = [(x.mean(0), torch.cov(x.T)) for x in (a, b)]
    root = torch.from_numpy(linalg.sqrtm((moments[0][1] @ moments[1][1]).numpy()).real)
    expected = (moments[0][0] - moments[1][0]).square().sum()
    expected += (moments[0][1] + moments[1][1] - 2 * root).trace()
    assert frechet(*moments) == pytest.approx(float(expected), rel=1e-9)
    line = torch.outer(*[torch.ones(5).double()] * 2)
    zero = torch.zeros(5).double()
    assert frechet((zero, line), (zero, 4 * line)) == pytest.approx(5.0)  # (2 - 1)^2 of 5


def test_a_cloud_in_pieces_has_the_moments_of_the_whole():
    data = noise(30, 4) + 5
    cloud = Cloud()
    for piece in data.split(7):
        cloud.add(piece)
    mean, covariance = cloud.moments()
    torch.testing.assert_close(mean, data.double().mean(0))
    torch.testing.assert_close(covariance, torch.cov(data.double().T))
    with pytest.raises(InputError, match="at least 2 samples"):
        Cloud().moments()


# LPIPS


@pytest.fixture(scope="module")
def alex(tmp_path_factory):
    """Random weights in the published layouts: torchvision's AlexNet, and LPIPS' heads."""
    folder = tmp_path_factory.mktemp("lpips")
    torch.manual_seed(0)
    net = alexnet(weights=None)
    kept = {k: v for k, v in net.state_dict().items() if k.startswith("features")}
    torch.save(kept, folder / "alexnet.pth")
    channels = (64, 192, 384, 256, 256)
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}
    torch.save(heads, folder / "heads.pth")
    return folder, net, heads


def alex_options(folder, **more):
    given = {"backbone": str(folder / "alexnet.pth"), "heads": str(folder / "heads.pth")}
    return LpipsOptions(**{**given, **more})


def test_lpips_follows_its_definition(alex):
    folder, net, heads = alex
    outcome = clip(3)
    metric = Lpips(alex_options(folder))
    metric.update(outcome)
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    one, other, total = ((x - shift) / scale for x in (outcome.generated, outcome.real)), None, 0.0
    one, other = one
    at = 0
    with torch.no_grad():
        for layer in net.features[:12]:
            one, other = layer(one.clone()), layer(other.clone())
            if isinstance(layer, torch.nn.ReLU):
                a, b = (x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in (one, other))
                weights = heads[f"lin{at}.model.1.weight"]
                total = total + ((a - b) ** 2 * weights.view(1, -1, 1, 1)).sum(1).mean((1, 2))
                at += 1
    assert at == 5
    assert metric.compute().value == pytest.approx(float(total.mean()), rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_lpips_agrees_with_torchmetrics_on_the_same_weights(alex):
    pytest.importorskip("torchmetrics")
    from torchmetrics.functional.image.lpips import _LPIPS

    folder, net, heads = alex
    theirs = _LPIPS(pretrained=False, net="alex", pnet_rand=True).eval()
    theirs.load_state_dict(heads, strict=False)
    own = {f"{i}": layer for i, layer in enumerate(net.features)}
    for part in (
        theirs.net.slice1,
        theirs.net.slice2,
        theirs.net.slice3,
        theirs.net.slice4,
        theirs.net.slice5,
    ):
        for name, layer in part.named_children():
            layer.load_state_dict(own[name].state_dict())
    outcome = clip(2)
    with torch.no_grad():
        expected = theirs(outcome.generated, outcome.real).mean()
    metric = Lpips(alex_options(folder))
    metric.update(outcome)
    assert metric.compute().value == pytest.approx(float(expected), rel=1e-4)


def test_lpips_keeps_its_contract(alex):
    options = alex_options(alex[0])
    check_component("metric", "lpips", backbone=options.backbone, heads=options.heads)


def test_lpips_of_equal_frames_is_0_and_files_that_do_not_fit_are_told(alex, tmp_path):
    folder, _, heads = alex
    metric = Lpips(alex_options(folder))
    outcome = clip(1)
    metric.update(Outcome("a", outcome.generated, outcome.generated))
    assert metric.compute().value == 0
    with pytest.raises(InputError, match="no such checkpoint file"):
        Lpips(alex_options(folder, heads=str(tmp_path / "none.pth")))
    torch.save({k: v for k, v in heads.items() if "lin0" not in k}, tmp_path / "less.pth")
    with pytest.raises(InputError, match=r"missing: 0\.weight"):
        Lpips(alex_options(folder, heads=str(tmp_path / "less.pth")))


# FID


def test_the_inception_has_the_layout_of_pytorch_fid():
    keys = fid_module.build().state_dict()
    assert keys["fc.weight"].shape == (1008, 2048)
    assert keys["Mixed_7c.branch_pool.conv.weight"].shape == (192, 2048, 1, 1)
    assert keys["Mixed_5b.branch_pool.conv.weight"].shape == (32, 192, 1, 1)
    assert not any("AuxLogits" in key for key in keys)
    assert len([k for k in keys if "num_batches" not in k]) == 94 * 5 + 2


def test_the_inception_and_i3d_run():
    with torch.no_grad():
        assert fid_module.build().eval()(torch.zeros(1, 3, 75, 75)).shape == (1, 1008)
        assert I3d().eval()(torch.zeros(1, 3, 9, 224, 224)).shape == (1, 400)


def test_the_inception_pools_as_tensorflow_does():
    """At the ends only what is there is averaged; the last block takes the largest."""
    net = fid_module.build().eval()
    pooled = {}
    for name in ("Mixed_5b", "Mixed_6c", "Mixed_7b", "Mixed_7c"):
        block = getattr(net, name)
        block.branch_pool.register_forward_pre_hook(
            lambda _, given, name=name: pooled.__setitem__(name, given[0])
        )
        width = {"Mixed_5b": 192, "Mixed_6c": 768, "Mixed_7b": 1280, "Mixed_7c": 2048}[name]
        ramp = torch.ones(1, width, 5, 5)
        ramp[..., 0, 0] = 3
        with torch.no_grad():
            block(ramp)
    for name in ("Mixed_5b", "Mixed_6c", "Mixed_7b"):
        assert pooled[name][0, 0, 0, 0] == pytest.approx((3 + 3) / 4)
        assert pooled[name][0, 0, 0, 4] == 1
    assert pooled["Mixed_7c"][0, 0, 1, 1] == 3
    assert pooled["Mixed_7c"][0, 0, 0, 4] == 1


def test_fid_is_the_frechet_distance_of_features(tmp_path, monkeypatch):
    class Tiny(torch.nn.Module):
        """Stands in for the Inception: means of channels."""

        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(3, 3)

        def forward(self, images):
            assert images.shape[2:] == (299, 299)
            return self.fc(images.mean((2, 3)))

    monkeypatch.setattr(fid_module, "build", Tiny)
    torch.save(Tiny().state_dict(), tmp_path / "weights.pth")
    metric = Fid(FidOptions(checkpoint=str(tmp_path / "weights.pth")))
    clips = [clip(5, 16, seed=s) for s in (0, 10, 20)]
    for each in clips:
        metric.update(each)
    score = metric.compute()
    sides = []
    for side in ("generated", "real"):
        images = torch.cat([getattr(each, side) for each in clips])
        large = torch.nn.functional.interpolate(images, (299, 299), mode="bilinear")
        seen = large.mean((2, 3)).double()
        sides.append((seen.mean(0), torch.cov(seen.T)))
    assert score.value == pytest.approx(frechet(*sides), rel=1e-4, abs=1e-7)
    assert score.on_real > 0
    assert score.n == 15
    check_component("metric", "fid", checkpoint=str(tmp_path / "weights.pth"))
    with pytest.raises(InputError, match="no such checkpoint file"):
        Fid(FidOptions(checkpoint=str(tmp_path / "none.pth")))


# FVD


def test_i3d_has_the_layout_of_pytorch_i3d():
    shapes = {k: tuple(v.shape) for k, v in I3d().state_dict().items()}
    assert shapes["Conv3d_1a_7x7.conv3d.weight"] == (64, 3, 7, 7, 7)
    assert shapes["Mixed_3b.b1a.bn.running_mean"] == (96,)
    assert shapes["Mixed_4f.b2b.conv3d.weight"] == (128, 32, 3, 3, 3)
    assert shapes["Mixed_5c.b3b.conv3d.weight"] == (128, 832, 1, 1, 1)
    assert shapes["logits.conv3d.weight"] == (400, 1024, 1, 1, 1)
    assert shapes["logits.conv3d.bias"] == (400,)
    units = 57
    assert len([k for k in shapes if k.endswith("conv3d.weight")]) == units + 1
    assert len([k for k in shapes if "num_batches" not in k]) == 5 * units + 2


def test_padding_gives_a_place_a_step():
    x = torch.ones(1, 1, 5, 6, 7)
    assert pool(x, (2, 2, 2), (2, 2, 2)).shape == (1, 1, 3, 3, 4)
    assert pool(x, (1, 3, 3), (1, 2, 2)).shape == (1, 1, 5, 3, 4)
    padded = same(torch.ones(1, 1, 1, 1, 4), (1, 1, 3), (1, 1, 2))  # one behind, none before
    assert padded.flatten().tolist() == [1, 1, 1, 1, 0]


def test_fvd_takes_whole_windows_and_never_torchscript(tmp_path, monkeypatch):
    class Tiny(torch.nn.Module):
        """Stands in for I3D."""

        def __init__(self):
            super().__init__()
            self.mix = torch.nn.Linear(3, 2)

        def forward(self, videos):
            assert videos.shape == (1, 3, 10, 224, 224)
            return self.mix(videos.mean((2, 3, 4)))

    monkeypatch.setattr("s2vkit_perceptual.fvd.I3d", Tiny)
    torch.save(Tiny().state_dict(), tmp_path / "i3d.pt")
    metric = Fvd(FvdOptions(checkpoint=str(tmp_path / "i3d.pt"), window=10))
    for seed in (0, 10, 20):
        metric.update(clip(25, 16, seed=seed))
    metric.update(clip(9, 16))
    score = metric.compute()
    assert score.n == 6
    assert score.details["left_out_too_short"] == 1
    assert score.value > 0
    assert math.isfinite(score.value)
    json.dumps(score.details)
    check_component("metric", "fvd", checkpoint=str(tmp_path / "i3d.pt"), window=10)
    Path(tmp_path / "script.pt").write_bytes(b"PK\\x03\\x04 not tensors")
    with pytest.raises(InputError, match="never opened"):
        Fvd(FvdOptions(checkpoint=str(tmp_path / "script.pt")))
