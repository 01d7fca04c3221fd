"""Arguments and options that several commands share."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from s2vkit.cli import complete

if TYPE_CHECKING:
    _StrType = click.ParamType[str]
else:
    _StrType = click.ParamType  # not generic at run time before click 8.3

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _RecipePath(_StrType):
    """A recipe's file; where there is none, a recipe of the package by its name."""

    name = "recipe"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:  # type: ignore[override]
        path = Path(value).expanduser()
        if path.exists():
            return path
        from s2vkit.recipe.shipped import find_shipped

        return find_shipped(str(value)) or path


def recipe_argument(many: bool = False) -> Callable[[_Command], _Command]:
    """Take one recipe (`recipe: Path`) or several (`recipes: tuple[Path, ...]`)."""
    return click.argument(
        "recipes" if many else "recipe",
        type=_RecipePath(),
        metavar="RECIPE..." if many else "RECIPE",
        nargs=-1 if many else 1,
        required=True,
        shell_complete=complete.recipes,
    )


def recipe_option(text: str) -> Callable[[_Command], _Command]:
    """Take `--recipe RECIPE` (`recipe: Path | None`); `text` is its help."""
    kind, names = _RecipePath(), complete.recipes
    return click.option("--recipe", type=kind, metavar="RECIPE", help=text, shell_complete=names)


def runs_argument(required: bool = True) -> Callable[[_Command], _Command]:
    """Take one run folder or several (`runs: tuple[Path, ...]`)."""
    shown = "RUN..." if required else "[RUN...]"
    kind = click.Path(path_type=Path)
    return click.argument("runs", type=kind, metavar=shown, nargs=-1, required=required)


def command_line() -> str:
    """Return the command as it was typed, to be kept beside what it makes."""
    return shlex.join(["s2vkit", *sys.argv[1:]])


def sets_option() -> Callable[[_Command], _Command]:
    """Take `--set KEY=VALUE`, any number of times (`sets: tuple[str, ...]`)."""
    return click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a value of the recipe by its dotted path, e.g. --set teachers.identity=vggface.",
    )


def device_option() -> Callable[[_Command], _Command]:
    """Take `--device` (`device: str`)."""
    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Where to compute: auto, cpu, cuda, cuda:N or mps.",
        shell_complete=complete.devices,
    )


def precision_option() -> Callable[[_Command], _Command]:
    """Take `--precision` (`precision: str`)."""
    return click.option(
        "--precision",
        type=click.Choice(("fp32", "bf16", "fp16", "auto")),
        default="fp32",
        show_default=True,
        help="The precision that the generator computes in.",
    )


def sign_option() -> Callable[[_Command], _Command]:
    """Take `--sign-with CERT KEY` (`sign_with: tuple[Path, Path] | None`)."""
    return click.option(
        "--sign-with",
        type=(click.Path(path_type=Path), click.Path(path_type=Path)),
        metavar="CERT KEY",
        help="Sign with these certificates (PEM, the signer's first) and its key, not with local ones.",
    )


def together(*options: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Take several options, in this order."""

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def track_option(kind: str) -> Callable[[_Command], _Command]:
    """Take `--audio-track N` or `--video-track N` (`audio_track: int | None`)."""
    which = {"audio": "that speaks", "video": "that moves"}[kind]
    return click.option(
        f"--{kind}-track",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Take the N-th {kind} track of a file, not the one {which}.",
    )


def json_option() -> Callable[[_Command], _Command]:
    """Take `--json` (`as_json: bool`)."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with stable keys.")


def kind_type() -> _StrType:
    """Accept a kind of component; dashes and underscores are alike."""
    return _Kind()


class _Kind(_StrType):
    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from s2vkit.options import KINDS
        from s2vkit.registry import nearest

        word = str(value).replace("-", "_").lower()
        for known in (word, word.removesuffix("s")):
            if known in KINDS:
                return known
        near = nearest(word, KINDS)
        asked = f" did you mean '{near}'?" if near else ""
        self.fail(f"unknown kind '{value}';{asked} kinds are {', '.join(KINDS)}", param, ctx)
