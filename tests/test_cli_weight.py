"""What a command costs before it does anything: no torch, little time."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from helpers_cli import RECIPES, ROOT, start

from s2vkit.cli.main import LazyGroup, cli

TINY = RECIPES / "tiny.yaml"
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
        f"import sys\nfrom s2vkit.cli.main import main\ntry:\n main(['--help'])\nexcept SystemExit: {listed}"
    )
    assert (
        start(call=program, cwd=ROOT)
        .out.strip()
        .endswith("['s2vkit.cli.guard', 's2vkit.cli.main', 's2vkit.cli.terminal']")
    )
