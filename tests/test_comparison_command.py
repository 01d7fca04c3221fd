"""`s2vkit evaluate`: what it prints, writes and refuses."""

from __future__ import annotations

import json

import pytest
from helpers_cli import _CALL, call, start
from helpers_comparison import clips_of, write_clips, write_run, write_two


@pytest.fixture
def two(tmp_path):
    return write_two(tmp_path / "runs")


def test_the_command_prints_every_format(two, capsys):
    runs = sorted(two.iterdir())
    assert "| `ssim` ↑ |" in call(capsys, "evaluate", *runs, "--format", "markdown").out
    assert r"\toprule" in call(capsys, "evaluate", *runs, "--format", "latex").out
    assert call(capsys, "evaluate", *runs, "--format", "csv").out.startswith("metric,better,")
    told = json.loads(call(capsys, "evaluate", *runs, "--format", "json").out)
    assert {row["metric"] for row in told["metrics"]} == {"ssim", "lse_d", "fid"}
    shown = call(capsys, "evaluate", *runs)
    assert shown.code == 0
    assert "95% percentile bootstrap" in " ".join(shown.out.split())


def test_reading_what_was_measured_needs_no_torch(two):
    last = "import sys; print('torch' in sys.modules, file=sys.stderr)"
    called = start(
        "evaluate",
        *sorted(two.iterdir()),
        before="import atexit",
        call=f"atexit.register(lambda: exec({last!r})); {_CALL}",
    )
    assert called.code == 0, called.err
    assert called.err.strip().endswith("False")


def test_a_folder_of_runs_is_no_run_and_names_those_in_it(two, capsys):
    called = call(capsys, "evaluate", two)
    assert called.code == 5
    assert "it holds runs; name those: S2F+SDFA_50%-1, ours-1" in called.err


def test_the_command_writes_a_folder(two, tmp_path, capsys):
    called = call(capsys, "evaluate", *sorted(two.iterdir()), "-o", tmp_path / "o", "--no-figures")
    assert called.code == 0, called.err
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == [
        "table1.csv",
        "table1.json",
        "table1.md",
        "table1.tex",
    ]


def _break(what):
    def apply(folder):
        if what == "gone":
            return folder.with_name("nowhere")
        if what == "no run":
            (folder / "run.json").unlink()
        elif what == "open":
            (folder / "stages" / "compose").mkdir()
        elif what == "never measured":
            for path in (folder / "stages" / "evaluate").iterdir():
                path.unlink()
        elif what == "no metrics":
            (folder / "metrics.json").unlink()
        elif what == "damaged metrics":
            (folder / "metrics.json").write_text('{"ssim": {"value"')
        elif what == "no figure":
            (folder / "metrics.json").write_text('{"ssim": 3}')
        elif what == "damaged run.json":
            (folder / "run.json").write_text("{")
        elif what == "damaged recipe":
            (folder / "recipe.yaml").write_text("stages: [")
        elif what == "damaged clips":
            (folder / "clips.csv").write_text("clip,split,ssim\nc0,test,many\n")
        elif what == "other clips":
            write_clips(folder / "clips.csv", {"ssim": clips_of(0.1, 0.2)})
        return folder

    return apply


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("gone", "no such run folder"),
        ("no run", "not a run folder"),
        ("open", "this run is not finished: compose"),
        ("never measured", "this run is not finished: evaluate"),
        ("no metrics", "has no metrics"),
        ("damaged metrics", "metrics.json: damaged"),
        ("no figure", "damaged: 'ssim' is not a figure"),
        ("damaged run.json", "run.json: damaged"),
        ("damaged recipe", "recipe.yaml: cannot be read"),
        ("damaged clips", "clips.csv: damaged"),
        ("other clips", "clips.csv: does not belong to metrics.json"),
    ],
)
def test_what_is_no_finished_run_is_said_in_one_line(tmp_path, capsys, what, said):
    folder = _break(what)(write_run(tmp_path / "a", {"ssim": clips_of(0.5, 0.7)}))
    called = call(capsys, "evaluate", folder)
    assert called.code == 5
    assert said in called.err.splitlines()[0]
    assert "Traceback" not in called.err
    assert called.out == ""


def test_wrong_options_are_said(tmp_path, capsys):
    folder = write_run(tmp_path / "a", {"ssim": clips_of(0.5, 0.7)})
    assert call(capsys, "evaluate").code == 2
    assert call(capsys, "evaluate", folder, "--split", "rest").code == 2
    assert call(capsys, "evaluate", folder, "--metric", "x=").code == 2
    (tmp_path / "file").touch()
    called = call(capsys, "evaluate", folder, "-o", tmp_path / "file")
    assert called.code in (2, 5)
    assert "Traceback" not in called.err
