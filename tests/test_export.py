"""Exported models: the same frames as the model's, whole and in pieces, or no export."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from helpers_browser import Page, browser
from helpers_cli import call
from helpers_toy import REGISTRY, ROOT, load_toy

from s2vkit import Conditioning
from s2vkit.build import Builder
from s2vkit.errors import InputError, RunFolderError
from s2vkit.export import job, onnx_files, torch_export
from s2vkit.export.parity import LARGEST, compare
from s2vkit.export.parts import parts_of
from s2vkit.export.running import open_exported
from s2vkit.export.storage import quantize, store_weights
from s2vkit.export.web import check_for_page, find_runtime, write_page
from s2vkit.inference.entrance import Entrance
from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.model import load_model

CPC = "audio_encoder: {use: cpc, channels: 16, front: log_mel, summary: layers, level: -24.0}"
RATE = 16000


def build(folder, encoder=CPC):
    return Builder(load_toy(folder, more=(encoder,)).recipe, REGISTRY)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A bundle of a model of random weights that knows one label of each side."""
    folder = tmp_path_factory.mktemp("export")
    builder = build(folder)
    graph = builder.graph()
    codes = {side: {"one": torch.ones(student.dim)} for side, student in graph.students.items()}
    builder.save_bundle(folder / "model", graph, codes)
    return folder / "model"


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    """Its export as ONNX."""
    return job.export_model(model, tmp_path_factory.mktemp("onnx") / "out")


@pytest.mark.parametrize("front", ["log_mel", "waveform"])
@pytest.mark.parametrize(
    ("summary", "context"), [("layers", "lstm"), ("statistics", "gru"), ("mean", "rnn"), ("last", "lstm")]
)
def test_an_encoder_as_a_function_encodes_as_at_once(tmp_path, front, summary, context):
    options = f"channels: 8, front: {front}, summary: {summary}, context: {context}, layers: 2"
    encoder = build(tmp_path, f"audio_encoder: {{use: cpc, {options}}}").graph().encoder.eval()
    step = encoder.step(3)
    samples = 16000 // 7
    speech = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    wanted, wanted_summary = encoder(speech, torch.tensor([samples]))
    pieces = torch.nn.functional.pad(speech, (0, -samples % step.samples + 2 * step.samples))
    state, found = step.begin(), []
    for piece in pieces.split(step.samples, 1):
        features, summed, *state = step(piece, torch.tensor([samples]), *state)
        found.append(features)
    steps = samples // 160
    given = torch.cat(found, 1)[:, step.late :][:, :steps]
    torch.testing.assert_close(given, wanted[:, :steps], atol=1e-5, rtol=0)
    torch.testing.assert_close(summed, wanted_summary, atol=1e-5, rtol=0)


JOINED = """
audio_encoder:
  use: joined
  features: {use: moonshine, width: 32, layer: 1, past: 6, block: 8, ahead: 4, level: -24}
  summary: {use: ge2e, hidden: 16, layers: 1, embedding: 8, level: -24}
  summarize: SUMMARIZE
"""


@pytest.mark.parametrize("summarize", ["both", "summary"])
@pytest.mark.parametrize("seconds", [0.02, 0.3, 1.7, 5.0])
def test_two_encoders_as_a_function_encode_as_at_once(tmp_path, summarize, seconds):
    encoder = build(tmp_path, JOINED.replace("SUMMARIZE", summarize)).graph().encoder.eval()
    step, samples = encoder.step(1), round(16000 * seconds)
    speech = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, wanted_summary = encoder(speech, torch.tensor([samples]))
        pieces = torch.nn.functional.pad(speech, (0, -samples % step.samples + 2 * step.samples))
        state, found = step.begin(), []
        for piece in pieces.split(step.samples, 1):
            features, summed, *state = step(piece, torch.tensor([max(samples, step.least)]), *state)
            found.append(features)
    given = torch.cat(found, 1)[:, step.late :][:, : wanted.shape[1]]
    torch.testing.assert_close(given, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(summed, wanted_summary, atol=1e-5, rtol=0)


def test_an_encoder_that_hears_further_ahead_than_a_block_is_no_function_of_pieces(tmp_path):
    encoder = (
        build(tmp_path, JOINED.replace("SUMMARIZE", "both").replace("ahead: 4", "ahead: 8")).graph().encoder
    )
    assert encoder.step(1) is None
    assert encoder.stream() is not None


@pytest.mark.parametrize("form", ["onnx", "torch_export"])
def test_a_model_with_two_encoders_draws_the_same_once_exported(tmp_path, form):
    builder = build(tmp_path, JOINED.replace("SUMMARIZE", "summary"))
    graph = builder.graph()
    codes = {side: {"one": torch.ones(student.dim)} for side, student in graph.students.items()}
    builder.save_bundle(tmp_path / "model", graph, codes)
    folder = job.export_model(tmp_path / "model", tmp_path / "out", form=form).folder
    parity = compare(load_model(tmp_path / "model", device="cpu").pipeline, open_exported(folder))
    assert max(parity.frames, parity.pieces) <= LARGEST


def test_an_export_draws_what_the_model_draws_whole_and_in_pieces(model, exported):
    folder = exported.folder
    parity = compare(load_model(model, device="cpu").pipeline, open_exported(folder))
    assert parity.frames <= LARGEST
    assert parity.pieces <= LARGEST
    facts = json.loads((folder / "export.json").read_text())
    assert facts["labels"]["emotion"]["one"][0] == 1.0
    assert {path.name for path in folder.iterdir()} == {"export.json", *facts["files"].values()}


MOVING = """
generator: {use: modulated_decoder, width: 16, min_width: 8, capacity: 128, pose_size: 3,
  head_motion: replayed, mouth: landmarks, context_radius: 1}
landmarks: darkness
discriminators: {identity: null, sync: null}
stages: {compose: {losses: {identity_maps: {weight: 0}}}}
"""


@pytest.mark.parametrize("form", ["onnx", "torch_export"])
def test_an_exported_head_moves_as_the_models_does(tmp_path, form):
    builder = Builder(load_toy(tmp_path, more=(CPC, MOVING)).recipe, REGISTRY)
    graph = builder.graph()
    poses, mouths = graph.generator.poses, graph.generator.mouths
    with torch.no_grad():
        poses.count.fill_(2)
        kept = (poses.keys[:2], poses.poses[:2], poses.walks[:2], mouths.means[:2], mouths.from_speech)
        for values in kept:
            values.copy_(torch.randn(values.shape, generator=torch.Generator().manual_seed(0)))
    codes = {side: {"one": torch.ones(student.dim)} for side, student in graph.students.items()}
    builder.save_bundle(tmp_path / "model", graph, codes)
    model = load_model(tmp_path / "model", device="cpu").pipeline
    made = job.export_model(tmp_path / "model", tmp_path / "out", form=form)
    parity = compare(model, open_exported(made.folder))
    assert parity.frames <= LARGEST
    assert parity.pieces <= LARGEST
    decoder = model.graph.generator
    silence = torch.zeros(1, 60, graph.encoder.dim)
    around = silence.unsqueeze(2).expand(-1, -1, 3, -1)
    said = {side: torch.ones(1, student.dim) for side, student in graph.students.items()}
    with torch.no_grad():
        frames = decoder(Conditioning(silence, said, around, times=torch.arange(60)[None])).frames[0]
    assert frames.std(0).max() > 1e-3  # heads move, so that the comparison can fail


def test_the_example_of_the_page_runs(exported, monkeypatch):
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "export.md").read_text(), re.M | re.S)
    folder = exported.folder
    speech = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(example.replace('"exported"', repr(str(folder))), {"speech": speech})
    assert printed.getvalue().startswith("25 frames")


def test_a_part_runs_as_an_exported_program_for_any_number_of_frames(model, tmp_path):
    *_, generator = parts_of(load_model(model, device="cpu").pipeline.graph)
    torch_export.write(generator, tmp_path / "generator.pt2", "fp32")
    run = torch_export.open_part(tmp_path / "generator.pt2")
    features, *codes = [torch.rand_like(one) for one in generator.inputs.values()]
    for count in (1, 5):
        (frames,) = run([features[:, :count], *codes])
        wanted = generator.module(features[:, :count], *codes)
        torch.testing.assert_close(frames, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("precision", "share", "error"), [("fp16", 0.7, 1e-3), ("int8", 0.55, 2e-2)])
def test_weights_are_stored_smaller_and_computed_in_fp32(exported, tmp_path, precision, share, error):
    paths = [exported.folder / "student.identity.onnx", tmp_path / "small.onnx"]
    stored = onnx.load(paths[0])
    store_weights(stored.graph, precision)
    onnx.save(stored, paths[1])
    size = stored.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    summary = torch.randn(1, size, generator=torch.Generator().manual_seed(0))
    (wanted,), (found,) = (onnx_files.open_part(path)([summary]) for path in paths)
    assert paths[1].stat().st_size < share * paths[0].stat().st_size
    assert 0 < (found - wanted).abs().max() < error * wanted.abs().max()
    assert found.dtype == torch.float32


def test_int8_has_a_scale_for_each_channel_whatever_axis_they_are():
    sizes = 10.0 ** np.arange(-3, 3, dtype=np.float32)
    values = np.random.default_rng(0).uniform(-1, 1, (6, 5, 3)).astype(np.float32) * sizes[:, None, None]
    for axes in ((0, 1, 2), (1, 0, 2)):
        rounded, scale = quantize(values.transpose(axes))
        channel = np.abs(values).max((1, 2), keepdims=True).transpose(axes)
        assert (np.abs(rounded * scale - values.transpose(axes)) <= 0.51 * channel / 127).all()


def test_an_export_that_draws_other_frames_is_refused_and_nothing_is_written(model, tmp_path, monkeypatch):
    def worse(eager, found):
        return replace(compare(eager, found), frames=1e-3)

    monkeypatch.setattr(job, "FORMATS", {**job.FORMATS, "onnx": job.FORMATS["torch_export"]})
    monkeypatch.setattr(job, "open_exported", lambda folder: load_model(model, device="cpu").pipeline)
    monkeypatch.setattr(job, "compare", worse)
    monkeypatch.setattr(job, "parts_of", lambda graph: parts_of(graph)[1:2])
    with pytest.raises(InputError, match=r"differ by up to 1\.0e-03"):
        job.export_model(model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_says_why(tmp_path):
    with pytest.raises(InputError, match="no stream as a function"):
        parts_of(build(tmp_path, "audio_encoder: logmel").graph())
    graph = build(tmp_path).graph()
    graph.generator.audio_samples = 400  # as of one that takes raw speech
    with pytest.raises(InputError, match="takes raw speech"):
        parts_of(graph)


def test_the_command_says_what_was_written(exported, monkeypatch, capsys):
    monkeypatch.setattr(job, "export_model", lambda *args, **more: exported)
    called = call(capsys, "export", "run", "-o", "out")
    assert called.code == 0, called.err
    assert "generator.onnx" in called.out
    assert "frames a second, the model itself" in called.out


def test_what_is_there_is_not_exported_over(model, tmp_path, exported):
    with pytest.raises(RunFolderError, match="is there already"):
        job.export_model(model, exported.folder)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="other things"):
        job.export_model(model, tmp_path, force=True)
    with pytest.raises(InputError, match="cannot store weights as int8"):
        job.export_model(model, tmp_path / "out", form="torch_export", precision="int8")


def test_a_missing_package_is_named_with_its_extra(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("s2vkit.export.formats.find_spec", lambda name: None)
    called = call(capsys, "export", model, "-o", tmp_path / "out")
    assert called.code == 6
    assert "s2vkit[export]" in called.err


# The page


@pytest.fixture
def page(exported, tmp_path):
    """A folder with the page of the export; the runtime is the real one only where it is named."""
    runtime = Path(os.environ.get("S2VKIT_ONNXRUNTIME_WEB", tmp_path / "runtime"))
    for name in ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"):
        (tmp_path / "runtime" / "dist").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runtime" / "dist" / name).write_text("export const made = 'up';")
    shutil.copytree(exported.folder, tmp_path / "page")
    facts = json.loads((exported.folder / "export.json").read_text())
    write_page(tmp_path / "page", facts, find_runtime(runtime, tmp_path))
    return tmp_path / "page"


def test_a_page_is_one_folder_that_loads_nothing_else(page):
    names = {path.name for path in page.iterdir()}
    scripts = {"model.js", "runtime.js", "page.js", "player.js", "speech.js"}
    assert names == {"index.html", "export.json", *scripts}
    text = (page / "index.html").read_text()
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == scripts
    assert "connect-src 'none'" in text
    assert not re.search(
        r"https?:|fetch\(|XMLHttpRequest", text + "".join(map(_read(page), sorted(scripts - {"runtime.js"})))
    )


def _read(folder):
    return lambda name: (folder / name).read_text()


def test_the_runtime_is_found_in_node_modules_or_asked_for(tmp_path, page):
    installed = tmp_path / "node_modules" / "onnxruntime-web"
    installed.parent.mkdir()
    shutil.copytree(tmp_path / "runtime", installed)
    (tmp_path / "below").mkdir()
    assert find_runtime(None, tmp_path / "below") == installed
    assert find_runtime(tmp_path, Path("/")) == installed
    with pytest.raises(InputError, match="needs the npm package onnxruntime-web"):
        find_runtime(tmp_path / "page", tmp_path)
    with pytest.raises(InputError, match="this model takes more"):
        check_for_page({"generator": {"context_radius": 2, "image": False}})


@pytest.mark.skipif(browser() is None, reason="no Chromium or Chrome is installed")
def test_the_page_draws_what_a_live_stream_draws(exported, page, tmp_path):
    at = np.arange(int(1.5 * RATE)) / RATE
    speech = (0.3 * np.sin(900 * at) * (np.sin(5 * at) > 0) + 0.01 + 0.001 * np.sin(7e3 * at)).astype(
        np.float32
    )
    pieces = np.split(speech, range(320, len(speech), 320))
    entrance = Entrance(open_exported(exported.folder).graph.encoder)
    prepared = [entrance.push(piece) for piece in pieces]
    given = f"{json.dumps([piece.tolist() for piece in pieces])}.map(one => Float32Array.from(one))"
    with Page(tmp_path / "profile") as tab:
        tab.open(page / "index.html")
        found = tab.value(
            f"(pieces => {{ const e = new Entrance({RATE}, -24); return pieces.map(p => e.push(p))"
            ".map(({speech, voice}) => [[...speech], voice.length]); })(" + given + ")"
        )
        for (samples, voice), wanted in zip(found, prepared, strict=True):
            np.testing.assert_allclose(samples, wanted.speech, atol=1e-5)
            assert voice == len(wanted.voice)
        assert any(len(one.voice) > 0 for one in prepared)
        if "S2VKIT_ONNXRUNTIME_WEB" not in os.environ:
            assert "That did not work" in tab.value(
                "opened.catch(() => 0).then(() => at('status').textContent)"
            )
            return
        drawn = tab.value(
            "(async pieces => { await opened; const p = new Player(model), found = [];"
            "for (const one of pieces) found.push(...await p.push(one)); found.push(...await p.finish());"
            "return found.map(one => [...one]); })(" + given + ")"
        )
        assert tab.complaints() == []
    stream = FrameStream(open_exported(exported.folder), Scene(), chunk=1)
    frames = [frame for piece in pieces for frame in stream.push(piece)]
    wanted = torch.cat([*frames, *stream.finish()]).flatten(1).numpy()
    np.testing.assert_allclose(drawn, wanted, atol=1e-3)
