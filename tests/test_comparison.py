"""Runs side by side: intervals, what is one system, what is refused, and how it is written."""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers_comparison import RECIPE, clips_of, write_run, write_two

from s2vkit.benchmark.comparison import compare
from s2vkit.benchmark.finished_runs import read_run
from s2vkit.benchmark.formats import csv_table, digits, markdown, spread
from s2vkit.benchmark.grouping import group
from s2vkit.benchmark.latex import escape, latex
from s2vkit.benchmark.provenance import as_json, write_all
from s2vkit.errors import PluginError, RunFolderError
from s2vkit.options import Options
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.registry import Collector
from s2vkit.report.intervals import clip_interval, interval_of, paired, resample

GOLDEN = Path(__file__).parent / "comparison_golden"


def table(*folders, titles=None, base=None):
    return compare(group([read_run(f) for f in folders], titles), registry(), base=base)


# Intervals


def test_an_interval_over_clips_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = clip_interval({1: clips_of(*values)}, "mean")
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - half, abs=0.06 * half * 2)
    assert found.high == pytest.approx(values.mean() + half, abs=0.06 * half * 2)
    assert "over clips alone (1 seed)" in found.method


def test_an_interval_over_seeds_and_clips_has_both_variances():
    """Of S seeds with N clips each, the mean varies by var(seeds) / S + var(clips) / (S N)."""
    rng = np.random.default_rng(1)
    samples = [rng.normal(rng.normal(0, 2.0), 1.0, (50, 1)) for _ in range(40)]
    found = resample(samples)[:, 0]
    means = np.array([s.mean() for s in samples])
    within = np.mean([s.var() for s in samples]) / 50
    assert found.std() == pytest.approx(np.sqrt((means.var() + within) / 40), rel=0.06)


def test_two_seeds_that_hold_nothing_but_0_and_1_give_halves():
    found = resample([np.zeros((5, 1)), np.ones((7, 1))])[:, 0]
    assert set(found) == {0.0, 0.5, 1.0}
    assert np.mean(found == 0.5) == pytest.approx(0.5, abs=0.05)
    interval = interval_of(found, "x")
    assert (interval.low, interval.high) == (0.0, 1.0)
    assert (
        "over 2 seeds, and clips within each"
        in clip_interval({1: clips_of(0, 1), 2: clips_of(1)}, "mean").method
    )


def test_the_median_is_resampled_as_a_median():
    values = clips_of(*[0.0] * 60, *[100.0] * 40)
    median = clip_interval({1: values}, "median")
    assert (median.low, median.high) in {(0.0, 0.0), (0.0, 50.0), (0.0, 100.0)}
    assert clip_interval({1: values}, "mean").low > 25


def test_resampling_gives_the_same_every_time():
    samples = [np.random.default_rng(s).normal(size=(20, 2)) for s in (1, 2)]
    assert np.array_equal(resample(samples), resample(samples))


def test_a_difference_on_the_same_clips_is_sharper_than_two_intervals():
    rng = np.random.default_rng(2)
    one = {s: clips_of(*rng.normal(0, 5, 30)) for s in (1, 2)}
    other = {s: {c: v + 0.1 for c, v in of.items()} for s, of in one.items()}
    found = paired(other, one, "mean")
    assert found.value == pytest.approx(0.1)
    assert found.interval.low == pytest.approx(0.1)
    assert found.interval.high == pytest.approx(0.1)
    assert (found.seeds, found.clips) == (2, 60)
    assert clip_interval(one, "mean").high > clip_interval(other, "mean").low


def test_a_difference_is_of_shared_seeds_and_clips_alone():
    one = {1: clips_of(1, 2, 3), 2: clips_of(9)}
    found = paired(one, {1: {"c1": 0.0, "c9": 5.0}, 3: clips_of(4)}, "mean")
    assert (found.value, found.seeds, found.clips) == (2.0, 1, 1)
    assert paired(one, {5: clips_of(1)}, "mean") is None


def test_no_interval_where_a_seed_has_no_clips():
    assert clip_interval({1: clips_of(1, 2), 2: {}}, "mean") is None


# Which runs are one system


def test_runs_that_differ_in_their_seed_are_one_system(tmp_path):
    a1 = write_run(tmp_path / "a-1", {"ssim": clips_of(0.5, 0.7)}, seed=1)
    a2 = write_run(tmp_path / "a-2", {"ssim": clips_of(0.6, 0.8)}, seed=2, name="b", cache="d")
    b1 = write_run(tmp_path / "b-1", {"ssim": clips_of(0.1, 0.2)}, seed=1, generator="sdfa")
    made = table(a2, b1, a1)
    assert [(s.title, s.seeds) for s in made.systems] == [("a", [1, 2]), ("b", [1])]
    ours = made.rows[0].cells[0]
    assert ours.value == pytest.approx(0.65)
    assert ours.of_seeds == {2: 0.7, 1: 0.6}
    assert "have not the same seeds (a: 1, 2; b: 1)" in "; ".join(made.notes)
    assert made.differences[0].found.seeds == 1


def test_an_option_that_came_after_a_run_was_made_parts_nothing(tmp_path):
    """The recipe of an older run lacks it; it stands at the default that the newer one says."""
    figures = {"ssim": clips_of(0.5, 0.7)}
    recipe = load_recipe(Path(__file__).parent.parent / "recipes" / "tiny.yaml").data
    for seed in (1, 2):
        folder = write_run(tmp_path / f"a-{seed}", figures, seed=seed)
        made = copy.deepcopy({**recipe, "seed": seed})
        made["stages"]["evaluate"]["metrics"] = {"ssim": {"use": "ssim"}}
        if seed == 2:
            made["stages"]["evaluate"]["metrics"]["ssim"]["channel"] = "rgb"
            del made["stages"]["compose"]["losses"]["reference"]
        (folder / "recipe.yaml").write_text(yaml.safe_dump(made))
        for stage in made["stages"]:
            (folder / "stages" / stage).mkdir(exist_ok=True)
            (folder / "stages" / stage / "done.json").write_text("{}")
    made = table(tmp_path / "a-1", tmp_path / "a-2")
    assert [system.seeds for system in made.systems] == [[1, 2]]
    assert made.rows[0].refused == ""


def test_a_run_given_twice_is_refused(tmp_path):
    one = write_run(tmp_path / "a-1", {"ssim": clips_of(1)})
    same = write_run(tmp_path / "again", {"ssim": clips_of(1)})
    with pytest.raises(RunFolderError, match="is given twice"):
        table(one, one)
    with pytest.raises(RunFolderError, match=r"same system and seed as .*a-1"):
        table(one, same)


def test_systems_of_one_name_are_told_apart(tmp_path):
    one = write_run(tmp_path / "x" / "run", {"ssim": clips_of(1)})
    other = write_run(tmp_path / "y" / "run", {"ssim": clips_of(1)}, generator="sdfa")
    titles = [s.title for s in table(one, other).systems]
    assert titles == [f"run ({one})", f"run ({other})"]
    assert [s.title for s in table(one, other, titles={one: "A", other: "B"}).systems] == ["A", "B"]


# What is refused


@pytest.mark.parametrize(
    ("more", "said"),
    [({"speakers": 3}, "corpora differ: speakers is 2 and 3"), ({"use": "folder"}, "corpora differ: use is")],
)
def test_another_corpus_is_refused(tmp_path, more, said):
    one = write_run(tmp_path / "a", {"ssim": clips_of(1)})
    data = {**RECIPE["data"], **more}
    other = write_run(tmp_path / "b", {"ssim": clips_of(1)}, generator="sdfa", data=data)
    with pytest.raises(RunFolderError, match=said) as caught:
        table(one, other)
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("split: test", "split: val"), "splits differ: test and val"),
        (("clips: null", "clips: 7"), "differ: all and 7"),
    ],
)
def test_another_split_is_refused(tmp_path, change, said):
    one = write_run(tmp_path / "a", {"ssim": clips_of(1)})
    other = write_run(tmp_path / "b", {"ssim": clips_of(1)}, generator="sdfa")
    edit(other, lambda text: text.replace(*change))
    with pytest.raises(RunFolderError, match=said):
        table(one, other)


def edit(folder, change):
    path = folder / "recipe.yaml"
    path.write_text(change(path.read_text()))


def test_other_clips_are_refused(tmp_path):
    one = write_run(tmp_path / "a", {"ssim": {"x": 1.0}})
    other = write_run(tmp_path / "b", {"ssim": {"y": 1.0}}, generator="sdfa")
    with pytest.raises(RunFolderError, match="measured on different clips"):
        table(one, other)


def test_a_metric_defined_otherwise_is_shown_with_the_reason_only(tmp_path):
    figures = {"ssim": clips_of(0.5, 0.6), "who": clips_of(1, 0)}
    one = write_run(tmp_path / "a", figures)
    other = write_run(tmp_path / "b", figures, generator="sdfa", definition="otherwise")
    made = table(one, other)
    assert all(row.refused.startswith("its definition differs") for row in made.rows)
    assert all(cell is None for row in made.rows for cell in row.cells)
    assert made.differences == ()
    assert "ssim is not set side by side: its definition differs" in markdown(made)


def test_other_options_and_other_evaluators_are_refused(tmp_path):
    figures = {"ssim": clips_of(0.5, 0.6), "who": clips_of(1, 0)}
    one = write_run(tmp_path / "a", figures)
    evaluators = {"identity": {"use": "timm", "width": 2}}
    other = write_run(tmp_path / "b", figures, generator="sdfa", evaluators=evaluators)
    rows = {row.metric: row for row in table(one, other).rows}
    assert rows["who"].refused.startswith("who evaluators differs")
    assert rows["ssim"].refused == ""
    edit(other, lambda text: text.replace("use: ssim", "use: ssim\n        channel: grey"))
    rows = {row.metric: row for row in table(one, other).rows}
    assert "its options differs" in rows["ssim"].refused
    assert "channel is None and 'grey'" in rows["ssim"].refused


def test_evaluators_that_see_the_same_clips_otherwise_are_told(tmp_path):
    one = write_run(tmp_path / "a", {"who": clips_of(1, 0)}, real=0.9)
    other = write_run(tmp_path / "b", {"who": clips_of(1, 0)}, generator="sdfa", real=0.8)
    assert "the same real clips (seed 1) they give 0.8 and 0.9" in " ".join(table(one, other).notes)


def test_runs_without_clips_have_no_intervals_and_that_is_told(tmp_path):
    one = write_run(tmp_path / "a", {"ssim": clips_of(0.5, 0.7)}, clips=False)
    made = table(one)
    assert made.rows[0].cells[0].interval is None
    assert "before clips.csv" in made.rows[0].cells[0].why
    assert "no intervals: a; `s2vkit evaluate RUN... --again`" in " ".join(made.notes)
    assert made.rows[0].cells[0].value == pytest.approx(0.6)


# What is claimed


def test_an_order_is_claimed_only_where_the_interval_leaves_0_out(tmp_path):
    rng = np.random.default_rng(0)
    base, noise = rng.normal(0.5, 0.1, 40), rng.normal(0, 0.1, 40)
    noise -= noise.mean()
    runs = {"a": base + 0.05, "b": base, "c": base + noise + 0.001}
    folders = [
        write_run(tmp_path / name, {"ssim": clips_of(*values)}, generator=g)
        for (name, values), g in zip(runs.items(), ("sdfa", "frame_decoder", "x"), strict=True)
    ]
    claims = {(d.first, d.second): d.claim for d in table(*folders).differences}
    assert claims == {("a", "b"): "above", ("a", "c"): "above", ("b", "c"): "not told apart"}
    assert table(*folders).orders() == {"ssim": "a > c ~ b"}


def test_the_best_follows_the_direction_of_each_metric(tmp_path):
    def figures(ssim, lse_d, offset, fid):
        return {"ssim": clips_of(ssim), "lse_d": clips_of(lse_d), "offset": clips_of(offset)}, fid

    folders = []
    for name, generator, row in (
        ("a", "sdfa", figures(0.9, 7.0, -3.0, 10.0)),
        ("b", "x", figures(0.8, 6.0, 1.0, 20.0)),
        ("c", "y", figures(0.9, 8.0, 2.0, 30.0)),
    ):
        of_clips, fid = row
        folders.append(write_run(tmp_path / name, of_clips, generator=generator, whole={"fid": fid}))
    rows = {row.metric: row for row in table(*folders).rows}
    assert rows["ssim"].best == {0, 2}
    assert rows["lse_d"].best == {1}
    assert rows["offset"].best == {1}
    assert rows["fid"].best == {0}
    assert rows["fid"].cells[0].interval is None
    assert rows["fid"].cells[0].why == "a figure of the whole set"


def test_a_plugin_says_which_way_is_better():
    collector = Collector("me 1 (me)")
    collector.register("metric", "m", "mod:M", Options, better="down")
    collector.register("metric", "n", "mod:N", Options)
    assert [e.better for e in collector.entries] == ["down", "none"]
    for kind, way in (("metric", "sideways"), ("teacher", "up")):
        with pytest.raises(PluginError, match="better="):
            collector.register(kind, "o", "mod:O", Options, better=way)


# How it is written


@pytest.fixture
def two(tmp_path):
    return write_two(tmp_path / "runs")


def test_the_formats_are_those_of_the_golden_files(two, tmp_path):
    """Write them anew after a wanted change: S2VKIT_GOLDEN=1 pytest tests/test_comparison.py."""
    out = tmp_path / "out"
    made = table(*sorted(two.iterdir()), base=out)
    command = "s2vkit evaluate runs/* -o out"
    written = write_all(made, out, "table1", command)
    assert [path.name for path in written] == [f"table1.{e}" for e in ("md", "csv", "tex", "json")]
    GOLDEN.mkdir(exist_ok=True)
    for path in written:
        text = path.read_text().replace(str(tmp_path), "HOME")
        if os.environ.get("S2VKIT_GOLDEN"):
            (GOLDEN / path.name).write_text(text)
        assert text == (GOLDEN / path.name).read_text(), path.name


def test_every_figure_can_be_traced_from_the_json(two, tmp_path):
    out = tmp_path / "out"
    told = as_json(table(*sorted(two.iterdir()), base=out), "the command")
    assert told["command"] == "the command"
    for system in told["systems"]:
        for run in system["runs"]:
            assert (out / run["folder"] / "run.json").resolve().is_file()
            metrics = json.loads((out / run["metrics"]).resolve().read_text())
            with (out / run["clips"]).resolve().open() as file:
                clips = [row["clip"] for row in csv.DictReader(file)]
            assert set(clips) == set(told["clips"])
            assert run["command"].startswith("s2vkit run ")
            for metric in told["metrics"]:
                cell = metric["systems"][system["title"]]
                if cell:
                    assert cell["of_seeds"][str(run["seed"])] == metrics[metric["metric"]]["value"]


def test_csv_holds_what_the_table_holds(two):
    made = table(*sorted(two.iterdir()))
    rows = list(csv.DictReader(io.StringIO(csv_table(made))))
    assert len(rows) == len(made.rows) * 2
    for row in rows:
        if row["value"] and row["low"]:
            assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
    absent = [row for row in rows if row["metric"] == "fid" and row["system"] != "ours"]
    assert [row["remark"] for row in absent] == ["not measured"]


def test_latex_is_escaped(two):
    assert escape(r"a_b & 50% #1 {x} ~ ^ \y $z$ <|>") == (
        r"a\_b \& 50\% \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}y \$z\$ "
        r"\textless{}\textbar{}\textgreater{}"
    )
    text = latex(table(*sorted(two.iterdir())))
    assert r"S2F+SDFA\_50\%" in text
    assert re.findall(r"(?<!\\)[_%#]", text.replace("% needs", "needs")) == []
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {5}


def test_figures_are_written_short():
    figures = {None: "–", 0.123456: "0.1235", 23.4567: "23.46", 12: "12", 0.5: "0.5000"}
    figures |= {123456.7: "123457", 0.00001: "0.0000", -3.0: "-3.000", 0.0: "0.0000"}
    assert {value: digits(value) for value in figures} == figures
    assert spread([0.5, 0.5, None]) == "0.5000"
    assert spread([0.3, -0.1]) == "-0.1000 to 0.3000"
    assert spread([]) == "–"
