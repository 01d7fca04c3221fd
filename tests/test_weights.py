"""`s2vkit weights`: what is listed, what is refused and what is said, and converting."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import torch
from helpers_cli import call, start
from helpers_weights import published, random_weights
from safetensors.torch import load_file
from torch import nn

from s2vkit import Checkpoint, InputError, Options, PluginError, fit_weights, open_weights
from s2vkit.checkpoints import compare
from s2vkit.plugins import registry
from s2vkit.registry import Collector

CPC = "60k_epoch4-d0f474de.pt"
REFERENCES = [(e, c) for e in registry().of_kind() for c in e.checkpoints]


def cpc_weights():
    return random_weights(published("cpc", CPC))


# What is listed


@pytest.mark.parametrize(
    ("entry", "checkpoint"), REFERENCES, ids=lambda x: getattr(x, "file", getattr(x, "name", ""))
)
def test_every_published_file_is_told_of_whole(entry, checkpoint):
    assert checkpoint.source
    assert checkpoint.licence
    assert len(checkpoint.shapes()) > 5
    assert set(checkpoint.options) <= set(entry.options.model_fields) - {"checkpoint"}
    entry.options(checkpoint="a file", **checkpoint.options)


def test_the_list_names_every_file_without_torch():
    called = start("weights", before="import sys; sys.modules['torch'] = None")
    assert called.code == 0, called.err
    for entry, checkpoint in REFERENCES:
        assert entry.name in called.out
        assert checkpoint.file in called.out
        assert checkpoint.source in called.out
    assert "580.0 MB" in called.out  # vgg_face_dag: 145,002,878 numbers


def test_the_list_as_data(capsys):
    rows = json.loads(call(capsys, "weights", "--json").out)
    (vgg,) = [row for row in rows if row["component"] == "vggface"]
    assert (vgg["kind"], vgg["tensors"], vgg["bytes"]) == ("teacher", 32, 4 * 145_002_878)
    assert len(rows) == len({(entry.name, one.file) for entry, one in REFERENCES})
    assert {row["install"] for row in rows if row["component"] == "ge2e"} == {
        "pip install --no-deps resemblyzer"
    }


def test_a_component_that_reads_none_is_said(capsys):
    called = call(capsys, "weights", "check", "vgface", "x.pt")
    assert called.code == 3
    assert "did you mean 'vggface'?" in called.err
    assert "cpc" in called.err


def test_checkpoints_need_the_option():
    with pytest.raises(PluginError, match="has no option 'checkpoint'"):
        Collector("a 1 (a)").register(
            "teacher", "x", "a:B", Options, checkpoints=(Checkpoint("f", "p:k.json", "s", "l"),)
        )


# Checking


def test_a_right_file_fits(capsys, tmp_path):
    torch.save({"config": {"arMode": "LSTM"}, "weights": cpc_weights()}, tmp_path / "cpc.pt")
    called = call(capsys, "weights", "check", "cpc", tmp_path / "cpc.pt")
    assert called.code == 0
    assert f"fits audio_encoder 'cpc' as {CPC}" in called.out
    assert "24 tensors, float32" in called.out
    assert f'{{use: cpc, checkpoint: "{tmp_path / "cpc.pt"}"}}' in called.out


def test_a_wrong_file_is_told_tensor_by_tensor(capsys, tmp_path):
    weights = cpc_weights()
    weights["gEncoder.conv1.wieght"] = weights.pop("gEncoder.conv1.weight")
    del weights["gAR.baseNet.bias_hh_l0"]
    weights["gEncoder.conv0.weight"] = torch.zeros(256, 1, 12)
    weights["zzz"] = torch.zeros(1)
    torch.save(weights, tmp_path / "cpc.pt")
    called = call(capsys, "weights", "check", "cpc", tmp_path / "cpc.pt")
    assert called.code == 4
    lines = called.out.splitlines()
    for line in (
        "  missing: gEncoder.conv1.weight  (the file has 'gEncoder.conv1.wieght')",
        "  missing: gAR.baseNet.bias_hh_l0",
        "  unexpected: zzz",
        "  of another shape: gEncoder.conv0.weight 256x1x12 for 256x1x10",
        "2 missing, 2 unexpected, 1 of another shape",
    ):
        assert line in lines
    told = json.loads(call(capsys, "weights", "check", "cpc", tmp_path / "cpc.pt", "--json").out)
    assert told["fits"] is False
    assert told["nearest"] == {"gEncoder.conv1.weight": "gEncoder.conv1.wieght"}
    assert told["of_another_shape"][0]["found"] == [256, 1, 12]


def test_the_nearest_of_several_files_is_compared(capsys, tmp_path):
    ft = published("senet50", "senet50_ft_dag.pth")
    shapes = {k: either[0] for k, either in ft.shapes().items()}
    weights = {k: torch.zeros(s) for k, s in shapes.items() if not k.endswith("tracked")}
    del weights["conv1_7x7_s2.weight"]
    torch.save(weights, tmp_path / "s.pth")
    called = call(capsys, "weights", "check", "senet50", tmp_path / "s.pth")
    assert "nearest to senet50_ft_dag.pth" in called.out
    assert "1 missing, 0 unexpected, 0 of another shape" in called.out


@pytest.mark.parametrize("linear", [False, True])
def test_a_file_of_pytorch_mcn_fits_as_it_is_published(capsys, tmp_path, linear):
    shapes = published("senet50", "senet50_ferplus_dag.pth").shapes()
    weights = {
        k: torch.zeros(1).expand(either[linear and len(either) > 1])
        for k, either in shapes.items()
        if not k.endswith("num_batches_tracked")
    }
    torch.save(weights, tmp_path / "s.pth")
    called = call(capsys, "weights", "check", "senet50", tmp_path / "s.pth")
    assert called.code == 0, called.out
    assert "as senet50_ferplus_dag.pth\n  331 tensors" in called.out


def test_shapes_may_be_one_of_several_or_left_open():
    wanted = {"a": ((8, 4, 1, 1), (8, 4)), "b": ((None, 3),), "c.num_batches_tracked": ((),)}
    assert compare(wanted, {"a": (8, 4), "b": (7, 3)}).fits
    found = compare(wanted, {"a": (8, 5), "b": (7, 4), "x": ()}, may_hold=("x*",))
    assert [key for key, *_ in found.reshaped] == ["a", "b"]
    assert found.unexpected == ()


# What is refused


class Hostile:
    def __reduce__(self):
        return print, ("code in a checkpoint was run",)


def truncated(path):
    torch.save(cpc_weights(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncated_old(path):
    torch.save(cpc_weights(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def broken_safetensors(path):
    path.write_bytes(b"\xff" * 200)


def torchscript(path):
    class Half(nn.Module):
        def forward(self, x):
            return x / 2

    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:  # as torch.jit.save lays it out
        archive.writestr("half/constants.pkl", b"\x80\x02).")
        archive.writestr("half/data.pkl", b"\x80\x02}.")
        archive.writestr("half/version", "3\n")
    path.write_bytes(held.getvalue())


WRONG = {
    "nothing there": ("x.pt", lambda p: None, "no such checkpoint file", "lists the source"),
    "a folder": ("x.pt", lambda p: p.mkdir(), "no such checkpoint file", "lists the source"),
    "an empty file": ("x.pt", lambda p: p.touch(), "only a part of one", "download it again"),
    "noise": ("x.pt", lambda p: p.write_bytes(b"\x8f" * 99), "no torch checkpoint", "download"),
    "text": ("x.pt", lambda p: p.write_text("hello\n"), "no torch checkpoint", "download"),
    "truncated": ("x.pt", truncated, "only a part of one", "download it again"),
    "truncated, of 2018": ("x.pt", truncated_old, "only a part of one", "download it again"),
    "a web page": ("x.pt", lambda p: p.write_text("<!DOCTYPE html>"), "web page", "download"),
    "an LFS pointer": (
        "x.pt",
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "Git LFS pointer",
        "git lfs pull",
    ),
    "code": ("x.pt", lambda p: torch.save({"a": Hostile()}, p), "can carry code", "in a container"),
    "a whole model": ("x.pt", lambda p: torch.save(nn.Linear(2, 2), p), "can carry code", "state_dict"),
    "torchscript": ("x.pt", torchscript, "checkpoint", "= "),
    "a list": ("x.pt", lambda p: torch.save([1, 2], p), "holds a list", "lists the files"),
    "no tensors": (
        "x.pt",
        lambda p: torch.save({"weights": {"a": 1}}, p),
        "no tensors under 'weights'",
        "weights are looked for at the top and under",
    ),
    "no numbers": (
        "x.pt",
        lambda p: torch.save({**cpc_weights(), "gEncoder.conv0.bias": torch.full((256,), float("nan"))}, p),
        "not finite in gEncoder.conv0.bias",
        "use another",
    ),
    "broken safetensors": ("x.safetensors", broken_safetensors, "not a readable", "again"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_files_are_refused_with_what_to_do(capsys, tmp_path, what):
    name, make, said, hint = WRONG[what]
    make(tmp_path / name)
    out = tmp_path / "y.safetensors"
    for called in (
        call(capsys, "weights", "check", "cpc", tmp_path / name),
        call(capsys, "weights", "convert", "cpc", tmp_path / name, "-o", tmp_path / "y.safetensors"),
    ):
        assert "was run" not in called.out + called.err
        if called.code == 2:  # click itself refuses a folder
            assert "directory" in called.err
            continue
        assert called.code == 4
        assert str(tmp_path / name) in called.err
        assert said in called.err
        assert hint in called.err
        assert "Traceback" not in called.err
    assert not out.exists()


def test_a_file_that_is_not_finite_is_not_fitted():
    module = nn.Linear(2, 2)
    weights = {"weight": torch.full((2, 2), float("inf")), "bias": torch.zeros(2)}
    with pytest.raises(InputError, match="not finite in weight"):
        fit_weights(module, weights, source="it")


# Reading and converting


@pytest.mark.parametrize("key", ["weights", "state_dict", "model_state", "gEncoder", ""])
def test_containers_are_opened(tmp_path, key):
    held = {"module.a": torch.ones(2)}
    torch.save({key: held, "config": {"x": 1}} if key else held, tmp_path / "x.pt")
    opened = open_weights(tmp_path / "x.pt")
    assert list(opened.tensors) == ["a"]
    assert opened.config == ({"x": 1} if key else {})
    assert opened.container == key


def test_files_of_2018_are_opened(tmp_path):
    held = {"weights": {"a": torch.ones(2)}, "config": {"x": 1}}
    torch.save(held, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert open_weights(tmp_path / "x.pt").config == {"x": 1}


def test_converting_keeps_names_numbers_and_origin(capsys, tmp_path):
    weights = cpc_weights()
    torch.save({"config": {"hiddenGar": 256, "path": ["a"]}, "weights": weights}, tmp_path / CPC)
    out = tmp_path / "cpc.safetensors"
    called = call(capsys, "weights", "convert", "cpc", tmp_path / CPC, "-o", out)
    assert called.code == 0, called.err
    kept = load_file(out)
    assert set(kept) == set(weights)
    assert all(torch.equal(kept[k], weights[k]) for k in weights)
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["published_as"] == told["file"] == CPC
    assert told["component"] == "audio_encoder cpc"
    assert told["config"] == {"hiddenGar": 256, "path": ["a"]}
    assert told["licence"] == "MIT"
    assert len(told["sha256"]) == 64
    assert open_weights(out).config == told["config"]  # ours say how the network was made too
    assert call(capsys, "weights", "check", "cpc", out).code == 0
    again = call(capsys, "weights", "convert", "cpc", tmp_path / CPC, "-o", out)
    assert again.code == 4
    assert "give --force" in again.err
    forced = call(capsys, "weights", "convert", "cpc", tmp_path / CPC, "-o", out, "--force")
    assert forced.code == 0
    itself = call(capsys, "weights", "convert", "cpc", out, "-o", out, "--force")
    assert itself.code == 4
    assert "is the file itself" in itself.err
    other = call(capsys, "weights", "convert", "cpc", tmp_path / CPC, "-o", tmp_path / "x.pt")
    assert "must be named .safetensors" in other.err


def test_what_does_not_fit_is_not_converted(capsys, tmp_path):
    torch.save({"x": torch.zeros(1)}, tmp_path / "x.pt")
    out = tmp_path / "y.safetensors"
    called = call(capsys, "weights", "convert", "cpc", tmp_path / "x.pt", "-o", out)
    assert called.code == 4
    assert "unexpected: x" in called.out
    assert "nothing was written" in called.err
    assert not out.exists()
