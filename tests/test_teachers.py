"""The face teachers: against independent networks, their checkpoints, their maps and classes."""

import json
from pathlib import Path

import pytest
import s2vkit_senet
import s2vkit_vggface
import timm
import torch
import torchvision
from s2vkit_senet import SenetOptions
from s2vkit_senet.teacher import FERPLUS, Network, Senet
from s2vkit_timm import TimmOptions
from s2vkit_timm.teacher import Timm
from s2vkit_vggface import VggFaceOptions
from s2vkit_vggface.teacher import VggFace
from test_contracts import TINY
from torch import nn

from s2vkit import Checkpoint, InputError, RecipeError
from s2vkit.nn import resize
from s2vkit.plugins import registry

LABELS = ("ann", "bob", "cas")
SENET_MAP = json.loads(Path(s2vkit_senet.__file__).with_name("dag_to_timm.json").read_text())


def manifest(plugin, name="keys.json"):
    """The first of the shapes that each tensor of a public file may have."""
    shapes = Checkpoint("a file", f"{plugin.__name__}:{name}", "", "").shapes()
    return {key: list(either[0]) for key, either in shapes.items()}


def small_vgg(size=64, labels=LABELS, **options):
    torch.manual_seed(0)
    return VggFace(VggFaceOptions(**{"width": 0.125, **options}), size=size, labels=labels).eval()


def small_senet(size=64, labels=LABELS, **options):
    torch.manual_seed(0)
    options = {"width": 0.125, "layers": (1, 2, 1, 1), **options}
    return Senet(SenetOptions(**options), size=size, labels=labels).eval()


def images(n=2, size=64):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(2)) * 2 - 1


def plain_vgg(teacher):
    """torchvision's VGG16 up to its classifier, with a teacher's convolutions in it."""
    with torch.device("meta"):
        trunk = torchvision.models.vgg16(weights=None).features
    convs = iter(m for name, m in teacher.named_children() if name.startswith("conv"))
    layers = [next(convs) if isinstance(layer, nn.Conv2d) else layer for layer in trunk]
    return nn.Sequential(*layers)


def test_vggface_is_torchvisions_vgg16():
    teacher = small_vgg()
    trunk = plain_vgg(teacher)
    x = images()
    raw = (x + 1) * 127.5 - torch.tensor([129.186279, 104.762382, 93.593964]).view(1, 3, 1, 1)
    with torch.no_grad():
        top = trunk(raw).flatten(1)
        pre = teacher.fc7(teacher.fc6(top).relu())
        close = {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(teacher(x), pre.relu(), **close)
        torch.testing.assert_close(teacher.classify(x), teacher.fc8(pre.relu()), **close)
        teacher.tap = "fc7_pre"
        torch.testing.assert_close(teacher(x), pre, **close)
        for made, end in zip(teacher.maps(x), (30, 23, 16), strict=True):
            torch.testing.assert_close(made, trunk[:end](raw), **close)


def test_vggface_has_the_public_layout():
    with torch.device("meta"):
        teacher = VggFace(VggFaceOptions(), size=224, labels=tuple(map(str, range(2622))))
    assert {k: list(v.shape) for k, v in teacher.state_dict().items()} == manifest(s2vkit_vggface)
    assert sum(p.numel() for p in teacher.parameters()) == 145_002_878
    assert teacher.dim == 4096
    assert teacher.map_shapes == [(512, 14, 14), (512, 28, 28), (256, 56, 56)]


def test_vggface_loads_a_file_and_keeps_its_classes(tmp_path):
    trained = small_vgg(size=96, labels=tuple("abcde"))
    torch.save(trained.state_dict(), tmp_path / "vgg.pth")
    teacher = small_vgg(checkpoint=str(tmp_path / "vgg.pth"), input_size=96)
    assert teacher.pretrained
    assert len(teacher.classes) == 5
    x = images(size=96)
    torch.testing.assert_close(teacher.classify(x), trained.classify(x))
    # The embedding sees 96 pixels whatever comes; the maps see the images as they are.
    assert teacher(images()).shape == (2, 512)
    assert [m.shape[1:] for m in teacher.maps(images())] == teacher.map_shapes


def test_vggface_says_what_does_not_fit(tmp_path):
    weights = small_vgg().state_dict()
    weights["fc9.bias"] = weights.pop("conv3_2.bias")
    torch.save(weights, tmp_path / "vgg.pth")
    with pytest.raises(InputError) as error:
        small_vgg(checkpoint=str(tmp_path / "vgg.pth"))
    text = str(error.value)
    assert "missing: conv3_2.bias" in text
    assert "unexpected: fc9.bias" in text
    assert "of another shape: fc6.weight (512, 256) for (512, 3136)" in text  # 224 is its size


class Hostile:
    def __reduce__(self):
        return print, ("code in a checkpoint was run",)


@pytest.mark.parametrize("build", [small_vgg, small_senet])
def test_files_that_carry_code_are_refused(tmp_path, build, capsys):
    torch.save({"fc8.bias": Hostile()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="carry code") as caught:
        build(checkpoint=str(tmp_path / "evil.pth"))
    assert "was run" not in capsys.readouterr().out
    assert "a container or a throw-away virtual machine" in caught.value.hint
    assert "folder of its own" not in caught.value.hint  # which would isolate nothing


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        small_senet(checkpoint=str(tmp_path / "none.pth"))


def random_dag_file(path, seed=0, counters=False):
    """Write a file of the public layout, without counters as pytorch-mcn does."""
    torch.manual_seed(seed)
    weights = {}
    for key, shape in manifest(s2vkit_senet).items():
        if key.endswith("num_batches_tracked"):
            if counters:
                weights[key] = torch.tensor(3)
        elif key.endswith("running_var") or (key.endswith("_bn.weight")):
            weights[key] = torch.rand(shape) * 0.5 + 0.5
        else:
            fan = max(1, torch.Size(shape[1:]).numel())
            weights[key] = torch.randn(shape) / fan**0.5
    torch.save(weights, path)
    return weights


def test_senet_is_timms_legacy_seresnet50_under_the_dag_names(tmp_path):
    weights = random_dag_file(tmp_path / "senet.pth")
    path = str(tmp_path / "senet.pth")
    teacher = Senet(SenetOptions(checkpoint=path), size=64, labels=()).eval()
    plain = timm.create_model("legacy_seresnet50", num_classes=8, drop_rate=0.0).eval()
    plain.load_state_dict(
        {SENET_MAP[k]: v.flatten(1) if k == "classifier.weight" else v for k, v in weights.items()},
        strict=False,
    )
    x = images(1, 224)
    grey = ((x + 1) * 127.5 * torch.tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, True)
    raw = grey - torch.tensor([131.0912, 103.8827, 91.4953]).view(1, 3, 1, 1)
    with torch.no_grad():
        want, made = plain(raw), teacher(x)
        torch.testing.assert_close(made, want, rtol=1e-5, atol=1e-5)
        pooled = plain.forward_features(raw).mean((2, 3))
        teacher.tap = "pool5"
        torch.testing.assert_close(teacher(x), pooled, rtol=1e-5, atol=1e-5)
    assert want.abs().max() > 0.1
    assert teacher.pretrained
    assert teacher.classes == FERPLUS


def test_senet_has_the_public_layout():
    with torch.device("meta"):
        own = Network(1.0, (3, 4, 6, 3), 8).state_dict()
    shapes = manifest(s2vkit_senet)
    assert len(shapes) == 384
    assert {SENET_MAP[k] for k in shapes} == set(own)
    for dag, name in SENET_MAP.items():
        assert list(own[name].shape) == shapes[dag][: own[name].dim()], dag


def test_senet_reads_a_linear_classifier_and_other_classes(tmp_path):
    trained = small_senet(labels=tuple("abcdefghij"))
    back = {v: k for k, v in SENET_MAP.items()}
    weights = {back[k]: v for k, v in trained.net.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "ft.pth")
    teacher = small_senet(checkpoint=str(tmp_path / "ft.pth"), input_size=64)
    assert len(teacher.classes) == 10
    torch.testing.assert_close(teacher(images()), trained(images()))
    assert small_senet(checkpoint=str(tmp_path / "ft.pth")).input_size == 224


def test_senet_says_what_does_not_fit(tmp_path):
    torch.save({"conv1_7x7_s2.weight": torch.zeros(8, 3, 7, 7), "x": torch.zeros(1)}, tmp_path / "s")
    with pytest.raises(InputError, match=r"missing: layer0.bn1.weight.*and \d+ more; unexpected: x"):
        small_senet(checkpoint=str(tmp_path / "s"))


def test_senet_names_emotions_where_they_are_its_own():
    assert small_senet(labels=("anger", "neutral")).classes == FERPLUS
    assert small_senet(labels=("anger", "boredom")).classes == ("anger", "boredom")
    one = small_senet(labels=())
    assert one.classes == ()
    assert one.classify(images()).shape == (2, 1)


def test_senet_sees_grey_unless_told():
    x = images()
    grey = (x * torch.tensor([0.2989, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, True).expand_as(x)
    teacher, colour = small_senet(), small_senet(grey=False)
    torch.testing.assert_close(teacher(x), teacher(grey), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(colour(x), colour(grey), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("size", [32, 48, 64, 96, 128])
@pytest.mark.parametrize("build", [small_vgg, small_senet])
def test_maps_double_from_small_to_large(build, size):
    teacher = build(size=size)
    with torch.no_grad():
        made = teacher.maps(images(1, size))
    assert [tuple(m.shape[1:]) for m in made] == teacher.map_shapes
    sides = [h for _, h, w in teacher.map_shapes if h == w]
    assert sides == [size // 16, size // 8, size // 4]


@pytest.mark.parametrize("build", [small_vgg, small_senet])
def test_gradients_flow_through_maps(build):
    x = images().requires_grad_()
    sum(m.mean() for m in build().maps(x)).backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "build",
    [
        lambda: VggFace(VggFaceOptions(width=0.125), size=64, labels=LABELS),
        lambda: Senet(SenetOptions(width=0.125, layers=(1, 1, 1, 1)), size=64, labels=LABELS),
        lambda: Timm(TimmOptions(), size=64, labels=LABELS),
    ],
)
def test_teachers_learn_from_scratch(build):
    torch.manual_seed(0)
    teacher = build()
    patterns = nn.functional.interpolate(torch.randn(3, 3, 4, 4), 64) * 0.3
    optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-3)
    for _ in range(60):
        classes = torch.randint(3, (16,))
        seen = (patterns[classes] + 0.2 * torch.randn(16, 3, 64, 64)).clamp(-1, 1)
        loss = nn.functional.cross_entropy(teacher.classify(seen), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    teacher.eval()
    with torch.no_grad():
        assert teacher.classify(patterns.clamp(-1, 1)).argmax(1).tolist() == [0, 1, 2]


def test_timm_regresses_one_number_and_takes_any_model():
    evaluator = Timm(TimmOptions(), size=64, labels=())
    assert evaluator.classes == ()
    assert evaluator.classify(images()).shape == (2, 1)
    options = TimmOptions(model="resnet18", arguments={"channels": [8, 8, 8, 8]}, input_size=32)
    assert Timm(options, size=64, labels=LABELS)(images()).shape == (2, 3)


def test_timm_keeps_the_classes_of_a_file(tmp_path):
    trained = Timm(TimmOptions(), size=64, labels=tuple("abcde")).eval()
    torch.save(trained.net.state_dict(), tmp_path / "net.pt")
    options = TimmOptions(checkpoint=str(tmp_path / "net.pt"))
    teacher = Timm(options, size=64, labels=LABELS).eval()
    assert len(teacher.classes) == teacher.dim == 5
    torch.testing.assert_close(teacher(images()), trained(images()))


def test_timm_sees_as_published_weights_do(tmp_path):
    plain = timm.create_model("resnet18", num_classes=7).eval()
    torch.save(plain.state_dict(), tmp_path / "net.pt")
    options = {"model": "resnet18", "checkpoint": str(tmp_path / "net.pt")}
    teacher = Timm(TimmOptions(published=True, **options), size=64, labels=()).eval()
    assert teacher.input_size == 224
    mean, std = (torch.tensor(plain.pretrained_cfg[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    x = images(1, 224)
    with torch.no_grad():
        want = plain(((x + 1) / 2 - mean) / std)
        torch.testing.assert_close(teacher(x), want, rtol=1e-5, atol=1e-5)
        as_they_come = Timm(TimmOptions(**options), size=224, labels=()).eval()
        torch.testing.assert_close(as_they_come(x), plain(x), rtol=1e-4, atol=1e-4)


def test_timm_says_what_it_does_not_know():
    with pytest.raises(RecipeError, match=r"near it are: .*resnet18"):
        Timm(TimmOptions(model="resnet_18"), size=64, labels=())
    with pytest.raises(RecipeError, match="widht"):
        Timm(TimmOptions(arguments={"widht": 3}), size=64, labels=())


@pytest.mark.parametrize(
    "name", [e.name for e in registry().of_kind("teacher") if "input_size" in e.options.model_fields]
)
def test_faces_of_another_size_are_seen_in_bf16_too(name):
    entry = registry().get("teacher", name)
    given = next(iter(TINY["teacher", name]))
    teacher = entry.load()(entry.options(**given), size=96, labels=LABELS).eval()
    blurred = images(size=96).bfloat16()  # as a convolution of the stage gives them
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        codes = teacher(blurred)
    assert codes.shape == (2, teacher.dim)
    assert codes.isfinite().all()


def test_resizing_is_antialiased_and_of_float32():
    stripes = torch.ones(1, 1, 8, 8)
    stripes[..., ::2] = -1
    found = resize(stripes.bfloat16(), 4)
    assert (found.dtype, found.shape) == (torch.float32, (1, 1, 4, 4))
    assert found.abs().max() < 0.3
    assert resize(stripes, (8, 8)) is stripes
