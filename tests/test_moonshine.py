"""Moonshine's encoder: block by block as by pieces, and its weights out of ONNX Runtime's format."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from helpers_weights import published, random_weights
from s2vkit_moonshine import MoonshineOptions
from s2vkit_moonshine.encoder import Moonshine
from s2vkit_moonshine.network import HOP, LAYERS, turns
from s2vkit_moonshine.ort_file import open_moonshine
from safetensors.torch import save_file

from s2vkit import InputError, ResourceError
from s2vkit.installed import is_carried

FILE = "encoder_model.ort"


def encoder(**options):
    torch.manual_seed(1)
    given = {"width": 32, "layer": 2, "past": 5, "block": 3, "ahead": 2}
    return Moonshine(MoonshineOptions(**{**given, **options})).eval()


def sound(seconds, seed=0):
    return torch.randn(1, round(16000 * seconds), generator=torch.Generator().manual_seed(seed)) * 0.1


@torch.no_grad()
def test_a_step_hears_its_block_and_what_is_around_it_alone():
    net, speech = encoder(), sound(1.0)
    whole = net(speech, torch.tensor([16000]))[0]
    changed = speech.clone()
    changed[:, 30 * HOP :] += 0.1  # heard in the blocks from 30 on, and in 27-29, which hears 2 ahead
    found = net(changed, torch.tensor([16000]))[0]
    differs = (found - whole).abs().amax((0, 2)) > 1e-6
    assert not differs[:27].any()
    assert differs[27:].all()
    changed = speech.clone()
    changed[:, : 10 * HOP] += 0.1
    differs = (net(changed, torch.tensor([16000]))[0] - whole).abs().amax((0, 2)) > 1e-6
    assert differs[:15].all()
    assert not differs[18:].any()


@torch.no_grad()
def test_a_summary_alone_is_the_same_without_the_transformer(monkeypatch):
    net, speech = encoder(), torch.cat([sound(1.0), sound(1.0, 1)])
    lengths = torch.tensor([16000, 9000])
    wanted = net(speech, lengths)[1]
    monkeypatch.setattr(net, "layers", None)
    torch.testing.assert_close(net.summarize(speech, lengths), wanted)


@torch.no_grad()
def test_a_stream_summarizes_before_its_first_block_is_whole():
    stream, speech = encoder().stream(), sound(1.0)
    assert stream.encode(speech[:, :800]).shape[1] == 0
    early = stream.summary()
    assert early.shape == (1, 64)
    stream.encode(speech[:, 800:])
    late = stream.summary()
    assert not torch.allclose(early, late)
    assert stream.finish()[0].shape[1] + stream.steps >= 16000 // HOP


def test_neighbouring_numbers_turn_together():
    turn = turns(5, 288, torch.zeros(()))
    assert turn.shape == (2, 5, 32)  # of 36 numbers of a head
    torch.testing.assert_close(turn.square().sum(0), torch.ones(5, 32))
    assert torch.equal(turn[:, :, ::2], turn[:, :, 1::2])
    torch.testing.assert_close(turn[1, :, 0], torch.arange(5.0).sin())


def test_its_published_names_are_all_used():
    known = set(json.loads((files("s2vkit_moonshine") / "keys.json").read_text()))
    ours = set(encoder(width=288, layer=LAYERS).state_dict())
    assert {name.removeprefix("front.") for name in ours} == known - {"layer_norm.weight"}


def test_layers_after_the_one_that_is_used_are_left_out(tmp_path):
    weights = random_weights(published("moonshine", FILE))
    save_file(weights, tmp_path / "w.safetensors")
    net = Moonshine(MoonshineOptions(checkpoint=str(tmp_path / "w.safetensors"), layer=3))
    assert net.pretrained
    assert len(net.layers) == 3
    assert torch.equal(net.layers[2].mlp.fc1.weight, weights["layers.2.mlp.fc1.weight"])
    assert torch.equal(net.front.groupnorm.weight, weights["groupnorm.weight"])
    del weights["layers.2.mlp.fc1.weight"]
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"layers\.2\.mlp\.fc1\.weight"):
        Moonshine(MoonshineOptions(checkpoint=str(tmp_path / "w.safetensors"), layer=3))


def write_ort(path):
    """Write a matrix, 8-bit, and a norm as ONNX Runtime keeps them; return both as they were."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    random = np.random.default_rng(0)
    matrix, norm = (random.normal(size=shape).astype(np.float32) for shape in ((64, 48), (64,)))
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "layers.0.input_layernorm.weight"], ["h"], "/norm/Mul"),
            helper.make_node("MatMul", ["h", "onnx::MatMul_7"], ["y"], "/layers.0/self_attn/q_proj/MatMul"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 48])],
        [
            numpy_helper.from_array(matrix, "onnx::MatMul_7"),
            numpy_helper.from_array(norm, "layers.0.input_layernorm.weight"),
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path.with_suffix(".onnx")
    )
    quantized = str(path.with_suffix(".8bit.onnx"))
    quantize_dynamic(str(path.with_suffix(".onnx")), quantized, weight_type=QuantType.QUInt8)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(quantized, options)
    return matrix, norm


@pytest.mark.filterwarnings("ignore")
def test_8_bit_matrices_are_read_as_the_floats_they_stand_for(tmp_path):
    matrix, norm = write_ort(tmp_path / "a.ort")
    found = open_moonshine(tmp_path / "a.ort").tensors
    assert set(found) == {"layers.0.self_attn.q_proj.weight", "layers.0.input_layernorm.weight"}
    step = np.ptp(matrix) / 255
    np.testing.assert_allclose(found["layers.0.self_attn.q_proj.weight"].T, matrix, atol=0.51 * step)
    np.testing.assert_array_equal(found["layers.0.input_layernorm.weight"], norm)


DAMAGED = b"\x20\x00\x00\x00ORTM" + b"\xff" * 200


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs", DAMAGED])
def test_what_is_no_model_is_refused(tmp_path, content):
    (tmp_path / "a.ort").write_bytes(content)
    with pytest.raises(InputError, match=r"a.ort"):
        open_moonshine(tmp_path / "a.ort")


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    name = "onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession"
    monkeypatch.setitem(__import__("sys").modules, name, None)
    (tmp_path / "a.ort").write_bytes(b"\x20\x00\x00\x00ORTM")
    with pytest.raises(ResourceError, match="needs onnxruntime") as told:
        open_moonshine(tmp_path / "a.ort")
    assert "s2vkit[people]" in told.value.hint


@torch.no_grad()
def test_the_real_file_computes_what_onnxruntime_does():
    carrier = published("moonshine", FILE).carrier
    if find_spec("onnxruntime") is None or not is_carried([carrier]):
        pytest.skip(f"not installed: {carrier.distribution}")
    import onnxruntime

    from s2vkit.installed import find_carried

    # One block of everything, and samples for whole steps: then it is Moonshine as published.
    net = Moonshine(MoonshineOptions(checkpoint="installed", layer=6, past=0, block=60, ahead=0)).eval()
    window = sound(net.window / 16000)
    ours = net.encode_blocks(window)[0]
    final = open_moonshine(find_carried([carrier])).tensors["layer_norm.weight"]
    ours = torch.nn.functional.layer_norm(ours, (288,), final)
    session = onnxruntime.InferenceSession(str(find_carried([carrier])))
    mask = np.ones(window.shape, np.int64)
    theirs = session.run(None, {"input_values": window.numpy(), "attention_mask": mask})[0]
    assert theirs.shape == ours.shape
    assert np.corrcoef(theirs.ravel(), ours.numpy().ravel())[0, 1] > 0.998  # activations are 8-bit there
