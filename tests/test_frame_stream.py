"""Frames from speech in pieces: the same as of the whole, steered or as heard, in flat memory."""

from __future__ import annotations

import ast
import copy
import gc
import io
import json
import re
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from helpers_cli import call
from helpers_no_float64 import DEVICE, no_float64
from helpers_toy import REGISTRY, ROOT, load_toy
from test_generate import pipeline_of

import s2vkit
from s2vkit.build import Builder
from s2vkit.cli.benchmark import show_speed
from s2vkit.device import Policy
from s2vkit.errors import InputError
from s2vkit.inference import windows
from s2vkit.inference.batching import generate_together
from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.live import LiveStream
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.inference.recording import SampledRecording
from s2vkit.inference.steering import fixed, over_time, read_request, steer
from s2vkit.inference.windows import WindowStream
from s2vkit.media.sinks import open_sink

RATE = 16000
CPC = "audio_encoder: {use: cpc, channels: 16, summary: layers}"


def speech_of(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(int(RATE * seconds))).astype(np.float32)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return pipeline_of(tmp_path_factory.mktemp("stream"), CPC)


@pytest.fixture(scope="module")
def codes(pipeline):
    """Two labels of each side, as far apart as two random codes are."""
    generator = torch.Generator().manual_seed(0)
    return {
        side: {name: torch.randn(student.dim, generator=generator) for name in names}
        for (side, student), names in zip(
            sorted(pipeline.graph.students.items()), (("neutral", "anger"), ("ann", "bob")), strict=True
        )
    }


def scene_of(codes, **more):
    steering = {"identity": steer("identity", codes["identity"], "bob")}
    steering["emotion"] = steer("emotion", codes["emotion"], "anger=0.6")
    return Scene(steering, **more)


def cut(samples, lengths):
    at = 0
    while at < len(samples):
        length = int(next(lengths))
        yield samples[at : at + length]
        at += length


def frames_in_pieces(pipeline, scene, samples, lengths, chunk=1):
    stream = FrameStream(pipeline, scene, chunk=chunk)
    parts = [part for piece in cut(samples, lengths) for part in stream.push(piece)]
    return torch.cat([*parts, *stream.finish()])


def every(milliseconds):
    while True:
        yield RATE * milliseconds / 1000


def at_random():
    random = np.random.default_rng(1)
    while True:
        yield random.integers(1, 4000)


@pytest.mark.parametrize("lengths", [every(20), every(37), at_random()], ids=["20ms", "37ms", "random"])
@pytest.mark.parametrize("mode", ["linear", "mean"])
def test_pieces_give_the_frames_of_the_whole(pipeline, codes, lengths, mode, monkeypatch):
    monkeypatch.setattr(
        pipeline, "alignment", pipeline.alignment.model_copy(update={"mode": mode, "shift": 0.02})
    )
    samples = speech_of(1.73)
    clip = pipeline.condition(samples, pipeline.count_frames(len(samples)))
    clip.codes.update({side: s.code(None, torch.zeros(1)) for side, s in scene_of(codes).steering.items()})
    whole = torch.cat(list(pipeline.generate(clip)))
    pieces = frames_in_pieces(pipeline, scene_of(codes), samples, lengths)
    assert pieces.shape == whole.shape
    assert torch.allclose(pieces, whole, atol=1e-5)
    assert float(whole.std(0).max()) > 1e-3  # frames differ: the test can fail


def test_larger_frames_are_generated_fewer_at_once_on_a_cpu(pipeline, codes, monkeypatch):
    counts = []
    pipeline.graph.generator.register_forward_hook(lambda m, given, out: counts.append(out.frames.shape[1]))
    data = pipeline.graph.data_spec
    for size in (64, 128, 256):
        monkeypatch.setattr(pipeline.graph, "data_spec", replace(data, size=size))
        counts.clear()
        frames_in_pieces(pipeline, scene_of(codes), speech_of(0.8), every(800), chunk=None)
        assert max(counts) == min(20, 64 * 64**2 // size**2)


def test_a_frame_comes_as_soon_as_its_speech_has_come(pipeline, codes):
    """20 ms that the encoder hears ahead, half a frame, and what is left of a step."""
    stream, came = FrameStream(pipeline, scene_of(codes), chunk=1), []
    for number, piece in enumerate(cut(speech_of(1), every(5)), 1):
        came += [number * 5.0 for part in stream.push(piece) for _ in part]
    assert len(came) >= 22
    assert max(at - 40 * frame for frame, at in enumerate(came)) <= 60


def test_codes_settle_where_nothing_is_asked_for(pipeline):
    samples = speech_of(2)
    known = pipeline.codes_of(SampledRecording(samples, RATE))
    whole = frames_in_pieces(pipeline, Scene(heard=known), samples, every(40))
    live = frames_in_pieces(pipeline, Scene(), samples, every(40))
    assert live.shape == whole.shape
    distance = (live - whole).abs().mean((1, 2, 3))
    assert distance[-5:].mean() < 0.2 * distance[:5].mean()


def test_what_is_asked_for_changes_over_time(pipeline, codes):
    track = over_time("emotion", codes["emotion"], [(0.2, "neutral"), (0.6, "anger")])
    heard = pipeline.codes_of(SampledRecording(samples := speech_of(1), RATE))
    moving = frames_in_pieces(pipeline, Scene({"emotion": track}, heard), samples, every(40))
    ends = [
        frames_in_pieces(
            pipeline, Scene({"emotion": steer("emotion", codes["emotion"], name)}, heard), samples, every(40)
        )
        for name in ("neutral", "anger")
    ]
    assert torch.allclose(moving[:5], ends[0][:5], atol=1e-5)  # before the first time
    assert torch.allclose(moving[15:], ends[1][15:], atol=1e-5)  # after the last
    half = track.code(None, torch.tensor([0.4], dtype=torch.float64))[0]
    assert torch.allclose(half, (codes["emotion"]["neutral"] + codes["emotion"]["anger"]) / 2)
    at_once = frames_in_pieces(pipeline, Scene({"emotion": track}, heard), samples, every(1000), chunk=64)
    assert torch.allclose(moving, at_once, atol=1e-5)


def test_a_device_without_float64_gives_the_same_frames(pipeline, codes):
    track = over_time("emotion", codes["emotion"], [(0.1, "neutral"), (0.3, "anger")])
    samples, still = speech_of(0.5), scene_of(codes).steering
    moving = Scene({**still, "emotion": track})

    def frames_of(pipeline):
        [together] = generate_together(pipeline, [samples], still)
        return frames_in_pieces(pipeline, moving, samples, every(200)).cpu(), together.cpu()

    expected = frames_of(pipeline)
    graph = copy.deepcopy(pipeline.graph)
    with no_float64():
        found = frames_of(InferencePipeline(graph, pipeline.alignment, Policy(DEVICE)))
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_memory_does_not_grow(pipeline, codes):
    stream, alive = FrameStream(pipeline, scene_of(codes)), []
    for number, piece in enumerate(cut(speech_of(24), every(1000))):
        for _ in stream.push(piece):
            pass
        if number in (7, 23):
            gc.collect()
            alive.append(sum(one.numel() for one in gc.get_objects() if type(one) is torch.Tensor))
    assert alive[1] <= alive[0] + 20_000  # of 8 s; 16 s more would be 25,600 features alone


def test_windows_do_not_depend_on_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW", 1.0)
    monkeypatch.setattr(windows, "CONTEXT", 0.5)
    encoder = pipeline_of(tmp_path, "audio_encoder: {use: logmel, context: 3}").graph.encoder
    found, samples = [], torch.from_numpy(speech_of(4.3))[None]
    for pieces in ([samples], samples.split(1234, 1)):
        stream = WindowStream(encoder)
        parts = [stream.encode(piece) for piece in pieces]
        rest, summary = stream.finish()
        found.append((torch.cat([*parts, rest], 1), summary))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.allclose(found[0][1], found[1][1])
    assert found[0][0].shape[1] == 430


def test_clips_in_one_batch_are_those_made_one_by_one(pipeline, codes):
    speeches = [speech_of(seconds, seed) for seed, seconds in enumerate((0.7, 0.3, 1.1))]
    steering = {"emotion": steer("emotion", codes["emotion"], "anger")}
    together = generate_together(pipeline, speeches, steering)
    for frames, speech in zip(together, speeches, strict=True):
        heard = pipeline.codes_of(SampledRecording(speech, RATE))
        alone = frames_in_pieces(pipeline, Scene(steering, heard), speech, every(10000), chunk=64)
        assert torch.allclose(frames, alone, atol=1e-5)


def test_threads_may_share_a_pipeline(pipeline):
    speeches, found = [speech_of(0.5, seed) for seed in range(4)], {}

    def make(number):
        found[number] = frames_in_pieces(pipeline, Scene(), speeches[number], every(100))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, speech in enumerate(speeches):
        assert torch.equal(found[number], frames_in_pieces(pipeline, Scene(), speech, every(100)))


# What may be asked for


def test_a_strength_counts_from_neutral_or_from_what_is_heard(codes):
    heard, now = torch.ones(1, len(codes["identity"]["ann"])), torch.zeros(1)
    own = codes["emotion"]
    some = steer("emotion", own, "anger=0.7")
    assert not some.needs_speech
    assert torch.allclose(some.code(None, now)[0], 0.3 * own["neutral"] + 0.7 * own["anger"])
    other = steer("identity", codes["identity"], {"ann": 0.25, "bob": 0.25})
    assert other.needs_speech
    mixed = 0.25 * (codes["identity"]["ann"] + codes["identity"]["bob"]) + 0.5 * heard[0]
    assert torch.allclose(other.code(heard, now)[0], mixed)
    assert torch.allclose(steer("emotion", own, "heard").code(heard[:, :1], now), heard[:, :1])
    assert torch.equal(fixed(own["anger"]).code(None, now)[0], own["anger"])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("joy", "knows no emotion 'joy'\n  = it knows anger, neutral"),
        ("anger=1.5", "the strength is '1.5', not a number from 0 to 1"),
        ("anger=nan", "not a number from 0 to 1"),
        ({"anger": 0.7, "neutral": 0.4}, "add up to 1.1"),
        ("", "nothing is asked for"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(codes, request_, message):
    with pytest.raises(InputError) as error:
        steer("emotion", codes["emotion"], request_)
    assert message in str(error.value)


def test_a_request_in_words(codes):
    assert read_request("emotion", "anger=0.5 neutral=0.25") == {"anger": 0.5, "neutral": 0.25}
    assert read_request("identity", "a=b=0.5") == {"a=b": 0.5}
    assert read_request("identity", "ann") == {"ann": 1.0}


def test_a_model_without_codes_says_so():
    with pytest.raises(InputError, match="no codes of its own for 'emotion'"):
        steer("emotion", {}, "anger")


# Live


@pytest.fixture(scope="module")
def model(tmp_path_factory, codes):
    """A bundle of a model whose encoder streams; its weights are random."""
    folder = tmp_path_factory.mktemp("live")
    builder = Builder(load_toy(folder, more=(CPC,)).recipe, REGISTRY)
    builder.save_bundle(folder / "model", builder.graph(), codes)
    return folder / "model"


def test_a_live_stream_gives_the_frames_of_the_whole(model):
    loaded, samples = s2vkit.load(model, device="cpu"), speech_of(1.3)
    asked = {"identity": "bob", "emotion": "anger=0.6"}
    whole = loaded.generate(samples, RATE, **asked).frames
    with loaded.stream(RATE, **asked) as live:
        frames = np.concatenate([*map(live.push, cut(samples, every(37))), live.finish()])
        assert live.frames == len(whole)
    assert np.abs(frames.astype(int) - whole).max() <= 1  # a rounding of 8 bits
    with pytest.raises(InputError, match="has ended"):
        live.push(samples)


def test_the_example_of_the_page_runs(model):
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "python.md").read_text(), re.M | re.S)
    (block,) = [block for block in blocks if "model.stream" in block]
    exec(block, {"model": s2vkit.load(model, device="cpu"), "speech": speech_of(1)})


def test_live_speech_of_another_rate_lasts_as_long(model):
    with s2vkit.load(model, device="cpu").stream(44100) as live:
        count = sum(len(live.push(piece)) for piece in cut(speech_of(44100 / RATE), every(100)))
        assert count + len(live.finish()) == 25


def test_what_cannot_go_live_is_refused(model, tmp_path):
    live = s2vkit.load(model, device="cpu").stream(RATE)
    with pytest.raises(InputError, match="not one row"):
        live.push(np.full(10, np.nan))
    with pytest.raises(InputError, match="cannot hold speech"):
        s2vkit.load(model, device="cpu").stream(100)
    windowed = pipeline_of(tmp_path, "audio_encoder: logmel")
    with pytest.raises(InputError, match="encodes whole windows, so it cannot go live"):
        LiveStream(windowed, RATE, {})


def spoken(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data))))


def test_the_command_draws_what_is_spoken_into_it(model, tmp_path, monkeypatch, capsys):
    samples = speech_of(2.5)
    spoken(monkeypatch, (samples * 32768).astype("<i2").tobytes() + b"x")
    asked = ("--identity", "bob", "--emotion", "anger", "--device", "cpu", "--no-mark")
    called = call(capsys, "generate", model, "-", "-o", tmp_path / "a.raw", "--live", RATE, *asked)
    assert called.code == 0, called.err
    assert (tmp_path / "a.raw").stat().st_size == round(2.5 * 25) * 32 * 32 * 3
    for part in ("wrote", "delay from a frame's first sample, ms: p50", "computing", "cold", "hot"):
        assert part in called.err
    spoken(monkeypatch, b"")
    called = call(capsys, "generate", model, "-", "-o", tmp_path / "b.raw", "--live", RATE, *asked)
    assert (called.code, "ended before any sound came" in called.err) == (4, True)
    assert not (tmp_path / "b.raw").exists()
    called = call(capsys, "generate", model, tmp_path / "c.wav", "-o", tmp_path / "b.raw", "--live", RATE)
    assert (called.code, "--live takes SPEECH - alone" in called.err) == (2, True)


class Soundcard:
    """Stands for the module sounddevice: a microphone with some pieces of sound, then unplugged."""

    class PortAudioError(Exception):
        pass

    def __init__(self, pieces, overflowed=False):
        self.pieces, self.overflowed, self.opened, self.closed = iter(pieces), overflowed, [], 0

    def InputStream(self, rate, piece, device, **more):  # noqa: N802 (its name)
        self.opened.append((rate, piece, device))
        if device == "none":
            raise ValueError("No input device matching 'none'")
        return self

    def start(self):
        pass

    def read(self, count):
        piece = next(self.pieces, None)
        if piece is None:
            raise self.PortAudioError("Device unavailable")
        assert len(piece) == count
        return piece[:, None], self.overflowed

    def close(self):
        self.closed += 1


class Screen:
    """Stands for the module pyglet: a window that the user closes after some frames."""

    def __init__(self, most=10**9, broken=False):
        self.shown, self.most, self.broken, self.closed = [], most, broken, 0
        self.window = self.image = self.Texture = self

    def Window(self, width, height, **more):  # noqa: N802 (its name)
        if self.broken:
            raise RuntimeError("no display")
        self.side = (width, height)
        return self

    def create(self, width, height):
        return self

    def ImageData(self, width, height, kind, data, pitch):  # noqa: N802 (its name)
        assert (kind, pitch) == ("RGB", -3 * width)
        self.shown.append(np.frombuffer(data, np.uint8).reshape(height, width, 3))

    @property
    def has_exit(self):
        return len(self.shown) >= self.most

    def close(self):
        self.closed += 1

    def __getattr__(self, name):
        if name.startswith("__"):  # what Python asks of any module
            raise AttributeError(name)
        assert name in ("switch_to", "dispatch_events", "blit_into", "blit", "flip")
        return lambda *given, **more: None


def live(capsys, model, *more):
    asked = ("--identity", "bob", "--emotion", "anger", "--device", "cpu", "--no-mark")
    return call(capsys, "generate", model, "--live", RATE, *asked, *more)


def test_a_microphone_is_drawn_in_a_window(model, monkeypatch, capsys):
    samples = speech_of(1)
    card, screen = Soundcard(np.split(samples, 50), overflowed=True), Screen()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    monkeypatch.setitem(sys.modules, "pyglet", screen)
    called = live(capsys, model, "--microphone", "3", "--window")
    assert called.code == 0, called.err
    assert card.opened == [(RATE, 320, 3)]
    assert (card.closed, screen.closed, screen.side) == (1, 1, (512, 512))
    whole = s2vkit.load(model, device="cpu").generate(samples, RATE, identity="bob", emotion="anger").frames
    assert np.abs(np.stack(screen.shown).astype(int) - whole).max() <= 1
    for part in ("listening", "the microphone stopped", "sound was lost 50 times", "showed 25 frames"):
        assert part in called.err


def test_closing_the_window_ends_a_live_stream(model, monkeypatch, capsys):
    screen = Screen(most=10)
    monkeypatch.setitem(sys.modules, "pyglet", screen)
    spoken(monkeypatch, (speech_of(2) * 32768).astype("<i2").tobytes())
    called = live(capsys, model, "-", "--window")
    assert (called.code, len(screen.shown), screen.closed) == (0, 10, 1), called.err


@pytest.mark.parametrize(
    ("more", "modules", "code", "said"),
    [
        (["--microphone", "--window"], {"sounddevice": None}, 6, "s2vkit[microphone]"),
        (["-", "--window"], {"pyglet": None}, 6, "s2vkit[window]"),
        (["-", "--window"], {"pyglet": Screen(broken=True)}, 6, "no window can be opened"),
        (["--microphone", "none", "--window"], {"sounddevice": Soundcard([])}, 6, "'none' cannot be opened"),
        (["--microphone", "--window", "--format", "mp4"], {}, 2, "--window takes the place of -o"),
        (["-", "--microphone", "--window"], {}, 2, "takes the place of SPEECH"),
        (["--window"], {}, 2, "Missing argument 'SPEECH...'"),
        (["-"], {}, 2, "Missing option '-o'"),
    ],
)
def test_what_live_needs_is_named(model, monkeypatch, capsys, more, modules, code, said):
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    called = live(capsys, model, *more)
    assert (called.code, said in called.err) == (code, True), called.err


def test_a_microphone_is_for_live_streams(model, capsys):
    called = call(capsys, "generate", model, "-o", "a.mp4", "--microphone")
    assert (called.code, "go with --live" in called.err) == (2, True)


def test_fragmented_video_can_be_read_as_far_as_it_is_written(model):
    """Each fragment is there as soon as its frame is."""
    file, frames = io.BytesIO(), np.zeros((10, 32, 32, 3), np.uint8)
    with open_sink(file, "mp4", 32, 25, RATE) as sink:
        for frame in frames:
            sink.write_sound(np.zeros(RATE // 25, np.float32))
            sink.write(frame[None])
        cut_off = io.BytesIO(file.getvalue())
    with av.open(cut_off) as video:
        assert sum(1 for _ in video.decode(video=0)) >= 6
    with av.open(io.BytesIO(file.getvalue())) as video:
        assert sum(1 for _ in video.decode(video=0)) == 10


def test_the_speed_of_a_model_is_measured(model, capsys, monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # of this process
    called = call(capsys, "benchmark", model, "--seconds", "2", "--device", "cpu", "--json")
    assert called.code == 0, called.err
    found = json.loads(called.out)
    assert found["file"]["times_real_time"] > 0
    assert found["frames"]["a_second"] > 0
    assert 0 < found["live"]["p50_ms"] <= found["live"]["p95_ms"] <= found["live"]["p99_ms"]
    assert found["machine"]["threads"] >= 1
    assert "times real time" in show_speed(found)


def test_the_notebook_runs_from_top_to_end(model, tmp_path, monkeypatch):
    """Every cell in turn; what a cell ends with shows itself."""
    notebook = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "speech2video").symlink_to(model)
    names: dict[str, Any] = {}
    for cell in cells:
        *lines, last = ast.parse(cell).body
        exec(compile(ast.Module(lines, []), "cell", "exec"), names)
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), "cell", "exec"), names)
        elif hasattr(
            value := eval(compile(ast.Expression(last.value), "cell", "eval"), names), "_repr_html_"
        ):
            assert "video/mp4" in value._repr_html_()
    assert names["count"] == len(names["video"].frames) == 50
    assert (tmp_path / "hum.mp4").stat().st_size
