"""What votes say: Bradley-Terry by hand and on made-up votes, bad rows, and a study of toy runs."""

from __future__ import annotations

import io
import json
import math
import shutil
from collections import Counter

import numpy as np
import pytest
from helpers_cli import call
from helpers_toy import REGISTRY, run_toy
from rich.console import Console

from s2vkit.engine.view import View
from s2vkit.errors import InputError
from s2vkit.media import VideoWriter, probe, read_frames
from s2vkit.study.analysis import agreement, analyse
from s2vkit.study.bradley_terry import fit, fit_many
from s2vkit.study.make import make_study
from s2vkit.study.plan import KEY, SPOILED, TRUTH, names_of, plan_study, questions_of, read_study
from s2vkit.study.tables import as_csv, as_markdown, print_analysis
from s2vkit.study.votes import COLUMNS, Vote, read_votes

NATURAL = questions_of(["natural"])


def matrix(count, **votes):
    """Lay votes such as a_b=3 (a over b) out as a matrix."""
    found = np.zeros((count, count))
    for name, number in votes.items():
        one, other = ("abcd".index(letter) for letter in name.split("_"))
        found[one, other] = number
    return found


NONE = np.zeros((2, 2))


# The model, against what a pencil gives


def test_two_systems_without_ties_are_the_log_odds():
    found = fit(matrix(2, a_b=30, b_a=10), NONE)
    assert found.strengths[0] - found.strengths[1] == pytest.approx(math.log(3))
    assert found.strengths.sum() == pytest.approx(0)
    assert found.chance(0, 1) == pytest.approx(0.75)
    assert not found.regularised
    assert found.tie == -math.inf


def test_two_systems_with_ties_are_davidsons_by_hand():
    """Three shares, three parameters: s_a - s_b = ln(w_a / w_b), d = ln(t / sqrt(w_a w_b))."""
    found = fit(matrix(2, a_b=20, b_a=5), matrix(2, a_b=15, b_a=15))
    assert found.strengths[0] - found.strengths[1] == pytest.approx(math.log(4))
    assert found.tie == pytest.approx(math.log(15 / math.sqrt(100)))


def test_three_systems_whose_odds_multiply_are_met_exactly():
    """2:1 and 3:1 make 6:1, so the votes are just what the model expects."""
    found = fit(matrix(3, a_b=20, b_a=10, b_c=30, c_b=10, a_c=60, c_a=10), np.zeros((3, 3)))
    apart = np.diff(found.strengths)
    assert apart == pytest.approx([-math.log(2), -math.log(3)])


def test_the_fit_is_the_minorize_maximize_iterations_limit():
    """Hunter (2004), Eq. 3: p_i = W_i / sum_j n_ij / (p_i + p_j), gone on until it stands."""
    wins = np.random.default_rng(4).integers(1, 9, (4, 4)).astype(float)
    np.fill_diagonal(wins, 0)
    strengths, total = np.ones(4), wins + wins.T
    for _ in range(3000):
        shares = total / (strengths[:, None] + strengths[None])
        strengths = wins.sum(1) / shares.sum(1)
        strengths /= strengths.sum()
    wanted = np.log(strengths) - np.log(strengths).mean()
    assert fit(wins, np.zeros((4, 4))).strengths == pytest.approx(wanted, abs=1e-7)


def test_many_fits_at_once_are_each_alone():
    chance = np.random.default_rng(0)
    wins = chance.integers(0, 4, (20, 3, 3)).astype(float)
    ties = chance.integers(0, 3, (20, 3, 3)).astype(float)
    wins[:, range(3), range(3)] = 0
    ties = np.triu(ties, 1) + np.triu(ties, 1).transpose(0, 2, 1)
    ties[::3] = 0
    strengths, tie = fit_many(wins, ties)
    for i in range(20):
        alone = fit(wins[i], ties[i])
        assert strengths[i] == pytest.approx(alone.strengths)
        assert tie[i] == pytest.approx(alone.tie)


def test_one_that_won_all_is_held_back_and_said_so():
    found = fit(matrix(2, a_b=12), NONE)
    assert found.regularised
    assert found.strengths[0] - found.strengths[1] == pytest.approx(math.log(12.5 / 0.5))
    only_ties = fit(NONE, matrix(2, a_b=5, b_a=5))
    assert only_ties.regularised
    assert only_ties.strengths == pytest.approx([0, 0])


def test_systems_never_compared_are_told():
    assert fit(matrix(3, a_b=3, b_a=2, b_c=1, c_b=4), np.zeros((3, 3))).connected
    apart = fit(matrix(4, a_b=3, b_a=2, c_d=1, d_c=4), np.zeros((4, 4)))
    assert not apart.connected
    assert not apart.regularised
    assert apart.strengths[0] - apart.strengths[1] == pytest.approx(math.log(1.5))


# Votes made up by the model itself


def made_up(strengths, raters, clips, tie=-math.inf, seed=0):
    """A study and the votes of raters who choose as Davidson says."""
    names = [f"s{i}" for i in range(len(strengths))]
    study = plan_study(names, [f"c{i}" for i in range(clips)], NATURAL, seed=seed)
    chance = np.random.default_rng(seed)
    votes = []
    for rater in range(raters):
        for pair in study.pairs.values():
            a, b = (strengths[names.index(study.system(x))] for x in (pair.a, pair.b))
            shares = np.exp([a, b, tie + (a + b) / 2])
            choice = chance.choice(["left", "right", "same"], p=shares / shares.sum())
            votes.append(Vote(f"r{rater}", pair.id, "natural", pair.a, pair.b, str(choice), 900))
    return study, votes


def found_of(study, votes, tmp_path, **how):
    path = tmp_path / "votes.csv"
    path.write_text(table(votes))
    return analyse(study, read_votes([path], study), **{"draws": 300, **how})


def table(votes):
    rows = [
        (v.rater, v.pair, v.question, v.left, v.right, v.choice, v.milliseconds, n)
        for n, v in enumerate(votes)
    ]
    return "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]) + "\n"


def test_strengths_are_recovered_within_their_intervals(tmp_path):
    truth = [0.9, 0.1, -1.0]
    study, votes = made_up(truth, raters=40, clips=10, tie=-0.5)
    found = found_of(study, votes, tmp_path)["questions"]["natural"]
    for system, wanted in zip(found["systems"], truth, strict=True):
        assert system["strength"] == pytest.approx(wanted, abs=0.2)
        assert system["low"] < wanted < system["high"]
        assert 0.1 < system["high"] - system["low"] < 0.5
    assert found["tie_parameter"] == pytest.approx(-0.5, abs=0.2)
    assert found["pairs"][0]["preferred"] == pytest.approx(1 / (1 + math.exp(-0.8)), abs=0.05)
    counts, ties = np.array(found["wins"]["counts"]), np.array(found["wins"]["ties"])
    assert counts.sum() + np.triu(ties).sum() == found["votes"] == 40 * 30
    assert found["flags"] == []


def test_intervals_cover_as_often_as_they_say(tmp_path):
    covered = []
    for seed in range(30):
        study, votes = made_up([0.4, -0.4], raters=15, clips=6, seed=seed)
        found = found_of(study, votes, tmp_path, draws=400)["questions"]["natural"]
        covered.append(found["systems"][0]["low"] < 0.4 < found["systems"][0]["high"])
    assert sum(covered) >= 25


def test_one_rater_is_resampled_by_votes_and_told(tmp_path):
    study, votes = made_up([0.5, -0.5], raters=1, clips=30)
    found = found_of(study, votes, tmp_path)
    assert "bootstrap over votes" in found["intervals"]
    assert "do not cover other people" in found["intervals"]
    assert found["questions"]["natural"]["agreement"]["share"] is None
    again = found_of(study, votes, tmp_path)
    assert again == found
    assert found_of(study, votes, tmp_path, seed=1) != found


def test_agreement_counts_pairs_of_raters():
    study, _ = made_up([0, 0], raters=0, clips=2)
    one, two = study.pairs.values()
    chosen = {"r1": ("left", "left"), "r2": ("left", "right"), "r3": ("left", "same")}
    votes = [
        Vote(r, p.id, "natural", p.a, p.b, c, 1)
        for r, both in chosen.items()
        for p, c in zip((one, two), both, strict=True)
    ]
    found = agreement(study, votes)
    assert (found["compared"], found["share"]) == (6, 3 / 6)
    said = Counter(study.system(v.winner) if v.winner else "same" for v in votes)
    assert found["chance"] == pytest.approx(sum(n * n for n in said.values()) / 36)


def test_sides_turned_change_nothing(tmp_path):
    study, votes = made_up([0.7, -0.7], raters=5, clips=8)
    turn = {"left": "right", "right": "left", "same": "same"}
    turned = [
        Vote(v.rater, v.pair, v.question, v.right, v.left, turn[v.choice], v.milliseconds) for v in votes
    ]
    one, two = (found_of(study, v, tmp_path)["questions"]["natural"] for v in (votes, turned))
    assert one["systems"] == two["systems"]
    assert one["left_of_decided"] == pytest.approx(1 - two["left_of_decided"])


# Reading what raters send


def row(study, at=0, **other):
    held = list(study.pairs.values())[at]
    values = {
        "rater": "ann",
        "pair": held.id,
        "question": "natural",
        "left": held.a,
        "right": held.b,
        "choice": "left",
        "milliseconds": 1200,
        "shown": 1,
        **other,
    }
    return [str(values[name]) for name in COLUMNS]


BAD = {
    "a cell is empty": {"rater": ""},
    "no such pair in this study": {"pair": "p999"},
    "no such question in this study": {"question": "lips"},
    "the clips are not those of the pair": {"left": "cdead"},
    "the choice is neither left nor right nor same": {"choice": "both"},
    "the time is no whole number of milliseconds": {"milliseconds": "-3"},
}


def test_bad_rows_are_set_aside_each_with_its_reason(tmp_path):
    study, _ = made_up([0, 0], raters=0, clips=3)
    path = tmp_path / "a.csv"
    rows = [row(study), *(row(study, 1, **bad) for bad in BAD.values()), ["short"]]
    path.write_text("\n".join(",".join(cells) for cells in [COLUMNS, *rows]))
    box = read_votes([path], study)
    assert len(box.votes) == 1
    assert box.rows == 8
    assert box.rejected == {**dict.fromkeys(BAD, 1), "a cell is empty": 2}
    assert f"{path}:4: no such pair in this study" in box.examples


def test_the_last_of_several_votes_counts_over_files_and_spreadsheets(tmp_path):
    study, _ = made_up([0, 0], raters=0, clips=3)
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text("\n".join(",".join(c) for c in [COLUMNS, row(study), row(study, 1)]))
    late = [row(study, choice="right"), row(study, rater='"bob; jr"')]
    text = "\r\n".join(";".join(c) for c in [COLUMNS, *late]) + "\r\n"
    second.write_bytes(b"\xef\xbb\xbf" + text.encode())
    box = read_votes([first, second], study)
    assert box.replaced == 1
    assert [(v.rater, v.choice) for v in box.votes] == [
        ("ann", "right"),
        ("ann", "left"),
        ("bob; jr", "left"),
    ]


def test_raters_who_fail_the_checks_are_left_out(tmp_path):
    study = plan_study(["x", "y"], ["a", "b", "c"], NATURAL, seed=0, checks=["a", "b"])
    rows = []
    for rater, wanted in (("good", TRUTH), ("bad", SPOILED)):
        for number, pair in enumerate(study.pairs.values()):
            right = pair.check and study.system(pair.b) == wanted
            rows.append(row(study, number, rater=rater, choice="right" if right else "left"))
    path = tmp_path / "v.csv"
    path.write_text("\n".join(",".join(c) for c in [COLUMNS, *rows]))
    box = read_votes([path], study)
    assert box.inattentive == {"bad": "0 of 2"}
    assert [v.rater for v in box.votes] == ["good"] * 3
    assert not any(study.pairs[v.pair].check for v in box.votes)
    assert sum(box.rejected.values()) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "it has no column rater"),
        ("", "it has no column"),
        (",".join(COLUMNS) + "\n", "there are no rows"),
        (",".join(COLUMNS) + "\nann,p9,natural,a,b,left,1,1\n", "v.csv:2: no such pair"),
    ],
)
def test_files_that_are_no_votes_are_refused(tmp_path, text, message):
    study, _ = made_up([0, 0], raters=0, clips=1)
    path = tmp_path / "v.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_votes([path], study)
    assert message in str(caught.value)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a table in UTF-8"):
        read_votes([path], study)
    with pytest.raises(InputError, match="No such file"):
        read_votes([tmp_path / "none.csv"], study)


def test_the_command_prints_and_writes_everything(tmp_path, capsys):
    study, votes = made_up([0.8, -0.8], raters=6, clips=5)
    (tmp_path / KEY).write_text(json.dumps(study.key_data({})))
    path = tmp_path / "v.csv"
    path.write_text(table(votes) + "ann,p001,natural\n")
    done = call(capsys, "study", "analyse", tmp_path, path)
    assert done.code == 0, done.err
    for words in (
        NATURAL[0].text,
        "95 % interval",
        "preferred (tied) to",
        "Davidson",
        "bootstrap over raters",
        "rejected: 1 (a cell is empty)",
    ):
        assert words in done.out, words
    assert f"{path}:32: a cell is empty" in done.err
    found = json.loads((tmp_path / "analysis.json").read_text())
    assert found["questions"]["natural"]["systems"][0]["system"] == "s0"
    assert (tmp_path / "analysis.md").read_text() == as_markdown(found)
    lines = (tmp_path / "analysis.csv").read_text().splitlines()
    assert lines[0] == "question,system,strength,low,high,wins,losses,ties"
    assert len(lines) == 3
    assert lines[1].startswith("natural,s0,")
    assert (tmp_path / "analysis.csv").read_text() == as_csv(found)
    missing = call(capsys, "study", "analyse", tmp_path / "none", path)
    assert missing.code == 4
    assert "no readable key" in missing.err


def test_flags_are_told(tmp_path):
    study, votes = made_up([9, -9], raters=2, clips=4)
    found = found_of(study, votes, tmp_path)
    out = io.StringIO()
    print_analysis(found, Console(file=out, width=200))
    assert "note: s0 won every vote" in out.getvalue()
    assert "half a vote each way was added" in out.getvalue()


# Questions and names


def test_questions_are_words_or_sentences():
    assert [q.id for q in questions_of([])] == ["natural", "lips", "emotion"]
    asked = questions_of(["Lips", "Who looks kinder?"])
    assert [(q.id, q.text) for q in asked][1] == ("q2", "Who looks kinder?")
    with pytest.raises(InputError, match="twice"):
        questions_of(["lips", "lips"])
    with pytest.raises(InputError, match="empty"):
        questions_of([" "])


def test_systems_are_named_by_as_much_of_their_paths_as_tells_them(tmp_path):
    assert names_of([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert names_of([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]
    assert names_of([tmp_path / TRUTH]) == [f"{tmp_path.name}/{TRUTH}"]
    with pytest.raises(InputError, match="named twice"):
        names_of([tmp_path / "a", tmp_path / "b" / ".." / "a"])


# A study of runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory, no_curves):
    """Two runs of one corpus: the second's model is the first's, drawn over."""
    home = tmp_path_factory.mktemp("study")
    run_toy(home, more=("evaluators: null\nstages: {train_evaluators: null, evaluate: null}\n",))
    shutil.copytree(home / "run", home / "again")
    return home


def make(home, names, out, **how):
    view = View(Console(file=io.StringIO()))
    given = {"clips": 2, "questions": NATURAL, "seed": 0, "checks": 1, "truth": False, **how}
    return make_study(
        [home / name for name in names], out, view=view, registry=REGISTRY, device="cpu", **given
    )


def test_a_study_holds_blinded_clips_with_sound_and_the_key_beside(runs, tmp_path):
    out = tmp_path / "study"
    study = make(runs, ["run", "again"], out)
    assert sorted(p.name for p in out.iterdir()) == ["key.json", "page"]
    clips = sorted((out / "page" / "clips").iterdir())
    assert {p.stem for p in clips} == set(study.shown)
    assert len(clips) == 2 * 2 + 2
    assert len({p.stat().st_mtime for p in clips}) == 1
    shutil.make_archive(str(tmp_path / "to_raters"), "zip", out / "page")
    for path in clips:
        told = probe(path)
        assert [s["codec"] for s in told["streams"]] == ["h264", "aac"]
        frames, _ = read_frames(path)
        assert frames.shape[1:] == (256, 256, 3)
    assert read_study(out) == study
    assert str(runs) not in (out / "page" / "index.html").read_text()
    held = json.loads((out / KEY).read_text())
    assert held["runs"]["again"] == str(runs / "again")
    assert study.systems == ("run", "again")
    by_clip = {(s.system, s.clip): p for p in clips for s in [study.shown[p.stem]]}
    for clip in {s.clip for s in study.shown.values()}:
        both = [by_clip[system, clip].read_bytes() for system in ("run", "again")]
        assert both[0] == both[1], "one model draws one speech alike"
    again = make(runs, ["run", "again"], tmp_path / "b")
    assert again == study


def test_the_real_clips_and_videos_of_other_generators_may_take_part(runs, tmp_path):
    study = make(runs, ["run"], tmp_path / "s", truth=True, checks=0)
    assert study.systems == ("run", TRUTH)
    assert len(study.pairs) == 2
    (tmp_path / "theirs").mkdir()
    for shown in study.shown.values():
        if shown.system == TRUTH:
            path = tmp_path / "s" / "page" / "clips" / f"{shown.id}.mp4"
            shutil.copy(path, tmp_path / "theirs" / f"{shown.clip}.mp4")
    beside = make(runs, ["run"], tmp_path / "t", videos=[tmp_path / "theirs"], checks=0)
    assert beside.systems == ("run", "theirs")
    assert {s.clip for s in beside.shown.values()} == {s.clip for s in study.shown.values()}


def film(path, height, seconds, seed):
    """A video of one grey that flickers, with noise as its sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    speech = rng.normal(0, 0.1, round(seconds * 16000)).astype(np.float32)
    with VideoWriter(path, (height, height), 25, speech) as writer:
        writer.write(
            rng.integers(0, 255, (round(seconds * 25), 1, 1, 3), np.uint8).repeat(height, 1).repeat(height, 2)
        )


def test_folders_of_videos_alone_are_a_study(tmp_path, capsys):
    for name in ("a", "b"):
        film(tmp_path / "ours" / f"{name}.mp4", 64, 0.6, 1)
        film(tmp_path / "theirs" / f"{name}.mp4", 512, 0.8, 2)
        film(tmp_path / "real" / f"{name}.mp4", 128, 0.48, 3)
    folders = ("--videos", tmp_path / "ours", "--videos", tmp_path / "theirs")
    called = call(capsys, "study", "make", *folders, "-o", tmp_path / "no")
    assert called.code != 0
    assert "name the real videos by --real DIR" in " ".join(called.err.split())
    called = call(capsys, "study", "make", *folders, "--real", tmp_path / "real", "-o", tmp_path / "s")
    assert called.code == 0, called.err
    study = read_study(tmp_path / "s")
    assert study.systems == ("ours", "theirs")
    assert sum(pair.check for pair in study.pairs.values()) == 2
    for path in (tmp_path / "s" / "page" / "clips").iterdir():
        frames, _ = read_frames(path)
        assert frames.shape == (12, 256, 256, 3)  # as long as the real sound, all of one size


def test_what_cannot_be_a_study_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="at least two systems"):
        make(runs, ["run"], tmp_path / "a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    with pytest.raises(InputError, match="no study"):
        make(runs, ["run", "again"], tmp_path / "full", force=True)
    make(runs, ["run"], tmp_path / "s", truth=True, checks=0, clips=1)
    with pytest.raises(InputError, match="contains a study already"):
        make(runs, ["run"], tmp_path / "s", truth=True)
    assert len(make(runs, ["run"], tmp_path / "s", truth=True, checks=0, force=True).pairs) == 2


def test_runs_of_other_recordings_are_refused(runs, tmp_path):
    run_toy(tmp_path, "seed=7", stages=["train_teachers"])
    shutil.copytree(runs / "run" / "model", tmp_path / "run" / "model")
    with pytest.raises(InputError, match=r"another recording|no held-out clip in common"):
        make(tmp_path, ["run", runs / "run"], tmp_path / "s")
