"""The command line as a user meets it: what it prints, and the code it ends with."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from helpers_cli import RECIPES, ROOT, call, complete, start

from s2vkit.cli.guard import guard
from s2vkit.cli.main import COMMANDS, LazyGroup, cli
from s2vkit.cli.show import annotate
from s2vkit.errors import EXIT_CODES, RecipeError, S2vkitError, TrainingError
from s2vkit.plugins import registry
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
        {"graph": g, "part": "encoder", "component": "cpc", "takes": "speech (B, S)",
         "gives": "features (B, A, 32)", "parameters": 12345}
        for g in ("training", "inference")
    ]  # fmt: skip
    import s2vkit.build

    monkeypatch.setattr(s2vkit.build, "describe_graphs", lambda recipe, registry: rows)
    called = call(capsys, "show", TINY, "--graph")
    assert called.code == 0
    for said in ("training graph", "inference graph", "speech (B, S)", "12,345", "total"):
        assert said in called.out


# list-components, describe


def test_list_components_shows_everything_untruncated(capsys):
    out = call(capsys, "list-components").out
    for entry in registry().of_kind():
        assert entry.name in out
        assert entry.summary in out
        assert entry.owner in out
    for failure in registry().failures:
        assert failure.owner in out
        assert failure.error in out


def test_list_components_of_a_kind(capsys):
    out = call(capsys, "list-components", "--kind", "Audio-Encoders").out
    assert "logmel" in out
    assert "vggface" not in out
    called = call(capsys, "list-components", "--kind", "techer")
    assert called.code == 2
    assert "did you mean 'teacher'?" in called.err


def test_list_components_json_has_stable_keys(capsys):
    found = json.loads(call(capsys, "list-components", "--json").out)
    assert set(found) == {"components", "failures"}
    assert len(found["components"]) == len(registry().entries) > 0
    for component in found["components"]:
        assert list(component) == [
            "kind", "name", "summary", "reference", "gives", "wants", "owner", "target",
        ]  # fmt: skip
        assert isinstance(component["gives"], list)


def test_describe_names_options_defaults_and_limits(capsys):
    out = call(capsys, "describe", "audio-encoder", "cpc").out
    assert "audio_encoder 'cpc'" in out
    for said in ("s2vkit_cpc.encoder:Cpc", "channels", "256", ">= 8", "lstm | gru", "str | null"):
        assert said in out
    assert "optimizer slot" in call(capsys, "describe", "stage", "distill").out


def test_describe_shows_nested_options(capsys):
    out = call(capsys, "describe", "stage", "distill").out
    assert "losses.match" in out
    assert "loss slot giving pair and codes" in out


def test_describe_json_has_stable_keys(capsys):
    found = json.loads(call(capsys, "describe", "audio_encoder", "cpc", "--json").out)
    assert list(found) == [
        "kind", "name", "summary", "reference", "owner", "target", "gives", "wants", "options",
    ]  # fmt: skip
    channels = next(o for o in found["options"] if o["name"] == "channels")
    assert channels["default"] is None
    assert channels["required"] is False
    assert list(channels) == [
        "name", "type", "required", "default", "limits", "description", "slot",
    ]  # fmt: skip


def test_describe_suggests_the_nearest_name(capsys):
    called = call(capsys, "describe", "teacher", "vgg-fase")
    assert called.code == 3
    assert "unknown teacher 'vgg-fase'" in called.err
    assert "did you mean 'vggface'?" in called.err


def test_every_option_is_described():
    from s2vkit.cli.option_rows import option_rows

    bare = [
        f"{entry.kind} {entry.name}: {row.name}"
        for entry in registry().of_kind()
        for row in option_rows(entry.options)
        if not row.description
    ]
    assert bare == []


@pytest.mark.parametrize("width", [20, 64, 90, 300])
def test_tables_on_a_terminal_fold_and_never_cut(monkeypatch, capsys, width):
    from s2vkit.cli import tables

    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(tables.sys.stdout, "isatty", lambda: True, raising=False)
    name, words = "a_name_of_some_letters", ["[b]lue", *[f"word{i}" for i in range(20)]]
    tables.print_table(["kind", "name", "summary"], [["teacher", name, " ".join(words)]])
    out = capsys.readouterr().out
    assert "\x1b[3" not in out
    shown = click.unstyle(out)
    assert [word for word in [name, *words] if word not in shown] == []
    assert "…" not in shown


# run, generate, doctor


def test_run_hands_over_what_was_asked(capsys, monkeypatch, tmp_path):
    import s2vkit.engine.run as engine

    seen = {}
    monkeypatch.setattr(engine, "run_recipe", lambda loaded, **said: seen.update(said, of=loaded))
    called = call(
        capsys, "run", TINY, "--output", tmp_path / "r: 1", "--device", "cpu", "--set", "seed=7",
        "--fresh", "--stage", "hear", "--stage", "teach", "--dry-run",
    )  # fmt: skip
    assert (called.code, called.err) == (0, "")
    assert (seen["fresh"], seen["dry"], seen["stages"]) == (True, True, ("hear", "teach"))
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
    import s2vkit.engine.drawing.infer as engine

    seen = []
    made = engine.Generated(Path("o.mp4"), 50, 25.0, 2.0, ["the speech is quiet"])
    monkeypatch.setattr(engine, "generate", lambda *a, **k: seen.append((a, k)) or made)
    called = call(capsys, "generate", "runs/x", "a b.wav", "-o", "o.mp4", "--force")
    assert called.code == 0
    assert called.out == "wrote o.mp4: 50 frames, 25 a second\n"
    assert called.err == "note: the speech is quiet\n"
    (args, said) = seen[0]
    assert [str(a) for a in args] == ["runs/x", "a b.wav", "o.mp4"]
    assert (said["device"], said["force"]) == ("auto", True)


def test_doctor_tells_what_there_is(capsys):
    called = call(capsys, "doctor", "--json")
    found = json.loads(called.out)
    assert set(found) == {
        "machine", "packages", "devices", "codecs", "extras", "plugins", "failures", "missing",
    }  # fmt: skip
    assert called.code == (6 if found["missing"] else 0)
    assert found["codecs"] == {"h264 read": True, "h264 write": True, "aac read": True,
                               "aac write": True}  # fmt: skip
    assert "cpu" in found["devices"]
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
    assert complete("run", "", cwd=tmp_path).split("\n")[:2] == [
        "plain,one.yaml", "plain,recipes/two.yml",
    ]  # fmt: skip
    assert complete("validate", "recipes/t", cwd=tmp_path).split() == ["plain,recipes/two.yml"]
    assert complete("validate", "nowhere/t", cwd=tmp_path).split() == []


# Weight


_LIGHT = {
    "help": ["--help"],
    "command help": ["run", "--help"],
    "list": ["list-components"],
    "validate": ["validate", str(TINY)],
    "describe": ["describe", "teacher", "vggface"],
    "show": ["show", str(TINY)],
}
_NO_TORCH = """
import sys
from s2vkit.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "torchvision", "timm", "av", "matplotlib", "numpy"} & set(sys.modules)
    assert not heavy, heavy
"""


@pytest.mark.parametrize("name", _LIGHT)
def test_nothing_heavy_is_imported(name):
    called = start(*_LIGHT[name], call=_NO_TORCH)
    assert "AssertionError" not in called.err
    assert called.code == 0, called.err


def test_completion_imports_nothing_heavy():
    env = {"_S2VKIT_COMPLETE": "bash_complete", "COMP_WORDS": "s2vkit describe teacher v"}
    called = start(env={**env, "COMP_CWORD": "3"}, call=_NO_TORCH)
    assert "vggface" in called.out
    assert called.err == ""


def test_light_commands_cost_at_most_three_times_their_libraries():
    """The best of several interleaved tries, so that a busy machine cannot fail it.

    Like the libraries', our modules are compiled once and kept, as wherever it is installed.
    """
    main = ["-c", "from s2vkit.cli.main import main; main()"]
    ours = {name: (main + _LIGHT[name], {}) for name in ("help", "list", "validate")}
    asked = {"COMP_WORDS": "s2vkit describe teacher v", "COMP_CWORD": "3"}
    ours["completion"] = (main, {"_S2VKIT_COMPLETE": "bash_complete", **asked})
    best = dict.fromkeys(ours, float("inf"))
    base = float("inf")
    for _ in range(12):
        base = min(base, _seconds(["-c", "import click, pydantic, rich, yaml"], {}))
        for name, (command, env) in ours.items():
            best[name] = min(best[name], _seconds(command, env))
        if max(best.values()) <= 2.9 * base:
            break
    assert {name: t / base for name, t in best.items() if t > 3 * base} == {}


def _seconds(args: list[str], env: dict[str, str]) -> float:
    import os

    began = time.perf_counter()
    kept = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **env}
    subprocess.run([sys.executable, *args], env=kept, capture_output=True)
    return time.perf_counter() - began


def test_the_lazy_group_imports_no_command_for_help(capsys):
    loaded = [m for m in sys.modules if m.startswith("s2vkit.cli.")]
    assert isinstance(cli, LazyGroup)
    assert loaded
    listed = "print(sorted(m for m in sys.modules if m.startswith('s2vkit.cli.')))"
    program = (
        "import sys\nfrom s2vkit.cli.main import main\n"
        f"try:\n main(['--help'])\nexcept SystemExit: {listed}"
    )
    assert (
        start(call=program, cwd=ROOT)
        .out.strip()
        .endswith("['s2vkit.cli.guard', 's2vkit.cli.main']")
    )
