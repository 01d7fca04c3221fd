"""`s2vkit evaluate --videos`: videos of any source, matched, aligned, cropped alike and measured."""

from __future__ import annotations

import csv
import json
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from helpers_cli import ROOT, call
from s2vkit_metrics.detail import Sharpness

from s2vkit.ahead import ahead
from s2vkit.build import Builder, data_spec_of
from s2vkit.cli.guard import guard
from s2vkit.cli.main import cli
from s2vkit.files import write_json
from s2vkit.interfaces.metric import Metric, Outcome, Score
from s2vkit.interfaces.pixels import to_images
from s2vkit.media import VideoWriter
from s2vkit.plugins import registry
from s2vkit.recipe.load import dump_recipe, load_recipe
from s2vkit.runs.folder import about
from s2vkit.tensors import save_modules
from s2vkit.videos.networks import networks_of
from s2vkit.videos.offset import offset_of
from s2vkit.videos.outcomes import Preparer
from s2vkit.videos.pairs import find_pairs, read_labels
from s2vkit.videos.progress import Found, Progress
from s2vkit.videos.protocol import load_protocol
from s2vkit.videos.unjudged import left_out

SIZE, FPS, RATE = 48, 25, 16000
SETS = ("--set", f"size={SIZE}", "--set", "face_detector=none")


def face(seed, frames=20):
    """Pictures (V, SIZE, SIZE, 3) of a coloured patch that moves and flickers."""
    rng = np.random.default_rng(seed)
    shown = np.kron(rng.integers(40, 200, (6, 6, 3)), np.ones((SIZE // 6, SIZE // 6, 1))).astype(np.int64)
    move = rng.integers(0, 60, (frames, 1, 1, 3))
    return np.stack([np.roll(shown, t % 5, axis=0) for t in range(frames)]).__add__(move).astype(np.uint8)


def voice(seed, seconds=0.8):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    return samples.astype(np.float32)


def write_lossless(path, frames, speech):
    """Write PNG pictures and 16-bit samples into a QuickTime file: what is read is what was given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        video = out.add_stream("png", rate=Fraction(FPS))
        video.width = video.height = SIZE
        video.pix_fmt = "rgb24"
        sound = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(video.encode(frame))
        block = av.AudioFrame.from_ndarray(
            (speech * 32767).astype(np.int16)[None], format="s16", layout="mono"
        )
        block.sample_rate, block.pts = RATE, 0
        out.mux([*sound.encode(block), *sound.encode(None), *video.encode(None)])


def changed(frames, by=9):
    noise = np.random.default_rng(5).integers(-by, by, frames.shape)
    return (frames + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Real videos, and three systems: lossless, H.264, and one with what cannot be measured."""
    root = tmp_path_factory.mktemp("videos")
    for seed in range(3):
        frames, speech = face(seed), voice(seed)
        write_lossless(root / "real" / f"c{seed}.mov", frames, speech)
        write_lossless(root / "ours" / f"c{seed}.mov", changed(frames), speech)
        (root / "coded").mkdir(exist_ok=True)
        with VideoWriter(root / "coded" / f"c{seed}.mp4", (SIZE, SIZE), FPS, speech) as writer:
            writer.write(changed(frames))
    write_lossless(root / "odd" / "c0.mov", face(0), voice(0))
    write_lossless(root / "odd" / "c1.mov", face(1)[:5], voice(1, 0.2))
    (root / "odd" / "c2.mp4").write_bytes(b"no video at all")
    write_lossless(root / "odd" / "stranger.mov", face(9), voice(9))
    (root / "labels.csv").write_text("file,speaker,gender\nc0.mov,ann,f\nc1,bob,m\nc2.mov,eve,f\n")
    return root


@pytest.fixture(scope="module")
def evaluated(places):
    return _evaluate(places, "ours", "out")


def asked(root, *systems):
    """Return the words that measure folders of videos against the real ones."""
    named = (word for name in systems for word in ("--videos", root / name))
    return ("evaluate", *named, "--truth", root / "real", *SETS)


def _evaluate(root, name, output, *more):
    words = [*asked(root, name), *more, "-o", root / output]
    assert guard(cli, list(map(str, words))) == 0
    return json.loads((root / output / "table.json").read_text())


def test_figures_are_those_of_the_metrics_on_the_same_frames(places, evaluated):
    """Lossless files change nothing: not a digit."""
    rows = {row["metric"]: row["systems"]["ours"] for row in evaluated["metrics"]}
    assert set(rows) >= {"ssim", "psnr", "sharpness", "movement", "mouth_sharpness"}
    protocol = load_protocol(None, (), {}, registry())
    for name, slot in protocol.metrics.items():
        metric = registry().get("metric", slot.use).load()(slot.options)
        for seed in range(3):
            frames = face(seed)
            made, real = (to_images(torch.from_numpy(one)) for one in (changed(frames), frames))
            metric.update(Outcome(f"c{seed}", made, real))
        score = metric.compute()
        assert rows[name]["value"] == pytest.approx(score.value, abs=1e-9)
        assert rows[name]["on_real"] == score.on_real
        if score.chance is not None:
            assert rows[name]["chance"] == pytest.approx(score.chance, abs=1e-9)
        assert rows[name]["interval"]["low"] <= rows[name]["value"] <= rows[name]["interval"]["high"]


def test_the_output_holds_figures_of_clips_the_protocol_and_a_page(places, evaluated):
    own = places / "out" / "systems" / "ours"
    with (own / "clips.csv").open() as file:
        assert [row["clip"] for row in csv.DictReader(file)] == ["c0", "c1", "c2"]
    about = json.loads((own / "about.json").read_text())
    assert about["conditions"]["found"]["codec"] == {"generated": ["png"], "real": ["png"]}
    assert any(note.startswith(f"protocol {about['protocol']}") for note in evaluated["notes"])
    page = (places / "out" / "report.html").read_text()
    assert about["protocol"] in page
    assert "Every video was measured by every metric." in page
    markdown = (places / "out" / "table.md").read_text()
    assert "A system is a folder of videos" in markdown
    assert "seed" not in markdown.split("## What is behind")[0].replace("(1 seed)", "").replace("1 seed,", "")


def test_labels_stand_with_the_clips(places):
    _evaluate(places, "ours", "labelled", "--speakers", places / "labels.csv")
    with (places / "labelled" / "systems" / "ours" / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label.identity"], row["label.gender"]) for row in rows] == [
        ("ann", "f"),
        ("bob", "m"),
        ("eve", "f"),
    ]


def test_what_cannot_be_measured_is_listed_with_its_reason_and_counted(places, capsys):
    called = call(capsys, *asked(places, "odd"), "-o", places / "out_odd")
    assert called.code == 0, called.err
    with (places / "out_odd" / "systems" / "odd" / "unjudged.csv").open() as file:
        found = {row["clip"]: (row["metric"], row["reason"]) for row in csv.DictReader(file)}
    assert found == {
        "stranger": ("all", "no_partner"),
        "c1": ("all", "too_short"),
        "c2": ("all", "undecodable"),
    }
    assert "3 videos not measured (1 no_partner, 1 too_short, 1 undecodable)" in " ".join(called.out.split())
    assert "c1: not measured: too_short" in " ".join(called.err.split())


def test_an_evaluation_that_was_killed_goes_on_with_the_next_video(places, evaluated, monkeypatch, capsys):
    monkeypatch.setattr("s2vkit.videos.progress._SHARE", math.inf)  # store each time, however long it takes
    prepare, update, measured = Preparer.prepare, Sharpness.update, []

    def dies(self, pair):
        if pair.name == "c2":
            raise SystemError("killed")
        return prepare(self, pair)

    def counted(self, outcome):
        measured.append(outcome.name)
        update(self, outcome)

    words = (*asked(places, "ours"), "-o", places / "killed")
    monkeypatch.setattr(Preparer, "prepare", dies)
    with pytest.raises(SystemError, match="killed"):
        cli.main([str(word) for word in words], standalone_mode=False)
    progress = places / "killed" / "systems" / "ours.progress.json"
    assert progress.is_file()
    monkeypatch.setattr(Preparer, "prepare", prepare)
    monkeypatch.setattr(Sharpness, "update", counted)
    stored = progress.read_text()
    progress.write_text(stored.replace('"metrics": {', '"metrics": {"x": 0, "_": {', 1) + "}")
    damaged = call(capsys, *words)
    assert damaged.code != 0
    assert "remove it: the videos are measured anew" in " ".join(damaged.err.split())
    progress.write_text(stored)
    called = call(capsys, *words)
    assert called.code == 0, called.err
    assert measured == ["c2", "c2"]  # by `sharpness` and `mouth_sharpness`
    assert "2 of 3 videos were measured before: going on from there" in " ".join(called.err.split())
    found = json.loads((places / "killed" / "table.json").read_text())
    assert found["metrics"] == evaluated["metrics"]
    assert not progress.exists()


def test_where_nothing_can_be_stored_the_reason_is_returned_once(tmp_path):
    metric, progress = Metric(), Progress(tmp_path / "ours", "key")
    metric.cloud = object()
    assert "what Metric gathers cannot be stored" in progress.store(Found(), {"m": metric})
    assert progress.store(Found(), {"m": metric}) == ""
    assert not any(tmp_path.iterdir())


def test_a_figure_that_is_no_number_is_listed():
    score = Score(float("nan"), None, None, 2, "", clips={"a": 1.0, "b": float("nan")})
    assert [(one.clip, one.reason) for one in left_out({"m": score}, ["a", "b"])] == [("b", "not_finite")]


def test_systems_of_different_protocols_refuse_to_stand_in_one_table(places, capsys):
    called = call(capsys, *asked(places, "ours", "coded"), "-o", places / "apart")
    assert called.code != 0
    told = " ".join(called.err.split())
    assert "cannot stand in one table" in told
    assert "'generated': ['h264']" in told
    assert "--set codec=h264" in told


def test_encoded_alike_they_stand_in_one_table(places, capsys):
    called = call(
        capsys,
        *asked(places, "ours", "coded"),
        "--set",
        "codec=h264",
        "-o",
        places / "alike",
        "--format",
        "csv",
    )
    assert called.code == 0, called.err
    rows = {(row["metric"], row["system"]): row for row in csv.DictReader(called.out.splitlines())}
    assert float(rows["ssim", "ours"]["value"]) > float(rows["ssim", "coded"]["value"]) - 0.02
    assert float(rows["ssim", "ours"]["value"]) < 0.999


def test_what_was_measured_is_read_and_set_beside_others(places, evaluated, capsys):
    measured = places / "out" / "systems" / "ours"
    before = (measured / "about.json").stat().st_mtime_ns
    words = ("evaluate", "--videos", measured, "-o", places / "again")
    assert call(capsys, *words).code == 0
    called = call(capsys, *asked(places, "ours"), "-o", places / "out")
    assert called.code == 0
    assert "measuring" not in called.err
    assert (measured / "about.json").stat().st_mtime_ns == before


def test_without_real_videos_what_compares_with_them_is_named(places, capsys):
    called = call(capsys, "evaluate", "--videos", places / "ours", *SETS, "-o", places / "no")
    assert called.code != 0
    assert "ssim" in called.err
    assert "--truth" in called.err


def test_a_metric_that_needs_a_network_says_so(places, capsys):
    words = ("evaluate", "--videos", places / "ours", "--truth", places / "real", "--metric", "csim")
    called = call(capsys, *words, *SETS, "-o", places / "no")
    assert called.code != 0
    assert "metric 'csim' (csim) needs evaluator.identity" in called.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Missing argument 'RUN...', or the option '--videos DIR'"),
        (("runs/a", "--videos", "x"), "give either RUN... or --videos"),
        (("runs/a", "--truth", "x"), "--truth goes with --videos"),
        (("--videos", "x", "--split", "test"), "--split is for runs"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, message, capsys):
    assert message in call(capsys, "evaluate", *words).err


def test_videos_are_matched_by_their_path_without_suffix(tmp_path):
    for name in ("a/x.mp4", "b/x.mkv", "real/a/x.mov", "real/c/x.mov", "sound/a/x.wav"):
        path = tmp_path / ("own" if name[1] == "/" else "") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b".")
    pairs, unpaired = find_pairs(
        tmp_path / "own", tmp_path / "real", tmp_path / "sound", {"a/x": {"age": "30"}}
    )
    assert [(p.name, p.real.name, p.sound.name, dict(p.labels)) for p in pairs] == [
        ("a_x", "x.mov", "x.wav", {"age": "30"})
    ]
    assert set(unpaired) == {"b_x", "c_x"}


@pytest.mark.parametrize("text", ["", "file\na\n", "file,age\na\n", "file,age\na,1,2\n"])
def test_a_table_of_labels_without_labels_is_refused(tmp_path, text):
    from s2vkit.errors import InputError

    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=r"t\.csv"):
        read_labels(tmp_path / "t.csv")


@pytest.mark.parametrize("lag", [-3200, -7, 0, 640, 9999])
def test_the_offset_is_found_in_the_sounds(lag):
    speech = voice(1, 3.0)
    late = np.concatenate([voice(2, 1.0)[: max(0, lag)], speech])[max(0, -lag) :]
    found = offset_of(late, speech, RATE, within=2.0)
    assert found.seconds == lag / RATE
    assert found.correlation > 0.7


def test_other_sounds_are_not_aligned():
    assert offset_of(voice(1), voice(2), RATE, 2.0).correlation < 0.1
    assert offset_of(np.zeros(100, np.float32), voice(2), RATE, 2.0).correlation == 0


def test_a_late_video_is_aligned_with_the_real_one(places, tmp_path, capsys):
    """Four frames and their sound were added in front: what is compared are the same frames."""
    for seed in range(2):
        late = np.concatenate([face(7, 4), face(seed)])
        write_lossless(
            tmp_path / "late" / f"c{seed}.mov", late, np.concatenate([voice(7, 0.16), voice(seed)])
        )
    words = ("evaluate", "--videos", tmp_path / "late", "--truth", places / "real", *SETS, "--metric", "ssim")
    called = call(capsys, *words, "-o", tmp_path / "out", "--format", "json")
    (row,) = json.loads(called.out)["metrics"]
    assert row["systems"]["late"]["value"] == pytest.approx(1.0)
    assert "c0 +0.160 s" in called.out


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_working_ahead_keeps_the_order_and_the_errors(workers):
    def make(item):
        if item == 2:
            raise ValueError("two")
        return 10 * item

    found = []
    for item, ready in ahead(make, range(5), workers):
        try:
            found.append((item, ready()))
        except ValueError as error:
            found.append((item, str(error)))
    assert found == [(0, 0), (1, 10), (2, "two"), (3, 30), (4, 40)]


def test_every_figure_is_shown_by_group_and_the_worst_is_named(places, capsys):
    words = ("evaluate", "--videos", places / "ours", "--truth", places / "real", *SETS, "--metric", "ssim")
    labelled = (*words, "--speakers", places / "labels.csv", "-o", places / "grouped")
    called = call(capsys, *labelled, "--by", "gender")
    assert called.code == 0, called.err
    rows = {row["group"]: row for row in json.loads((places / "grouped" / "groups.json").read_text())}
    with (places / "grouped" / "systems" / "ours" / "clips.csv").open() as file:
        of_clips = [(row["label.gender"], float(row["ssim"])) for row in csv.DictReader(file)]
    for gender in ("f", "m"):
        own = [value for label, value in of_clips if label == gender]
        assert rows[gender]["value"] == pytest.approx(np.mean(own))
        assert rows[gender]["clips"] == len(own)
    assert rows["f"]["interval"]["low"] <= rows["f"]["value"] <= rows["f"]["interval"]["high"]
    assert rows["m"]["interval"] is None  # of one clip
    worst = min(rows.values(), key=lambda row: row["value"])
    assert [row["worst"] for row in rows.values()] == [row is worst for row in rows.values()]
    assert "worst" in called.out
    assert "By group" in (places / "grouped" / "report.html").read_text()
    refused = call(capsys, *labelled, "--by", "age")
    assert refused.code != 0
    assert "labels that are there: gender, identity" in " ".join(refused.err.split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, by hand: its recipe, and the weights of the evaluators that a stage taught."""
    run = tmp_path_factory.mktemp("trained") / "run"
    sets = [f"data.size={SIZE}", f"output={run}"]
    sets += ["audio_encoder=logmel", "stages.pretrain=null", "stages.distill.after=[train_teachers]"]
    loaded = load_recipe(ROOT / "recipes" / "tiny.yaml", sets, registry())
    for stage in loaded.recipe.stages:
        (run / "stages" / stage).mkdir(parents=True)
        (run / "stages" / stage / "done.json").write_text(json.dumps({"result": stage}))
    (run / "recipe.yaml").write_text(dump_recipe(loaded))
    (run / "graph.json").write_text(json.dumps({"stages": [{"name": name} for name in loaded.recipe.stages]}))
    write_json(run / "run.json", about())
    builder = Builder(loaded.recipe, registry())
    evaluators, _ = builder.evaluators(data_spec_of(builder.dataset()))
    with torch.no_grad():
        for evaluator in evaluators.values():
            for parameter in evaluator.eval().parameters():
                parameter.mul_(1.5)
    taught = {f"evaluator.{name}": evaluator for name, evaluator in evaluators.items()}
    save_modules(run / "stages" / "train_evaluators" / "weights.safetensors", taught)
    return run, evaluators


def test_the_evaluators_of_a_run_measure_videos(places, trained, capsys):
    run, evaluators = trained
    words = ("evaluate", "--videos", places / "ours", "--truth", places / "real", "--metric", "csim", *SETS)
    called = call(capsys, *words, "--networks", run, "-o", places / "by_networks", "--format", "json")
    assert called.code == 0, called.err
    entry = registry().get("metric", "csim")
    metric = entry.load()(entry.options())
    for seed in range(3):
        made, real = (to_images(torch.from_numpy(one)) for one in (changed(face(seed)), face(seed)))
        metric.update(Outcome(f"c{seed}", made, real, evaluators=evaluators))
    (row,) = json.loads(called.out)["metrics"]
    assert row["systems"]["ours"]["value"] == pytest.approx(metric.compute().value, abs=1e-5)
    about = json.loads((places / "by_networks" / "systems" / "ours" / "about.json").read_text())
    assert set(about["conditions"]["weights"]) == set(networks_of(run, registry()).named())


def test_networks_of_another_size_or_untaught_are_refused(places, trained, tmp_path, capsys):
    run, _ = trained
    words = ("evaluate", "--videos", places / "ours", "--truth", places / "real", "--metric", "csim")
    other = call(capsys, *words, *SETS, "--networks", run, "--set", "size=64", "-o", tmp_path / "no")
    assert f"its networks take faces of {SIZE} px, not of 64" in " ".join(other.err.split())
    weights = run / "stages" / "train_evaluators" / "weights.safetensors"
    weights.rename(weights.with_suffix(".away"))
    try:
        called = call(capsys, *words, *SETS, "--networks", run, "-o", tmp_path / "no")
    finally:
        weights.with_suffix(".away").rename(weights)
    assert called.code != 0
    assert "was taught by no stage" in called.err


def test_the_protocol_of_lse_is_pinned_and_needs_weights(places, tmp_path, capsys):
    protocol = load_protocol(Path("lse"), (), {}, registry())
    pinned = (protocol.fps, protocol.margin, protocol.codec, protocol.crf)
    assert pinned == (25.0, 0.2, "h264", 18)
    assert set(protocol.metrics) == {"lse_c", "lse_d", "av_offset"}
    words = ("evaluate", "--videos", places / "ours", "--protocol", "lse", "--truth", places / "real")
    bare = call(capsys, *words, "-o", tmp_path / "no")
    assert "needs sync_evaluator" in bare.err
    untaught = ("--set", "sync_evaluator={use: syncnet, width: 0.05, input_size: 56}")
    called = call(capsys, *words, *untaught, "--set", "face_detector=none", "-o", tmp_path / "no")
    assert called.code != 0
    assert "has no weights" in called.err
