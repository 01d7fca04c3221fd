"""Files with the published names and shapes load, and compute what independent networks do."""

from __future__ import annotations

import json

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from helpers_toy import REGISTRY, load_toy
from helpers_weights import published, random_weights
from s2vkit_cpc import CpcOptions
from s2vkit_cpc.encoder import Cpc
from s2vkit_senet import SenetOptions
from s2vkit_senet.checkpoint import KEYS
from s2vkit_senet.teacher import FERPLUS, Senet
from s2vkit_vggface import VggFaceOptions
from s2vkit_vggface.teacher import VggFace
from test_encoders import cpc_by_hand
from torch import nn

from s2vkit import InputError
from s2vkit.build import Builder
from s2vkit.inference.bundle import load_bundle

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
LIBRI = "60k_epoch4-d0f474de.pt"


def image(size=224):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1


def thin(checkpoint):
    """Draw weights of which a file stays small: every matrix is a few numbers, shifted."""
    random, made = torch.Generator().manual_seed(0), {}
    for key, ((first, *rest), *_) in checkpoint.shapes().items():
        fan = torch.Size(rest).numel()
        line = torch.randn(first + fan, generator=random) * (2 / fan) ** 0.5
        made[key] = line.as_strided((first, fan), (1, 1)).unflatten(1, rest) if rest else line
        made[key] = made[key] if rest else line[:first] * 0.1
    return made


def test_vgg_face_dag_is_torchvisions_vgg16(tmp_path):
    weights = thin(published("vggface", "vgg_face_dag.pth"))
    torch.save(weights, tmp_path / "vgg_face_dag.pth")
    assert (tmp_path / "vgg_face_dag.pth").stat().st_size < 1e6
    options = VggFaceOptions(checkpoint=str(tmp_path / "vgg_face_dag.pth"))
    teacher = VggFace(options, size=128, labels=("ann",)).eval()
    assert teacher.map_shapes == [(512, 8, 8), (512, 16, 16), (256, 32, 32)]
    assert (teacher.dim, len(teacher.classes), teacher.pretrained) == (4096, 2622, True)

    with torch.device("meta"):
        trunk = torchvision.models.vgg16(weights=None).features
    names = iter(k.removesuffix(".weight") for k in weights if k.startswith("conv") and "w" in k)
    for layer in trunk:
        if isinstance(layer, nn.Conv2d):
            name = next(names)
            layer.weight = nn.Parameter(weights[f"{name}.weight"].contiguous())
            layer.bias = nn.Parameter(weights[f"{name}.bias"])
    mean = torch.tensor([129.186279296875, 104.76238250732422, 93.59396362304688])
    raw = (image() + 1) * 127.5 - mean.view(1, 3, 1, 1)  # RGB of 0-255, no division
    with torch.no_grad():
        fc6 = F.linear(trunk(raw).flatten(1), weights["fc6.weight"], weights["fc6.bias"]).relu()
        fc7 = F.linear(fc6, weights["fc7.weight"], weights["fc7.bias"]).relu()
        made = teacher(image())
        scale = fc7.abs().max()
        assert scale > 0
        torch.testing.assert_close(made / scale, fc7 / scale, **CLOSE)
        fc8 = F.linear(fc7, weights["fc8.weight"], weights["fc8.bias"])
        torch.testing.assert_close(teacher.classify(image()) / scale, fc8 / scale, **CLOSE)
        small = (image(128) + 1) * 127.5 - mean.view(1, 3, 1, 1)
        for found, end in zip(teacher.maps(image(128)), (30, 23, 16), strict=True):
            want = trunk[:end](small)
            torch.testing.assert_close(found / want.max(), want / want.max(), **CLOSE)


@pytest.mark.parametrize(("file", "classes"), [("senet50_ferplus_dag.pth", 8), ("senet50_ft_dag.pth", 8631)])
def test_senet50_dag_is_timms_legacy_seresnet50(tmp_path, file, classes):
    checkpoint = published("senet50", file)
    weights = random_weights(checkpoint)
    weights["classifier.weight"] = weights["classifier.weight"].flatten(1)  # the linear variant
    torch.save(weights, tmp_path / file)
    options = SenetOptions(checkpoint=str(tmp_path / file), **checkpoint.options)
    teacher = Senet(options, size=64, labels=()).eval()
    assert teacher.pretrained
    assert len(teacher.classes) == classes
    assert (teacher.classes == FERPLUS) == (classes == 8)

    plain = timm.create_model("legacy_seresnet50", num_classes=classes, drop_rate=0.0).eval()
    names = json.loads(KEYS.read_text())
    lost = plain.load_state_dict({names[k]: v for k, v in weights.items()}, strict=False)
    assert all(key.endswith("num_batches_tracked") for key in lost.missing_keys)
    x = (image() + 1) * 127.5
    if classes == 8:  # FER+ faces are grey
        x = (x * torch.tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, True)
    raw = x - torch.tensor([131.0912, 103.8827, 91.4953]).view(1, 3, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(teacher.classify(image()), plain(raw), **CLOSE)
        want = plain(raw) if classes == 8 else plain.forward_features(raw).mean((2, 3))
        torch.testing.assert_close(teacher(image()), want, **CLOSE)


CONTAINERS = {
    "libri-light": lambda w: {"config": {"arMode": "LSTM", "nLevelsGRU": 1}, "weights": w},
    "CPC_audio": lambda w: {
        "gEncoder": w,
        "cpcCriterion": {"wPrediction.x": torch.zeros(1)},
        "optimizer": {},
        "best": w,
    },
    "plain": lambda w: w,
    "data parallel": lambda w: {"weights": {f"module.{k}": v for k, v in w.items()}},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_cpc_files_of_every_form_are_the_network_of_the_spec(tmp_path, container):
    weights = random_weights(published("cpc", LIBRI))
    torch.save(CONTAINERS[container](weights), tmp_path / LIBRI)
    encoder = Cpc(CpcOptions(checkpoint=str(tmp_path / LIBRI))).eval()
    speech = torch.randn(2, 4800, generator=torch.Generator().manual_seed(1)) * 0.1
    with torch.no_grad():
        z, c = cpc_by_hand(weights, speech)
        features, omega = encoder(speech, torch.tensor([4800, 4800]))
        torch.testing.assert_close(encoder.encode(speech), z, **CLOSE)
    torch.testing.assert_close(features, c, **CLOSE)
    torch.testing.assert_close(omega, c[:, -1], **CLOSE)
    assert c.std() > 0.01


@pytest.mark.parametrize(
    "layout",
    [{"context": "gru"}, {"context": "rnn", "layers": 2}, {"channels": 16, "norm": "batch"}],
    ids=str,
)
def test_cpc_takes_its_layout_from_the_file(tmp_path, layout):
    torch.manual_seed(0)
    trained = Cpc(CpcOptions(**{"channels": 32, **layout})).eval()
    torch.save({"gEncoder": trained.state_dict()}, tmp_path / "own.pt")
    encoder = Cpc(CpcOptions(checkpoint=str(tmp_path / "own.pt"))).eval()
    speech, length = torch.randn(1, 3200) * 0.1, torch.tensor([3200])
    torch.testing.assert_close(encoder(speech, length)[0], trained(speech, length)[0])
    for name, value in {"context": "lstm", "layers": 3, "channels": 8, "norm": "channel"}.items():
        if name in layout:
            with pytest.raises(InputError, match=f"set `{name}: {layout[name]}`, or leave it out"):
                Cpc(CpcOptions(checkpoint=str(tmp_path / "own.pt"), **{name: value}))


def test_a_model_needs_its_encoders_file_no_more(tmp_path):
    torch.manual_seed(0)
    trained = Cpc(CpcOptions(channels=32, context="gru", layers=2))
    torch.save({"gEncoder": trained.state_dict()}, tmp_path / "own.pt")
    loaded = load_toy(tmp_path, f"audio_encoder={{use: cpc, checkpoint: {tmp_path / 'own.pt'}}}")
    builder = Builder(loaded.recipe, REGISTRY)
    builder.save_bundle(tmp_path / "model", builder.graph())
    (tmp_path / "own.pt").unlink()
    kept = load_bundle(tmp_path / "model", REGISTRY).graph
    assert all(torch.equal(v, trained.state_dict()[k]) for k, v in kept.encoder.state_dict().items())


def test_cpc_refuses_networks_that_it_has_not(tmp_path):
    weights = random_weights(published("cpc", LIBRI))
    path = str(tmp_path / "x.pt")
    for change, said in (
        ({k: v[0, :, 0] for k, v in weights.items() if "batchNorm" in k}, "'instanceNorm'"),
        ({k: None for k in weights if "batchNorm" in k}, "normMode 'ID'"),
        ({"gAR.baseNet.weight_hh_l0": torch.zeros(512, 128)}, "256 channels and its context 128"),
    ):
        kept = {k: v for k, v in {**weights, **change}.items() if v is not None}
        torch.save({"weights": kept}, path)
        with pytest.raises(InputError, match=said):
            Cpc(CpcOptions(checkpoint=path))
    rest = {k: v for k, v in weights.items() if not k.startswith("gAR")}
    torch.save({"config": {"arMode": "transformer"}, "weights": rest}, path)
    with pytest.raises(InputError, match="arMode 'transformer'"):
        Cpc(CpcOptions(checkpoint=path))


SUMMARIES = ("last", "mean", "statistics", "layers")


@pytest.mark.parametrize("summary", SUMMARIES)
@pytest.mark.parametrize("layout", [{}, {"context": "gru", "layers": 2, "norm": "batch"}], ids=str)
def test_cpc_hears_in_pieces_what_it_hears_at_once(summary, layout):
    torch.manual_seed(0)
    encoder = Cpc(CpcOptions(channels=16, summary=summary, **layout)).eval()
    random = torch.Generator().manual_seed(4)
    for samples in (7, 160, 1599, 6401):
        speech = torch.randn(2, samples, generator=random) * 0.1
        with torch.no_grad():
            whole, its = encoder(speech, torch.tensor([samples, samples]))
            for most in (90, 900, 9000):
                stream, made, at = encoder.stream(), [], 0
                while at < samples:
                    piece = 1 + int(torch.randint(most, (), generator=random))
                    made.append(stream.encode(speech[:, at : at + piece]))
                    at += piece
                rest, summed = stream.finish()
                made = torch.cat([*made, rest], 1)
                torch.testing.assert_close(made, whole, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(summed, its, rtol=1e-4, atol=1e-5)


def test_cpc_steps_come_as_soon_as_they_can():
    encoder = Cpc(CpcOptions(channels=16)).eval()
    stream = encoder.stream()
    with torch.no_grad():
        heard = sum(stream.encode(torch.zeros(1, 160)).shape[1] for _ in range(100))
        rest, _ = stream.finish()
    assert heard >= 97  # each waits for the convolutions alone, less than 30 ms
    assert heard + rest.shape[1] == 100
