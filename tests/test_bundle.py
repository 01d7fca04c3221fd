"""A trained model that stands alone: `s2vkit.load`, what it imports, and what a bundle refuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers_cli import call
from helpers_toy import REGISTRY, ROOT, run_toy
from safetensors.torch import load_file, save_file

import s2vkit
from s2vkit.data.store import ClipStore
from s2vkit.errors import InputError, PluginError, RunFolderError
from s2vkit.files import read_json, sha256_of, write_json
from s2vkit.hookspecs import ENTRY_POINT_GROUP
from s2vkit.inference.bundle import load_bundle
from s2vkit.inference.model import load_model
from s2vkit.media import probe
from s2vkit.plugins import Origin, load_named, origin_of

LIMIT = 45  # modules of ours, the plugins' too
REST = ("data", "recipe", "engine", "runs", "report", "rendering", "benchmark", "build", "cli", "testing")
MODEL_PLUGINS = ("logmel", "students", "composer", "watermark")

LOAD = """
import json, sys
import s2vkit
model = s2vkit.load(sys.argv[1], device="cpu")
ours = sorted(name for name in sys.modules if name.split(".")[0].startswith("s2vkit"))
import numpy as np
speech = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
frames = model.generate(speech, 16000).frames
print(json.dumps({"ours": ours, "shape": frames.shape, "sum": int(frames.astype(int).sum())}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, no_curves):
    """A finished run."""
    folder = tmp_path_factory.mktemp("bundle")
    run_toy(folder)
    return folder


@pytest.fixture
def bundle(home, tmp_path):
    """A copy of the run's model, elsewhere."""
    return Path(shutil.copytree(home / "run" / "model", tmp_path / "copy"))


def noise(samples=16000):
    return 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)


# Using it


@pytest.mark.parametrize("where", ["run", "run/model"])
def test_a_run_and_its_bundle_give_the_same_model(home, where):
    model = s2vkit.load(home / where, device="cpu")
    assert (model.sample_rate, model.fps, model.size, model.needs_image) == (16000, 25.0, 32, False)
    video = model.generate(noise(), 16000)
    assert (len(video), video.fps, video.seconds) == (25, 25.0, 1.0)
    assert video.frames.shape == (25, 32, 32, 3)
    assert video.frames.dtype == np.uint8
    assert np.array_equal(video.frames, s2vkit.load(home / "run").generate(noise(), 16000).frames)


def test_speech_of_any_rate_is_resampled(home):
    model = s2vkit.load(home / "run", device="cpu")
    assert model.generate(noise(44100), 44100).frames.shape == (25, 32, 32, 3)


@pytest.mark.parametrize("speech", [np.zeros((2, 100)), np.zeros(0), np.full(100, np.nan)])
def test_what_is_no_speech_is_refused(home, speech):
    with pytest.raises(InputError, match="not one row of finite samples"):
        s2vkit.load(home / "run", device="cpu").generate(speech, 16000)


def test_an_image_that_is_not_needed_is_refused(home):
    with pytest.raises(InputError, match="speech alone"):
        s2vkit.load(home / "run", device="cpu").generate(
            noise(), 16000, image=np.zeros((32, 32, 3), np.uint8)
        )


def test_loading_leaves_the_callers_torch_as_it_was(home):
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    s2vkit.load(home / "run", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


# Control


def test_it_knows_the_people_and_the_emotions_of_its_training(home):
    model = s2vkit.load(home / "run", device="cpu")
    labels = read_json(home / "run" / "model" / "config.json")["data"]["labels"]
    assert sorted(model.voices) == sorted(labels["identity"])
    assert sorted(model.emotions) == sorted(labels["emotion"])


def test_what_is_asked_for_replaces_what_is_heard(home):
    model, speech = s2vkit.load(home / "run", device="cpu"), noise()
    heard = model.generate(speech, 16000).frames
    asked = model.generate(speech, 16000, identity=model.voices[0], emotion="anger").frames
    assert not np.array_equal(asked, heard)
    louder = model.generate(0.5 * speech[::-1], 16000, identity=model.voices[0], emotion="anger").frames
    assert louder.shape == asked.shape  # other speech, the same person and mood
    same = model.generate(speech, 16000, identity_from=speech, emotion_from=speech).frames
    assert np.array_equal(same, heard)


def test_a_name_asks_for_the_mean_code_of_its_training_clips(home):
    """As the students give it for the clips that the run has cached."""
    model = s2vkit.load(home / "run", device="cpu")
    (summaries,) = [np.load(path) for path in (home / "cache").glob("speech-*/summary.npy")]
    store = ClipStore(next((home / "cache").glob("corpus-*")))
    clips = read_json(home / "run" / "split.json")
    rows = [
        i
        for i, clip in enumerate(store.clips)
        if clip.labels["emotion"] == "anger" and clips[clip.name] == "train"
    ]
    with torch.inference_mode():
        codes = model.pipeline.graph.students["emotion"](torch.from_numpy(summaries[rows]).float())
    assert len(rows) > 1
    assert torch.allclose(model.codes["emotion"]["anger"], codes.mean(0), atol=1e-5)


@pytest.mark.parametrize(
    ("control", "message"),
    [
        ({"identity": "nobody"}, "knows no identity 'nobody'"),
        ({"emotion": "anger", "emotion_from": noise()}, "emotion is asked for in two ways"),
        ({"track": {"pose": [(0.0, "left")]}}, "has no 'pose' to choose"),
        ({"emotion_from": np.zeros(0)}, "not one row of finite samples"),
    ],
)
def test_control_that_a_model_does_not_have_is_refused(home, control, message):
    with pytest.raises(InputError, match=message):
        s2vkit.load(home / "run", device="cpu").generate(noise(), 16000, **control)


def test_a_face_is_seen_by_the_runs_identity_teacher(home, bundle):
    model, other = s2vkit.load(home / "run", device="cpu"), s2vkit.load(bundle, device="cpu")
    face = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    seen = [model.generate(noise(), 16000, identity_image=f).frames for f in (face, 255 - face)]
    assert not np.array_equal(*seen)
    with pytest.raises(RunFolderError, match="the identity teacher, which a model does not hold"):
        other.generate(noise(), 16000, identity_image=face)
    with pytest.raises(InputError, match=r"not uint8 \(32, 32, 3\)"):
        model.generate(noise(), 16000, identity_image=face[:16])


def test_a_code_of_another_size_is_refused(bundle):
    tensors = load_file(bundle / "model.safetensors")
    save_file({**tensors, "code.emotion/anger": torch.zeros(3)}, bundle / "model.safetensors")
    with pytest.raises(RunFolderError, match=r"the code of emotion 'anger' has the shape \(3,\)"):
        load_bundle(bundle)


def test_a_video_is_written_and_shows_itself(home, tmp_path):
    video = s2vkit.load(home / "run", device="cpu").generate(noise(), 16000)
    assert probe(video.save(tmp_path / "a.mp4"))["seconds"] == pytest.approx(1.0, abs=0.1)
    html = video._repr_html_()
    assert html.startswith("<video controls")
    assert b64decode(html.partition("base64,")[2].partition('"')[0])[4:8] == b"ftyp"


def test_the_examples_of_the_page_run(home, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "speech2video").symlink_to(home / "run")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 4
    exec("\n".join(block for block in blocks if "model.stream" not in block), {})  # the toy does not stream
    assert (tmp_path / "out.mp4").is_file()


# To share


def test_a_run_is_bundled_to_be_shared(home, tmp_path, capsys):
    folder, more = tmp_path / "shared", ("--half", "--licence", "CC0", "--consent", "all are drawn")
    called = call(capsys, "bundle", home / "run", folder, *more)
    assert called.code == 0, called.err
    names = ["README.md", "SHA256SUMS", "config.json", "metrics.json", "model.safetensors", "recipe.yaml"]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "sample.mp4"]
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert sha256_of(folder / name) == digest
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == 6
    whole = (home / "run" / "model" / "model.safetensors").stat().st_size
    assert (folder / "model.safetensors").stat().st_size < 0.6 * whole
    near = s2vkit.load(folder, device="cpu").generate(noise(), 16000).frames.astype(int)
    assert np.abs(near - s2vkit.load(home / "run", device="cpu").generate(noise(), 16000).frames).max() < 16
    streams = [stream["type"] for stream in probe(folder / "sample.mp4")["streams"]]
    assert streams == ["video", "audio"]


def test_the_model_card_says_what_hubs_and_people_ask(home, tmp_path, capsys):
    call(capsys, "bundle", home / "run", tmp_path / "shared")
    card = (tmp_path / "shared" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["library_name"] == "s2vkit"
    measured = {one["name"]: one["value"] for one in head["model-index"][0]["results"][0]["metrics"]}
    known = read_json(home / "run" / "metrics.json")
    assert measured == {k: v["value"] for k, v in known.items() if v["value"] is not None}
    titles = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert titles == [
        "Use",
        "Intended use",
        "Out of scope",
        "Data",
        "Figures",
        "By group",
        "Limits",
        "Hardware and time",
        "How outputs are marked",
    ]
    assert card.count("not stated; whoever publishes this model has to state it") == 3
    assert re.search(r"\| emotion \| anger \|( \d+\.\d+ \|)+", card)
    assert re.search(r"\| ssim \| \S+ \| \d+\.\d+ to \d+\.\d+ \|", card)


def test_what_is_there_is_not_bundled_over(home, tmp_path, capsys):
    folder = tmp_path / "shared"
    call(capsys, "bundle", home / "run", folder)
    assert "is there already" in call(capsys, "bundle", home / "run", folder).err
    assert call(capsys, "bundle", home / "run", folder, "--force").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("mine")
    called = call(capsys, "bundle", home / "run", tmp_path / "mine", "--force")
    assert (called.code, "other things than a bundle" in called.err) == (5, True)
    assert (tmp_path / "mine" / "a.txt").read_text() == "mine"
    assert "is a bundle already" in call(capsys, "bundle", folder, tmp_path / "again").err
    assert "no such run" in call(capsys, "bundle", tmp_path / "none", tmp_path / "again").err


# What it imports


def load_in_a_process(path: Path, *, search: list[str] | None = None) -> subprocess.CompletedProcess:
    """Load and use a model in a fresh process; `search` replaces where modules are found."""
    command = [sys.executable, *(["-S"] if search else []), "-c", LOAD, str(path)]
    env = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "PYTHONPATH": ":".join(search or [])}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_loading_a_model_imports_little_and_nothing_of_training(home):
    done = load_in_a_process(home / "run")
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)["ours"]
    assert len(ours) <= LIMIT, ours
    assert [name for name in ours if name.startswith(tuple(f"s2vkit.{room}" for room in REST))] == []
    plugins = {name.split(".")[0] for name in ours} - {"s2vkit"}
    assert plugins == {f"s2vkit_{name}" for name in MODEL_PLUGINS}
    contracts = {"stage", "metric", "dataset", "graph", "teacher", "discriminator"}
    assert not contracts & {name.removeprefix("s2vkit.interfaces.") for name in ours}


def environment(folder: Path, plugins: tuple[str, ...]) -> list[str]:
    """Install the core and these plugins alone; give where modules are found."""
    about = folder / f"s2vkit-{s2vkit.__version__}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: s2vkit\nVersion: {s2vkit.__version__}\n")
    points = "".join(f"{name} = s2vkit_{name}\n" for name in plugins)
    (about / "entry_points.txt").write_text(f"[{ENTRY_POINT_GROUP}]\n{points}")
    (folder / "s2vkit").symlink_to(ROOT / "s2vkit")
    for name in plugins:
        (folder / f"s2vkit_{name}").symlink_to(ROOT / "plugins" / f"s2vkit_{name}")
    libraries = [path for path in sys.path if _holds_libraries(path)]
    return [str(folder), *libraries]  # the first of two distributions of one name is what counts


def _holds_libraries(path: str) -> bool:
    """Whether others' modules lie there; a virtual environment may lie inside the project."""
    return path.startswith(sys.prefix) or (bool(path) and not path.startswith(str(ROOT)))


def test_a_bundle_elsewhere_needs_its_own_plugins_alone(home, bundle, tmp_path):
    done = load_in_a_process(bundle, search=environment(tmp_path / "site", MODEL_PLUGINS))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shape"] == [25, 32, 32, 3]
    assert found["sum"] == json.loads(load_in_a_process(home / "run").stdout)["sum"]


def test_a_missing_plugin_is_named_with_its_distribution(bundle, tmp_path):
    done = load_in_a_process(bundle, search=environment(tmp_path / "site", ("logmel", "composer")))
    assert done.returncode != 0
    assert f"a plugin is not installed: 'students' of s2vkit {s2vkit.__version__}" in done.stderr


def test_a_plugin_of_another_distribution_is_not_taken_for_it():
    assert load_named({"logmel": Origin(distribution="S2VKIT", version="0")}).names("audio_encoder")
    with pytest.raises(PluginError, match="'logmel' of other 2"):
        load_named({"logmel": Origin(distribution="other", version="2")})


def test_every_plugin_tells_where_it_is_from():
    for point in entry_points(group=ENTRY_POINT_GROUP):
        owner = f"s2vkit {s2vkit.__version__} ({point.name})"
        if point.dist is not None and point.dist.name == "s2vkit":
            assert origin_of(owner) == (point.name, Origin(distribution="s2vkit", version=s2vkit.__version__))


# What it refuses


def change(bundle: Path, **values: object) -> None:
    write_json(bundle / "config.json", {**read_json(bundle / "config.json"), **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "a model of format 2, and this version of s2vkit reads 1"),
        ({"codes": {}}, "no such component or code: emotion, identity"),
        ({"codes": {"identity": -1, "emotion": 4}}, "codes.identity: .*greater than or equal to 1"),
        ({"codes": {"identity": 10**9, "emotion": 4}}, "codes.identity: .*less than or equal to"),
        ({"components": {}}, "components lacks encoder, generator"),
        ({"alignment": {"mode": "nearest"}}, "alignment.mode"),
        ({"pickle": "x"}, "pickle: Extra inputs are not permitted"),
    ],
)
def test_a_config_that_describes_no_model_is_refused(bundle, values, message):
    change(bundle, **values)
    with pytest.raises(RunFolderError, match=message):
        load_bundle(bundle)


def test_options_that_a_plugin_does_not_take_are_refused(bundle):
    components = read_json(bundle / "config.json")["components"]
    change(bundle, components={**components, "generator": {**components["generator"], "fingers": 6}})
    with pytest.raises(RunFolderError, match=r"do not take these options(.|\n)*fingers"):
        load_bundle(bundle)


def test_weights_of_other_sizes_are_refused(bundle):
    codes = read_json(bundle / "config.json")["codes"]
    change(bundle, codes={**codes, "identity": codes["identity"] + 1})
    with pytest.raises(RunFolderError, match="does not fit"):
        load_bundle(bundle)
    tensors = load_file(bundle / "model.safetensors")
    cut = {name: value[:1] for name, value in tensors.items() if value.dim()}
    save_file(cut, bundle / "model.safetensors")
    change(bundle, codes=codes)
    with pytest.raises(RunFolderError, match="does not fit encoder"):
        load_bundle(bundle)


def test_a_bundle_holds_tensors_and_json_alone(bundle):
    assert sorted(path.name for path in bundle.iterdir()) == ["config.json", "model.safetensors"]
    config = read_json(bundle / "config.json")
    assert set(config["plugins"]) == set(MODEL_PLUGINS)
    assert config["plugins"]["logmel"] == {"distribution": "s2vkit", "version": s2vkit.__version__}
    assert str(bundle.parent) not in (bundle / "config.json").read_text()
    parts = {name.split("/")[0] for name in load_file(bundle / "model.safetensors")}
    assert parts == {
        "encoder",
        "generator",
        "student.identity",
        "student.emotion",
        "code.identity",
        "code.emotion",
    }


def test_a_registry_may_be_given(bundle):
    assert load_model(bundle, device="cpu", registry=REGISTRY).size == 32
