"""The command line as a user meets it: what it prints, and the code it ends with."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from helpers_cli import RECIPES, call, complete, start

from s2vkit.cli.guard import guard
from s2vkit.cli.main import COMMANDS
from s2vkit.cli.show import annotate
from s2vkit.errors import EXIT_CODES, RecipeError, S2vkitError, TrainingError
from s2vkit.registry import OUR_COMMANDS

TINY = RECIPES / "tiny.yaml"


def failing(error: BaseException) -> click.Command:
    @click.command()
    def fails() -> None:
        raise error

    return click.Group("s2vkit", commands={"fails": fails}, params=[click.Option(["--debug"])])


def failed(capsys, error):
    code = guard(failing(error), ["fails"])
    return code, capsys.readouterr().err


# The root


def test_help_names_every_command(capsys):
    called = call(capsys, "--help")
    assert called.code == 0
    for name, (_, line) in COMMANDS.items():
        assert name in called.out
        assert line in called.out
    assert "_S2VKIT_COMPLETE=bash_source s2vkit" in called.out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_that_begins_as_its_module_says(capsys, name):
    called = call(capsys, name, "--help")
    assert called.code == 0
    assert called.out.startswith(f"Usage: s2vkit {name} ")


def test_the_registry_guards_our_commands_names():
    assert frozenset(COMMANDS) == OUR_COMMANDS


def test_version(capsys):
    from s2vkit import __version__

    assert call(capsys, "--version").out == f"s2vkit {__version__}\n"


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    called = call(capsys, "list_component")
    assert called.code == 2
    assert "No such command 'list_component'. Did you mean 'list-components'?" in called.err


def test_an_unknown_option_is_the_command_lines_error(capsys):
    called = call(capsys, "validate", "--frehs", TINY)
    assert called.code == 2
    assert "--frehs" in called.err


# Errors and their codes


def test_every_error_has_a_documented_code():
    kinds = [S2vkitError, *S2vkitError.__subclasses__()]
    assert {kind.exit_code for kind in kinds} <= set(EXIT_CODES)


def test_a_known_error_is_one_message(capsys):
    code, err = failed(capsys, TrainingError("loss 'l1' is nan at step 12", hint="lower lr"))
    assert (code, err) == (7, "error: loss 'l1' is nan at step 12\n  = lower lr\n")


def test_a_compilers_report_is_printed_as_it_is(capsys):
    report = "mine.yaml:3:1: seed: no\n1 problem in mine.yaml; nothing was run."
    assert failed(capsys, RecipeError(report)) == (3, report + "\n")
    assert failed(capsys, RecipeError("no", hint="yes")) == (3, "error: no\n  = yes\n")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/full/x"), 6, "No space left: /full/x"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), 6, "No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/a b/c"), 4, "/a b/c: Permission"),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone.wav"), 4, "gone.wav: No such file"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"), 6, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 6, "out of memory"),
        (MemoryError(), 6, "out of memory"),
        (ZeroDivisionError("by zero"), 1, "s2vkit --debug fails"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_foreign_errors_are_told_plainly(capsys, error, code, said):
    ended, err = failed(capsys, error)
    assert ended == code
    assert said in err
    assert "Traceback" not in err


def test_an_interrupted_run_says_how_to_go_on(capsys, monkeypatch):
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("s2vkit.recipe.load.load_recipe", interrupt)
    called = call(capsys, "run", "my recipe.yaml", "--fresh")
    assert called.code == 130
    assert "goes on from the last checkpoint: s2vkit run 'my recipe.yaml'\n" in called.err


def test_debug_shows_the_traceback(capsys):
    called = call(capsys, "--debug", "describe", "teacher", "nobody")
    assert called.code == 3
    assert "Traceback" in called.err
    assert called.err.index("Traceback") < called.err.index("error: unknown teacher 'nobody'")


def test_a_closed_pipe_is_quiet():
    program = [sys.executable, "-c", "from s2vkit.cli.main import main; main()"]
    command = subprocess.list2cmdline([*program, "list-components", "--json"])
    done = subprocess.run(f"{command} | true", shell=True, capture_output=True, text=True)
    assert done.stderr == ""


# validate


def test_validate_counts_components(capsys):
    called = call(capsys, "validate", TINY)
    assert called.err == ""
    assert called.code == 0
    found = called.out.removeprefix(f"{TINY}: ok, ").removesuffix(" components\n")
    assert int(found) > 20


def test_validate_checks_all_recipes_and_reports_all(capsys, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(f"extends: {TINY}\ngenerator: fram_decoder\nsede: 1\n")
    gone = tmp_path / "gone.yaml"
    called = call(capsys, "validate", bad, gone, TINY)
    assert called.code == 3
    assert f"{TINY}: ok, " in called.out
    assert "bad.yaml:2:" in called.err
    assert "did you mean 'frame_decoder'?" in called.err
    assert "sede" in called.err
    assert "gone.yaml" in called.err
    assert "2 of 3 recipes are wrong" in called.err


def test_validate_takes_set(capsys):
    assert call(capsys, "validate", TINY, "--set", "seed=7").code == 0
    called = call(capsys, "validate", TINY, "--set", "generator.use=nothing_like_it")
    assert called.code == 3
    assert "nothing_like_it" in called.err


# show


def test_show_tells_origins(capsys):
    called = call(capsys, "show", TINY, "--set", "seed=7")
    assert called.code == 0
    lines = called.out.splitlines()
    seed = next(line for line in lines if line.startswith("seed: 7"))
    assert "# " in seed
    assert "--set" in seed
    output = next(line for line in lines if line.startswith("output:"))
    assert "tiny.yaml:5" in output


def test_what_show_prints_is_the_same_recipe(capsys, tmp_path):
    whole = call(capsys, "show", TINY, "--no-origins").out
    assert "#" not in whole
    copy = tmp_path / "copy.yaml"
    copy.write_text(call(capsys, "show", TINY).out)
    assert call(capsys, "show", copy, "--no-origins").out == whole


def test_annotate_aligns_comments_and_keeps_plain_yaml():
    class Origin:
        def __init__(self, file: str, line: int = 0) -> None:
            self.file, self.line = file, line

    folded = "f: 'one\n\n  two'"
    text = f"a:\n  bee: 1\n  c: 'on'\n  d: {{}}\ne:\n- 1\n- 2\n{folded}\ng: {'x' * 70}\n"
    origins = {"a.bee": Origin("x.yaml", 3), "e": Origin("default"), "f": Origin("x.yaml", 9)}
    lines = annotate(text, origins | {"g": Origin("--set")})
    assert lines[:5] == [
        "a:",
        f"{'  bee: 1':<60}  # x.yaml:3",
        "  c: 'on'",
        "  d: {}",
        f"{'e:':<60}  # default",
    ]
    assert lines[5:-1] == ["- 1", "- 2", *folded.split("\n")]
    assert lines[-1] == f"g: {'x' * 70}  # --set"


def test_show_graph_prints_both_graphs(capsys, monkeypatch):
    rows = [
        {
            "graph": g,
            "part": "encoder",
            "component": "cpc",
            "takes": "speech (B, S)",
            "gives": "features (B, A, 32)",
            "parameters": 12345,
        }
        for g in ("training", "inference")
    ]
    import s2vkit.build

    monkeypatch.setattr(s2vkit.build, "describe_graphs", lambda recipe, registry: rows)
    called = call(capsys, "show", TINY, "--graph")
    assert called.code == 0
    for said in ("training graph", "inference graph", "speech (B, S)", "12,345", "total"):
        assert said in called.out


# run, generate, doctor


def test_run_hands_over_what_was_asked(capsys, monkeypatch, tmp_path):
    import s2vkit.engine.run as engine

    seen = {}
    monkeypatch.setattr(engine, "run_recipe", lambda loaded, **said: seen.update(said, of=loaded))
    called = call(
        capsys,
        "run",
        TINY,
        "--output",
        tmp_path / "r: 1",
        "--device",
        "cpu",
        "--set",
        "seed=7",
        "--fresh",
        "--stage",
        "pretrain",
        "--stage",
        "train_teachers",
        "--dry-run",
    )
    assert (called.code, called.err) == (0, "")
    assert (seen["fresh"], seen["dry"], seen["stages"]) == (True, True, ("pretrain", "train_teachers"))
    recipe = seen["of"].recipe
    assert (recipe.seed, recipe.output) == (7, str(tmp_path / "r: 1"))
    assert recipe.compute.device == "cpu"


def test_run_of_a_wrong_recipe_ends_before_torch(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("format: 1\nseed: x\n")
    after = "try:\n main()\nfinally:\n assert 'torch' not in sys.modules"
    called = start("run", wrong, call=f"import sys\nfrom s2vkit.cli.main import main\n{after}")
    assert called.code == 3
    assert "nothing was run" in called.err
    assert "Assertion" not in called.err


def test_generate_hands_over_what_was_asked(capsys, monkeypatch, tmp_path):
    import s2vkit.inference.batch_job as job
    import s2vkit.inference.generate as engine
    import s2vkit.inference.marking as marking
    import s2vkit.inference.model as model
    import s2vkit.inference.requests as requests

    seen, loaded = {}, SimpleNamespace(path=Path("runs/x/model"))
    made = engine.Generated(Path("o.mp4"), 50, 25.0, 2.0, ["the speech is quiet"], delay=0.5, took=0.25)
    monkeypatch.setattr(model, "load_model", lambda path, **k: seen.update(k, model=path) or loaded)
    monkeypatch.setattr(marking, "marker_of", lambda path, **k: None)
    monkeypatch.setattr(requests, "steering_for", lambda loaded, asked: seen.update(asked=asked))
    monkeypatch.setattr(engine, "read_face", lambda loaded, image: None)
    monkeypatch.setattr(
        job, "generate_all", lambda loaded, pairs, *a, **k: seen.update(k, pairs=pairs) or [made]
    )
    asked = ("--emotion", "happiness=0.7", "--identity-from", "b.wav", "--batch", "4", "--precision", "bf16")
    called = call(capsys, "generate", "runs/x", "a b.wav", "-o", tmp_path / "o.mp4", *asked)
    assert called.code == 0, called.err
    assert called.out == (
        "wrote o.mp4: 50 frames, 25 a second; the first after 0.50 s, 8.0 times real time\n"
    )
    assert called.err == "note: the speech is quiet\n"
    assert (seen["model"], seen["device"], seen["precision"], seen["batch"]) == (
        Path("runs/x"),
        "auto",
        "bf16",
        4,
    )
    assert [(str(pair.speech), pair.form) for pair in seen["pairs"]] == [("a b.wav", "mp4")]
    assert (seen["asked"].emotion, seen["asked"].identity_from) == ("happiness=0.7", Path("b.wav"))


def test_doctor_tells_what_there_is(capsys):
    called = call(capsys, "doctor", "--json")
    found = json.loads(called.out)
    assert set(found) == {
        "machine",
        "packages",
        "devices",
        "choices",
        "codecs",
        "extras",
        "plugins",
        "failures",
        "missing",
    }
    assert called.code == (6 if found["missing"] else 0)
    assert found["codecs"] == {"h264 read": True, "h264 write": True, "aac read": True, "aac write": True}
    assert "cpu" in found["devices"]
    assert set(found["choices"]) == {"device", "precision", "layout", "compile"}
    assert found["packages"]["torch"]


def test_doctor_ends_with_6_where_something_is_missing(capsys, monkeypatch):
    import s2vkit.cli.examine as looked

    known = looked._version
    monkeypatch.setattr(looked, "_version", lambda n: None if n == "safetensors" else known(n))
    called = call(capsys, "doctor")
    assert called.code == 6
    assert "missing: package safetensors" in called.out


# Completion


def test_completion_of_commands_kinds_and_components():
    assert complete("list-c").split() == ["plain,list-components"]
    assert "plain,teacher" in complete("describe", "t").split()
    assert complete("describe", "teacher", "vg").split() == ["plain,vggface"]
    assert complete("list-components", "--kind", "aud").split() == ["plain,audio_encoder"]
    assert "plain,cpu" in complete("generate", "--device", "c").split()


def test_completion_of_recipes(tmp_path):
    (tmp_path / "recipes").mkdir()
    for name in ("one.yaml", "notes.txt", "recipes/two.yml"):
        (tmp_path / name).write_text("")
    assert complete("run", "", cwd=tmp_path).split("\n")[:2] == ["plain,one.yaml", "plain,recipes/two.yml"]
    assert complete("validate", "recipes/t", cwd=tmp_path).split() == ["plain,recipes/two.yml"]
    assert complete("validate", "nowhere/t", cwd=tmp_path).split() == []


@pytest.mark.parametrize("fresh", [False, True])
def test_a_run_may_take_over_stages_from_the_runs_of_recipes_that_it_extends(
    tmp_path, capsys, monkeypatch, fresh
):
    (tmp_path / "base.yaml").write_text(f"extends: {RECIPES / 'tiny.yaml'}\noutput: {tmp_path}/base\n")
    (tmp_path / "between.yaml").write_text("extends: base.yaml\nseed: 7\n")
    (tmp_path / "mine.yaml").write_text(f"extends: between.yaml\noutput: {tmp_path}/mine\n")
    how = {}
    monkeypatch.setattr("s2vkit.engine.run.run_recipe", lambda loaded, **given: how.update(given))
    done = call(
        capsys, "run", tmp_path / "mine.yaml", *["--fresh"] * fresh, "--set", f"output={tmp_path}/other"
    )
    assert done.code == 0, done.err
    known = [tmp_path / "mine", tmp_path / "base", Path("runs/tiny"), Path("runs/speech2video")]
    assert list(how["donors"]) == ([] if fresh else known)
