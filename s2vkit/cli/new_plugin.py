"""`s2vkit new-plugin`: a whole outside distribution, working from the start."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import kind_type

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_CUT = "#--- part\n"


@dataclass(frozen=True)
class Shape:
    """What is specific to a plugin of one kind."""

    example: str
    gives: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    base: str = "Options"
    also: tuple[str, ...] = ()  # what the options import beside base and Field
    checked: str = ""  # options that the test must give


SHAPES: dict[str, Shape] = {
    "audio_encoder": Shape("audio_encoder: $name", ("features", "summary")),
    "teacher": Shape("teachers:\n  identity: $name", ("embedding", "maps")),
    "student": Shape("students:\n  identity: $name", ("code",)),
    "generator": Shape("generator: $name", ("frames", "identity_maps"), ("features",)),
    "discriminator": Shape("discriminators:\n  frame: $name", (), ("frames",)),
    "loss": Shape(
        "stages:\n  compose:\n    losses: {similarity: $name}", ("pair", "frames"), (), "LossOptions"
    ),
    "optimizer": Shape(
        "stages:\n  distill:\n    optimizer: {use: $name, lr: 1.0e-3}", base="OptimizerOptions"
    ),
    "dataset": Shape("data: $name", ("speech", "frames", "identity", "emotion", "mouth_aperture")),
    "metric": Shape("stages:\n  evaluate:\n    metrics: {mine: $name}"),
    "face_detector": Shape(
        "data:\n  use: folder\n  root: videos\n  corpus: corpora/videos\n  face_detector: $name\n"
        "evaluators: {mouth_aperture: null}\n"
        "stages: {evaluate: {metrics: {mouth_aperture_correlation: null, mouth_movement: null}}}"
    ),
    "sync_evaluator": Shape("sync_evaluator: $name"),
    "landmarks": Shape("landmarks: $name"),
    "watermark": Shape("watermark: $name"),
    "logger": Shape("loggers: {mine: $name}"),
    "stage": Shape(
        "stages:\n  mine: {use: $name, optimizer: {use: rmsprop, lr: 1.0e-3}}",
        base="StageOptions",
        also=("OptimizerSlot",),
        checked=', optimizer={"use": "rmsprop", "lr": 1.0e-3}',
    ),
}


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--kind",
    type=kind_type(),
    default="teacher",
    show_default=True,
    help="The kind of component.",
    shell_complete=complete.kinds,
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write; by default s2vkit-NAME in the current folder.",
)
def new_plugin(name: str, kind: str, output: Path | None) -> None:
    """Write a small working plugin with the component NAME of a kind.

    It is a distribution of its own: a pyproject.toml with the entry point, the hook and the
    options, the component in torch, its test and a README. Nothing is overwritten.
    """
    word = _checked(name, kind)
    folder = output or Path(f"s2vkit-{word.replace('_', '-')}")
    _refuse_what_is_there(folder)
    for path, text in plugin_files(word, kind).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        click.echo(f"wrote {folder / path}")
    click.echo(f"\nnow: pip install -e {folder} && s2vkit describe {kind} {word}")


def plugin_files(name: str, kind: str) -> dict[str, str]:
    """Write the texts of a plugin: relative path -> text."""
    shape, package = SHAPES[kind], f"s2vkit_{name}"
    options, _, part = _template(f"parts/{kind}.txt").partition(_CUT)
    camel = "".join(piece.capitalize() for piece in name.split("_"))
    imports = sorted(["Field", "Register", "hookimpl", shape.base, *shape.also], key=_as_ruff_sorts)
    words = {
        "name": name,
        "kind": kind,
        "kind_words": kind.replace("_", " "),
        "package": package,
        "distribution": package.replace("_", "-"),
        "Class": camel,
        "attr": f"make_{name}" if kind == "optimizer" else camel,
        "base": shape.base,
        "imports": ", ".join(imports),
        "gives": _tuple(shape.gives),
        "wants": _tuple(shape.wants),
        "summary": f"a small {kind.replace('_', ' ')} to begin from",
        "checked": shape.checked,
        "example": Template(shape.example).substitute(name=name),
    }
    words["options"] = Template(options).substitute(words)
    texts = {
        "pyproject.toml": _template("pyproject.toml.txt"),
        "README.md": _template("README.md.txt"),
        f"{package}/__init__.py": _template("init.py.txt"),
        f"{package}/part.py": part,
        f"tests/test_{name}.py": _template("test.py.txt"),
    }
    return {path: Template(text).substitute(words) for path, text in texts.items()}


def _template(path: str) -> str:
    return (files("s2vkit.cli") / "template" / path).read_text(encoding="utf-8")


def _as_ruff_sorts(name: str) -> tuple[bool, str]:
    return name[0].islower(), name


def _tuple(words: tuple[str, ...]) -> str:
    quoted = ", ".join(f'"{word}"' for word in words)
    return f"({quoted},)" if len(words) == 1 else f"({quoted})"


def _checked(name: str, kind: str) -> str:
    from s2vkit.plugins import registry

    word = name.replace("-", "_").removeprefix("s2vkit_")
    if not _NAME.fullmatch(word) or keyword.iskeyword(word):
        raise click.BadParameter(
            f"'{name}' is not a name: use lower-case letters, digits and single underscores, "
            "a letter first, such as 'my_teacher'",
            param_hint="NAME",
        )
    owner = registry().entries.get((kind, word))
    if owner is not None:
        raise click.BadParameter(
            f"{kind} '{word}' belongs to {owner.owner}; choose another name", param_hint="NAME"
        )
    return word


def _refuse_what_is_there(folder: Path) -> None:
    from s2vkit.errors import InputError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder}: is there already; nothing was written", hint="name another folder with --output"
        )
