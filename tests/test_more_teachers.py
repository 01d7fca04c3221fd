"""ArcFace, FaceNet and HSEmotion: against independent networks, their files, what they refuse."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from helpers_weights import published, random_weights
from s2vkit_arcface import ArcFaceOptions
from s2vkit_arcface.teacher import ArcFace
from s2vkit_facenet import FaceNetOptions
from s2vkit_facenet.teacher import FaceNet
from s2vkit_hsemotion import HsEmotionOptions
from s2vkit_hsemotion.teacher import EIGHT, SEVEN, HsEmotion

from s2vkit import InputError, ResourceError
from s2vkit.plugins import registry
from s2vkit.testing import check_component

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
BACKBONE = "ms1mv3_arcface_r50_fp16/backbone.pth"
VGGFACE2 = "20180402-114759-vggface2.pt"
AFEW = "enet_b0_8_best_afew.pt"


def images(size, n=2):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1


def iresnet_by_hand(w, x):
    """The network of insightface, written out plainly: the embedding, and each stage's output."""

    def norm(x, name):
        given = (w[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *given)

    def prelu(x, name):
        return torch.where(x > 0, x, x * w[f"{name}.weight"].view(1, -1, 1, 1))

    x = prelu(norm(F.conv2d(x, w["conv1.weight"], padding=1), "bn1"), "prelu")
    stages = []
    for stage, count in enumerate((3, 4, 14, 3), start=1):
        for block in range(count):
            name, stride = f"layer{stage}.{block}", 1 + (block == 0)
            y = F.conv2d(norm(x, f"{name}.bn1"), w[f"{name}.conv1.weight"], padding=1)
            y = prelu(norm(y, f"{name}.bn2"), f"{name}.prelu")
            y = F.conv2d(y, w[f"{name}.conv2.weight"], stride=stride, padding=1)
            y = norm(y, f"{name}.bn3")
            if block == 0:
                x = F.conv2d(x, w[f"{name}.downsample.0.weight"], stride=2)
                x = norm(x, f"{name}.downsample.1")
            x = y + x
        stages.append(x)
    flat = norm(x, "bn2").flatten(1)
    if flat.shape[1] != w["fc.weight"].shape[1]:  # an image of another size has maps alone
        return flat, stages
    return norm(F.linear(flat, w["fc.weight"], w["fc.bias"]), "features"), stages


def test_arcface_is_the_network_of_insightface(tmp_path):
    weights = random_weights(published("arcface", BACKBONE))
    weights = {k: v.abs() + 0.1 if k.endswith("_var") else v for k, v in weights.items()}
    torch.save(weights, tmp_path / "backbone.pth")
    teacher = ArcFace(ArcFaceOptions(checkpoint=str(tmp_path / "backbone.pth")), size=64, labels=())
    teacher.eval()
    x, small = images(112, 1), images(64, 1)
    with torch.no_grad():
        want, _ = iresnet_by_hand(weights, x)
        scale = want.abs().max()
        torch.testing.assert_close(teacher(x) / scale, want / scale, **CLOSE)
        teacher.normalize = True
        torch.testing.assert_close(teacher(x), F.normalize(want), **CLOSE)
        stages = iresnet_by_hand(weights, small)[1]
        for made, stage in zip(teacher.maps(small), stages[:0:-1], strict=True):
            torch.testing.assert_close(made / stage.std(), stage / stage.std(), **CLOSE)
    assert teacher.map_shapes == [(512, 4, 4), (256, 8, 8), (128, 16, 16)]
    assert (teacher.dim, teacher.input_size, teacher.classes) == (512, 112, ())
    with pytest.raises(InputError, match="no classifier"):
        teacher.classify(x)


def test_arcface_of_any_depth_loads(tmp_path):
    options = {"width": 0.125, "dim": 8}
    trained = ArcFace(ArcFaceOptions(layers=(1, 2, 1, 3), **options), size=32, labels=()).eval()
    kept = {k: v for k, v in trained.state_dict().items() if not k.startswith("classifier")}
    path = str(tmp_path / "x.pt")
    torch.save({"epoch": 3, "state_dict_backbone": kept}, path)  # as its training saves
    again = ArcFace(ArcFaceOptions(checkpoint=path, input_size=32, **options), size=64, labels=())
    torch.testing.assert_close(again.eval()(images(32)), trained(images(32)))
    check_component("teacher", "arcface", checkpoint=path, input_size=32, **options)


@pytest.mark.parametrize("size", [32, 48, 64, 100])
def test_maps_are_of_the_shapes_they_declare(size):
    arcface = ArcFaceOptions(width=0.125, layers=(1, 1, 1, 1), dim=8)
    for teacher in (
        ArcFace(arcface, size=size, labels=("a",)),
        HsEmotion(HsEmotionOptions(), size=size, labels=("a",)),
    ):
        made = teacher.eval().maps(images(size, 1))
        assert [tuple(m.shape[1:]) for m in made] == teacher.map_shapes


def facenet(**options):
    torch.manual_seed(0)
    try:
        return FaceNet(FaceNetOptions(**options), size=64, labels=("a", "b")).eval()
    except ResourceError as error:
        pytest.skip(str(error))


def test_facenet_is_facenet_pytorchs_own(tmp_path):
    plain = facenet()  # skips where the package is not there
    weights = random_weights(published("facenet", VGGFACE2))
    torch.save(weights, tmp_path / VGGFACE2)
    teacher = facenet(checkpoint=str(tmp_path / VGGFACE2))
    assert (teacher.pretrained, teacher.dim, len(teacher.classes)) == (True, 512, 8631)
    own = type(plain.net)(classify=True, num_classes=8631).eval()
    own.load_state_dict(weights, strict=False)
    x255 = (images(160) + 1) * 127.5
    with torch.no_grad():
        logits = own((x255 - 127.5) / 128)
        own.classify = False
        torch.testing.assert_close(teacher(images(160)), own((x255 - 127.5) / 128), **CLOSE)
        torch.testing.assert_close(teacher.classify(images(160)), logits, **CLOSE)
    assert teacher.maps(images(64)) == []
    assert not teacher.net.pretrained  # nothing was downloaded

    torch.save({k: v for k, v in weights.items() if not k.startswith("logits")}, tmp_path / "x.pt")
    headless = facenet(checkpoint=str(tmp_path / "x.pt"))
    assert headless.classes == ()
    with pytest.raises(InputError, match="no classifier"):
        headless.classify(images(64))


def test_facenet_says_which_extra_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "facenet_pytorch", None)
    with pytest.raises(ResourceError) as error:
        FaceNet(FaceNetOptions(), size=64, labels=())
    assert "pip install 's2vkit[faces]'" in str(error.value)


def hsemotion_file(path, outputs=8, inner="0."):
    """Write a state dict as that of HSEmotion's networks, its classifier in a Sequential."""
    weights = random_weights(published("hsemotion", AFEW))
    for kind in ("weight", "bias"):
        held = weights.pop(f"classifier.{kind}")
        weights[f"classifier.{inner}{kind}"] = held.repeat(2, *[1] * (held.dim() - 1))[:outputs]
    torch.save(weights, path)
    return weights


def test_hsemotion_is_timms_efficientnet(tmp_path):
    weights = hsemotion_file(tmp_path / "x.pt")
    teacher = HsEmotion(HsEmotionOptions(checkpoint=str(tmp_path / "x.pt")), size=64, labels=())
    plain = timm.create_model("tf_efficientnet_b0", num_classes=8).eval()
    plain.load_state_dict({k.replace("r.0.", "r."): v for k, v in weights.items()}, strict=False)
    x = (images(224, 1) + 1) / 2
    for c, (mean, std) in enumerate(((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))):
        x[:, c] = (x[:, c] - mean) / std
    with torch.no_grad():
        want = plain(x)
        made = teacher.eval()(images(224, 1))
    torch.testing.assert_close(made / want.std(), want / want.std(), rtol=1e-4, atol=1e-5)
    assert (teacher.classes, teacher.gives, teacher.input_size) == (EIGHT, "logits", 224)


@pytest.mark.parametrize(("outputs", "classes"), [(7, SEVEN), (8, EIGHT), (10, EIGHT)])
def test_hsemotion_names_its_classes(tmp_path, outputs, classes):
    hsemotion_file(tmp_path / "x.pt", outputs, inner="")
    options = {"checkpoint": str(tmp_path / "x.pt"), "input_size": 64}
    teacher = HsEmotion(HsEmotionOptions(**options), size=64, labels=("anger",)).eval()
    assert teacher.classes == classes
    assert teacher(images(64)).shape == (2, teacher.dim) == (2, len(classes))
    said = [f"mood {i}" for i in range(outputs)]
    named = HsEmotion(HsEmotionOptions(classes=said, **options), size=64, labels=())
    assert named.classes == tuple(said)
    with pytest.raises(InputError, match=f"names 3 classes, the file has {outputs}"):
        HsEmotion(HsEmotionOptions(classes=["a", "b", "c"], **options), size=64, labels=())


def test_hsemotion_without_a_classifier_gives_its_features(tmp_path):
    weights = hsemotion_file(tmp_path / "x.pt")
    kept = {k: v for k, v in weights.items() if not k.startswith("classifier")}
    torch.save(kept, tmp_path / "faces.pt")
    options = {"checkpoint": str(tmp_path / "faces.pt"), "input_size": 64}
    with pytest.raises(InputError, match="set `tap: pooled`"):
        HsEmotion(HsEmotionOptions(**options), size=64, labels=())
    teacher = HsEmotion(HsEmotionOptions(tap="pooled", **options), size=64, labels=()).eval()
    assert teacher(images(64)).shape == (2, teacher.dim) == (2, 1280)
    with pytest.raises(InputError, match="no classifier"):
        teacher.classify(images(64))


def test_hsemotion_knows_its_emotions_in_training():
    assert HsEmotion(HsEmotionOptions(), size=64, labels=("anger", "fear")).classes == EIGHT
    assert HsEmotion(HsEmotionOptions(), size=64, labels=("anger", "glee")).classes == ("anger", "glee")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (e.name, c.file)
        for e in registry().of_kind("teacher")
        for c in e.checkpoints
        if e.name in ("arcface", "hsemotion") and "b2" not in c.file and "enet2" not in c.file
    ],
)
def test_every_published_file_of_theirs_loads(tmp_path, name, file):
    checkpoint = published(name, file)
    torch.save(random_weights(checkpoint, counters=True), tmp_path / "x.pt")
    entry = registry().get("teacher", name)
    options = entry.options(checkpoint=str(tmp_path / "x.pt"), **checkpoint.options)
    assert entry.load()(options, size=64, labels=()).pretrained
