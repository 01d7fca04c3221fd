"""What a command costs before it does anything: no torch, little time."""

from __future__ import annotations

import sys

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


@pytest.mark.parametrize(
    ("name", "limit"), [("help", 4.5), ("list", 4.5), ("describe", 4.5), ("validate", 6)]
)
def test_a_light_command_makes_few_times_the_calls_of_importing_its_libraries(name, limit):
    """Counted in calls and not in seconds: these are the same however busy the machine is.

    In seconds a light command takes about twice its libraries, or three times (benchmarks/commands.py).
    """
    libraries = _calls("import click, pydantic, rich, yaml")
    ours = _calls("from s2vkit.cli.main import main; main()", *_LIGHT[name])
    assert ours < limit * libraries


def _calls(code: str, *args: str) -> int:
    counting = """
import sys
calls = 0
def count(frame, event, arg):
    global calls
    calls += event in ("call", "c_call")
code = sys.argv.pop(1)
sys.setprofile(count)
try:
    exec(code)
except SystemExit:
    pass
sys.setprofile(None)
print(calls, file=sys.stderr)
"""
    return int(start(code, *args, call=counting).err)


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
