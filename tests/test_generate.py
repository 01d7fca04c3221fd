"""Video from speech with a finished run: its length, its seams, its memory, what it refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers_toy import REGISTRY, install_toy, run_toy
from PIL import Image
from safetensors.torch import load_file, save_file

from s2vkit import align
from s2vkit.build import Builder
from s2vkit.device import choose
from s2vkit.engine.workspace import RunWork
from s2vkit.errors import InputError, RunFolderError
from s2vkit.files import read_json, read_lines, write_json
from s2vkit.inference import windows
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.generate import generate
from s2vkit.inference.marking import NOT_MARKED
from s2vkit.inference.model import TalkingFaceModel
from s2vkit.inference.outputs import pair_up
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.marking.credentials import local_root
from s2vkit.marking.signing import read_signature
from s2vkit.media import probe, read_frames, read_speech
from s2vkit.media.speech_file import SpeechFile
from s2vkit.settings import Alignment, Compute

CPC = """
audio_encoder: {use: cpc, channels: 16}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, no_curves):
    """A finished run."""
    folder = tmp_path_factory.mktemp("generate")
    run_toy(folder)
    return folder


def recording(path, seconds, rate=16000, seed=0):
    """Write a hum that comes and goes, with noise: a 16-bit wav."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(t))
    sound = 0.2 * np.sin(900 * t) * (1 + np.sin(7 * t)) + 0.05 * noise
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("seconds", [0.31, 1.0, 3.137])
def test_the_video_lasts_as_long_as_the_speech(home, tmp_path, seconds):
    speech = recording(tmp_path / "a.wav", seconds, rate=22050)
    made = generate(home / "run", speech, tmp_path / "out" / "a.mp4", registry=REGISTRY)
    assert made.path.exists()
    assert made.fps == 25
    assert abs(made.frames / made.fps - seconds) <= 0.02 + 1e-6
    assert made.seconds == pytest.approx(seconds, abs=1e-3)
    told = probe(made.path)
    assert told["seconds"] == pytest.approx(seconds, abs=0.1)
    assert [p.name for p in made.path.parent.iterdir()] == ["a.mp4"]


def test_the_same_speech_gives_the_same_video(home, tmp_path):
    speech = recording(tmp_path / "a.wav", 1.0)
    one, two = (
        generate(home / "run", speech, tmp_path / n, mark=False, registry=REGISTRY).path.read_bytes()
        for n in ("a.mp4", "b.mp4")
    )
    assert one == two


def test_the_model_draws_as_the_run_did(home):
    """What `evaluate` measured is what `generate` draws."""
    graph = load_bundle(home / "run", REGISTRY).graph
    held = load_file(home / "run" / "stages" / "compose" / "weights.safetensors")
    own = graph.inference_modules()["generator"].state_dict()
    assert own
    assert all(torch.equal(value, held[f"generator/{key}"]) for key, value in own.items())
    assert set(graph.inference_modules()) == {"encoder", "generator", "student.identity", "student.emotion"}


def test_pictures_use_teachers_that_are_placed_and_in_eval_mode(tmp_path):
    """Else a process that trains nothing would draw them from a teacher on the CPU, in train mode."""
    pipeline = pipeline_of(tmp_path, "audio_encoder: logmel")
    teacher = pipeline.graph.teachers["identity"]
    assert teacher.training
    RunWork(pipeline.graph, tmp_path, None, pipeline, lambda done, total: None, lambda: None)
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())


# Windows


def pipeline_of(tmp_path, encoder):
    """A pipeline with an encoder of random weights."""
    from helpers_toy import load_toy

    recipe = load_toy(tmp_path, more=(encoder,)).recipe
    graph = Builder(recipe, REGISTRY).graph()
    policy = choose(Compute(device="cpu", precision="fp32", threads=1))
    return InferencePipeline(graph, Alignment(), policy)


@pytest.mark.parametrize(
    "encoder", [CPC, "audio_encoder: logmel", "audio_encoder: {use: logmel, context: 3}"]
)
def test_long_speech_is_heard_as_if_at_once(tmp_path, monkeypatch, encoder):
    pipeline = pipeline_of(tmp_path, encoder)
    speech = 0.1 * np.random.default_rng(0).standard_normal(16000 * 9 + 777).astype(np.float32)
    frames = pipeline.count_frames(len(speech))
    assert frames == round((9 + 777 / 16000) * 25)
    at_once = pipeline.condition(speech, frames)
    monkeypatch.setattr(windows, "WINDOW", 2.0)
    monkeypatch.setattr(windows, "CONTEXT", 1.0)
    in_windows = pipeline.condition(speech, frames)
    assert in_windows.features.shape == at_once.features.shape == (1, frames, pipeline.graph.encoder.dim)
    difference = (in_windows.features - at_once.features).abs().amax(-1)[0]
    spread = at_once.features.std()
    assert float(difference.max()) < 0.05 * float(spread)  # seams too: each hears what was before
    assert float(difference.median()) < 0.01 * float(spread)


@pytest.mark.parametrize("encoder", [CPC, "audio_encoder: logmel"])
def test_speech_is_heard_as_in_training(tmp_path, encoder):
    """What the caches of training hold of a clip is what the pipeline encodes."""
    pipeline = pipeline_of(tmp_path, encoder)
    encoder = pipeline.graph.encoder
    speech = 0.1 * np.random.default_rng(0).standard_normal(16000 + 123).astype(np.float32)
    with torch.no_grad():
        features, summary = encoder(torch.from_numpy(speech)[None], torch.tensor([len(speech)]))
        codes = pipeline.graph.condition(align(features, encoder.rate, 25.0, 25), summary)
    heard = pipeline.condition(speech, 25)
    torch.testing.assert_close(heard.features, codes.features)
    torch.testing.assert_close(heard.codes["identity"], codes.codes["identity"])
    torch.testing.assert_close(heard.codes["emotion"], codes.codes["emotion"])


def test_a_shift_of_one_step_would_be_seen(tmp_path):
    """The test above can fail: features a step apart differ by far more than it allows."""
    pipeline = pipeline_of(tmp_path, "audio_encoder: logmel")
    speech = 0.1 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    one, two = (pipeline.condition(speech[at:], 40).features for at in (0, 160))
    assert float((one - two).abs().median()) > 0.05 * float(one.std())


_PEAKS = """
import sys
from pathlib import Path
from s2vkit.inference.generate import generate

run, *recordings = map(Path, sys.argv[1:])
for speech in recordings:
    made = generate(run, speech, speech.with_suffix(".mp4"), device="cpu")
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
    print(made.frames, peak)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, which is Linux's")
def test_speech_three_times_as_long_takes_little_more_memory(home, tmp_path):
    """Both of several windows, one after the other in one process, whose peak only rises."""
    env = {**install_toy(tmp_path / "site"), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    recordings = [recording(tmp_path / f"{seconds}.wav", seconds) for seconds in (30, 90)]
    command = [sys.executable, "-c", _PEAKS, home / "run", *recordings]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    frames, peaks = zip(*(map(int, line.split()) for line in done.stdout.splitlines()), strict=True)
    assert frames == (30 * 25, 90 * 25)
    assert peaks[1] - peaks[0] < 15 * 1024, peaks  # kB; frames kept as float32 would take 18 MB


# What is refused


def test_a_folder_that_is_no_finished_run_is_told(home, tmp_path):
    speech = recording(tmp_path / "a.wav", 0.5)

    def refused(run, what):
        with pytest.raises(RunFolderError, match=what):
            generate(run, speech, tmp_path / "a.mp4", registry=REGISTRY)

    refused(tmp_path / "none", "no such run or model folder")
    refused(tmp_path, "neither a run folder nor a model")
    write_json(tmp_path / "run.json", {**read_json(home / "run" / "run.json")})
    refused(tmp_path, "no finished model yet")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    refused(tmp_path, "written by an older version of s2vkit")
    assert not (tmp_path / "a.mp4").exists()


@pytest.fixture
def model(home, tmp_path):
    """A copy of the finished run's model."""
    import shutil

    (tmp_path / "run").mkdir()
    shutil.copy(home / "run" / "run.json", tmp_path / "run")
    shutil.copytree(home / "run" / "model", tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def test_damaged_weights_are_told(model):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(RunFolderError, match=r"model.safetensors: cannot be read"):
        load_bundle(model.parent, REGISTRY)


def test_weights_that_lack_a_part_are_told(model):
    """Else it would draw from random weights and say nothing."""
    weights = model / "model.safetensors"
    held = load_file(weights)
    save_file({k: v for k, v in held.items() if not k.startswith("generator/")}, weights)
    with pytest.raises(RunFolderError, match="does not fit generator: Missing key"):
        load_bundle(model.parent, REGISTRY)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"format": 1}'])
def test_a_damaged_description_is_told(model, text):
    (model / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"no readable config.json|does not describe a model"):
        load_bundle(model.parent, REGISTRY)


def test_a_model_of_another_version_is_told(model):
    write_json(model / "config.json", {**read_json(model / "config.json"), "format": 99})
    with pytest.raises(RunFolderError, match="a model of format 99"):
        load_bundle(model.parent, REGISTRY)


def test_outputs_that_cannot_be_written_are_told(home, tmp_path):
    speech = recording(tmp_path / "a.wav", 0.5)
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "there.mp4").write_bytes(b"mine")
    for name, what in [("a.avi", "must be named .mp4"), ("folder.mp4", "is a folder")]:
        with pytest.raises(InputError, match=what):
            generate(home / "run", speech, tmp_path / name, registry=REGISTRY)
    with pytest.raises(InputError, match="is there already"):
        generate(home / "run", speech, tmp_path / "there.mp4", force=False, registry=REGISTRY)
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    video = generate(home / "run", speech, tmp_path / "there.mp4", registry=REGISTRY).path
    with pytest.raises(InputError, match="is the recording itself"):
        generate(home / "run", video, video, registry=REGISTRY)
    assert read_speech(video).seconds == pytest.approx(0.5, abs=0.1)


# The command: several recordings, formats, control


def command(capsys, *args):
    from helpers_cli import call

    return call(capsys, "generate", *args, "--device", "cpu")


def test_files_and_folders_go_into_a_folder_and_one_that_is_no_speech_stops_no_other(home, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        recording(folder / f"{number}.wav", 0.4, seed=number)
    (folder / "3.wav").write_text("no sound")
    (folder / "notes.txt").write_text("not taken")
    called = command(capsys, home / "run", folder, "-o", tmp_path / "out")
    assert called.code == 4
    assert called.out.count("wrote") == 2
    assert "left out" in called.err
    assert "1 of 3 recordings were left out" in called.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.mp4", "2.mp4"]
    again = command(capsys, home / "run", folder / "1.wav", folder / "2.wav", "-o", tmp_path / "out")
    assert again.code == 4
    assert "is there already" in again.err


def test_what_a_folder_holds_of_sound_and_video_is_taken(tmp_path):
    names = ["a.wav", "b.MKA", "c.flac", "d.mp4", "e.sph", "f.txt", "g.png"]
    for name in names:
        (tmp_path / name).touch()
    pairs = pair_up([tmp_path], tmp_path / "out", None, force=False)
    assert [pair.speech.name for pair in pairs] == names[:5]
    assert pairs[1].output == tmp_path / "out" / "b.mp4"


def test_recordings_generated_at_once_are_those_made_one_by_one(home, tmp_path, capsys):
    speech = [recording(tmp_path / f"{n}.wav", 0.3 + 0.2 * n, seed=n) for n in range(3)]
    for name, more in (("one", ()), ("batch", ("--batch", "2"))):
        called = command(capsys, home / "run", *speech, "-o", tmp_path / name, "--format", "raw", *more)
        assert called.code == 0, called.err
    for path in speech:
        one, two = (
            np.fromfile(tmp_path / name / f"{path.stem}.raw", np.uint8).astype(int)
            for name in ("one", "batch")
        )
        assert len(one) == len(two)
        assert np.abs(one - two).max() <= 1


@pytest.mark.parametrize("form", ["webm", "gif", "raw", "png"])
def test_every_format_has_the_frames_in_the_size_asked_for(home, tmp_path, capsys, form):
    speech = recording(tmp_path / "a.wav", 0.4)
    output = tmp_path / ("out" if form == "png" else f"out.{form}")
    called = command(
        capsys, home / "run", speech, "-o", output, "--format", form, "--size", "48", "--fps", "12.5"
    )
    assert called.code == 0, called.err
    assert "5 frames, 12.5 a second" in called.out
    if form == "png":
        assert len(list(output.iterdir())) == 5
        with Image.open(output / "000004.png") as image:
            assert image.size == (48, 48)
    elif form == "raw":
        assert output.stat().st_size == 5 * 48 * 48 * 3
    else:
        assert read_frames(output)[0].shape == (5, 48, 48, 3)
        kinds = [stream["type"] for stream in probe(output)["streams"]]
        assert kinds == ["video", "audio"][: 1 + (form == "webm")]


def test_frames_go_to_a_pipe_and_speech_comes_from_one(home, tmp_path):
    speech = recording(tmp_path / "a.wav", 0.4)
    command = [
        sys.executable,
        "-m",
        "s2vkit",
        "generate",
        str(home / "run"),
        "-",
        "-o",
        "-",
        "--device",
        "cpu",
    ]
    done = subprocess.run(command, input=speech.read_bytes(), capture_output=True, check=True)
    assert len(done.stdout) == 10 * 32 * 32 * 3
    assert b"wrote -: 10 frames" in done.stderr


def test_control_on_the_command_line(home, tmp_path, capsys):
    speech, other = recording(tmp_path / "a.wav", 0.4), recording(tmp_path / "b.wav", 0.6, seed=3)
    Image.new("RGB", (50, 40), (200, 120, 90)).save(tmp_path / "face.png")
    track = tmp_path / "t.csv"
    track.write_text("time, identity, emotion\n0,,neutral\n0.2,,anger=0.5\n")
    names = load_bundle(home / "run", REGISTRY).codes["identity"]
    one, two = sorted(names)[:2]
    asked = {
        "heard": (),
        "name": ("--identity", one, "--emotion", "anger=0.7"),
        "from": ("--identity-from", other, "--emotion-from", other),
        "mix": ("--mix", f"{one}=0.5", "--mix", f"{two}=0.5", "--mix", "anger=0.5"),
        "track": ("--track", track),
        "image": ("--identity-image", tmp_path / "face.png"),
    }
    made = {}
    for name, options in asked.items():
        output = tmp_path / f"{name}.raw"
        called = command(capsys, home / "run", speech, "-o", output, *options)
        assert called.code == 0, called.err
        made[name] = output.read_bytes()
    assert len(set(made.values())) == len(made)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--emotion", "joy"), "knows no emotion 'joy'"),
        (("--mix", "nobody=1"), "'nobody' is no name this model knows"),
        (("--emotion", "anger", "--mix", "neutral=1"), "asked for by --emotion and by --mix"),
        (("--track", "late.csv"), "the times of a track must increase"),
        (("--track", "bare.csv"), "a column 'time' and one a side"),
        (("--track", "word.csv"), "word.csv:2: the time is 'now'"),
        (("--format", "gif", "-o", "-"), "gif cannot be written to standard output"),
        (("-o", "frames", "--format", "png", "--force"), "holds other things than frames"),
    ],
)
def test_what_cannot_be_asked_for_is_one_message(home, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    recording(tmp_path / "a.wav", 0.3)
    Path("late.csv").write_text("time,emotion\n1,anger\n0.5,neutral\n")
    Path("bare.csv").write_text("time\n1\n")
    Path("word.csv").write_text("time,emotion\nnow,anger\n")
    Path("frames").mkdir()
    Path("frames/mine.txt").write_text("mine")
    called = command(capsys, home / "run", "a.wav", "-o", "a.mp4", *options)
    assert called.code == 4
    assert message in called.err
    assert not Path("a.mp4").exists()
    assert Path("frames/mine.txt").exists()


def test_a_playable_video_plays_as_far_as_it_came(home, tmp_path, monkeypatch, capsys):
    """What lies there in mid-way, as a kill or a power cut would leave it."""
    out, left = tmp_path / "out.mp4", tmp_path / "left.mp4"
    film = TalkingFaceModel.film

    def watched(*args, **kwargs):
        for frames in film(*args, **kwargs):
            for frame in frames:
                yield frame[None]
                if out.stat().st_size:
                    shutil.copy(out, left)

    monkeypatch.setattr(TalkingFaceModel, "film", watched)
    words = (home / "run", recording(tmp_path / "a.wav", 2.0), "-o", out, "--playable")
    called = command(capsys, *words)
    assert called.code == 0, called.err
    assert "not signed" in called.err
    (whole, _), (part, _) = read_frames(out), read_frames(left)
    assert len(whole) == 50
    assert 25 <= len(part) < 50
    np.testing.assert_array_equal(part, whole[: len(part)])
    assert command(capsys, *words[:3], tmp_path / "out.gif", "--playable").code == 2
    assert "is there already" in command(capsys, *words).err


def test_speech_from_a_file_is_that_of_the_whole(tmp_path):
    path = recording(tmp_path / "a.wav", 9.3, rate=22050)
    whole = read_speech(path)
    with SpeechFile(path, 16000) as speech:
        pieces = list(speech)
        assert len(pieces) == 3
        assert np.array_equal(np.concatenate(pieces), whole.samples)
        assert np.array_equal(np.concatenate(list(speech)), whole.samples)  # as often as one likes
        assert (speech.seconds, speech.notes) == (whole.seconds, whole.notes)
        assert speech.peak() == float(np.abs(whole.samples).max())


# Marks of what a run leaves


def test_the_clips_that_a_run_leaves_are_marked_as_generated(home):
    clips = sorted((home / "run").glob("videos/*.mp4"))
    assert clips
    signatures = [read_signature(clip, local_root()) for clip in clips]
    assert all(s.trusted and s.ai_made for s in signatures)
    assert not (home / "run" / "warnings.jsonl").exists() or NOT_MARKED not in warned(home)


def test_a_run_asked_for_no_marks_writes_its_clips_anew_and_warns(home):
    run_toy(home, "mark=false")
    clips = sorted((home / "run").glob("videos/*.mp4"))
    assert [read_signature(clip, b"") for clip in clips] == [None] * len(clips)
    assert NOT_MARKED in warned(home)


def test_another_watermark_is_taken_up_by_a_finished_run(home):
    run_toy(home, "watermark={use: spread_spectrum, key: mine}")
    config = read_json(home / "run" / "model" / "config.json")
    assert config["components"]["watermark"]["key"] == "mine"


def warned(home):
    return [note["text"] for note in read_lines(home / "run" / "warnings.jsonl")]
