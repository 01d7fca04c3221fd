"""`s2vkit show`: a recipe as it is after inheritance, `--set` and defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s2vkit.cli.parameters import recipe_argument, sets_option

if TYPE_CHECKING:
    from s2vkit.registry import Registry

_WIDEST = 60  # columns before a comment; what is longer pushes its own aside


@click.command()
@recipe_argument()
@sets_option()
@click.option(
    "--origins/--no-origins",
    default=True,
    help="Show after each value which file and line it came from (the default).",
)
@click.option(
    "--explain", is_flag=True, help="Print above each key its description, type, default and origin."
)
@click.option("--graph", is_flag=True, help="Build the parts and print how they are wired.")
@click.option(
    "--cache", is_flag=True, help="Print what a run will cache, how large it is, and what is computed live."
)
def show(recipe: Path, sets: tuple[str, ...], origins: bool, explain: bool, graph: bool, cache: bool) -> None:
    """Print RECIPE resolved: what it inherits, what --set changed, every default.

    What is printed is itself a recipe. With --graph, the training and inference graphs are
    printed instead, with shapes and numbers of parameters; with --cache, what its stages read.
    """
    from s2vkit.plugins import registry
    from s2vkit.recipe.load import dump_recipe, load_recipe
    from s2vkit.recipe.merge import is_comparison

    if is_comparison(recipe):
        _show_comparison(recipe, list(sets), graph, cache)
        return
    loaded = load_recipe(recipe, list(sets), registry())
    if cache:
        from s2vkit.cli.cache_plan import print_cache_plan

        print_cache_plan(loaded, registry())
        return
    if graph:
        _print_graphs(loaded.recipe, registry())
        return
    if explain:
        from s2vkit.cli.explain import explain_recipe

        click.echo("\n".join(explain_recipe(loaded, registry())))
        return
    text = dump_recipe(loaded)
    click.echo("\n".join(annotate(text, loaded.origins)) if origins else text.rstrip("\n"))


def _show_comparison(recipe: Path, sets: list[str], graph: bool, cache: bool) -> None:
    from s2vkit.plugins import registry
    from s2vkit.recipe.comparison import load_comparison
    from s2vkit.recipe.load import dump_data

    for option, given in (("--graph", graph), ("--cache", cache)):
        if given:
            raise click.UsageError(f"{option} is of one recipe; this is a comparison of several")
    loaded = load_comparison(recipe, sets, registry())
    click.echo(dump_data(loaded.data).rstrip("\n"))
    for text in loaded.laid:
        click.echo(f"# set in every recipe: {text}")
    click.echo("# a comparison; its runs, in their order:")
    for run in loaded.runs:
        click.echo(f"#   {run.folder}: {run.loaded.path}, seed {run.seed}")


def annotate(text: str, origins: Mapping[str, Any]) -> list[str]:
    """Put the origin of each value behind it, as an aligned comment: the lines of the text.

    `text` is YAML in block style; `origins` maps dotted paths to objects with `file` and
    `line` (what comes from `--set` or is a default has no line).
    """
    import yaml

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    comments = {line: _comment(origins.get(path)) for line, path in _values(root, "")}
    lines = text.splitlines()
    width = min(_WIDEST, max((len(lines[at]) for at, comment in comments.items() if comment), default=0))
    return [
        f"{line.ljust(width)}  # {comments[at]}" if comments.get(at) else line
        for at, line in enumerate(lines)
    ]


def _values(node: Any, path: str) -> Iterator[tuple[int, str]]:
    for key, value in node.value:
        here = f"{path}.{key.value}" if path else str(key.value)
        first, last = key.start_mark.line, value.end_mark.line
        if value.id == "mapping" and value.value:
            yield from _values(value, here)
        elif value.id != "scalar" or first == last:  # no comment fits into a folded text
            yield first, here


def _comment(origin: Any) -> str:
    if origin is None:
        return ""
    return f"{origin.file}:{origin.line}" if origin.line else str(origin.file)


def _print_graphs(recipe: Any, registry: Registry) -> None:
    from s2vkit.build import describe_graphs
    from s2vkit.cli.tables import print_table

    rows = describe_graphs(recipe, registry)
    columns = ("part", "component", "takes", "gives", "parameters")
    for name in dict.fromkeys(str(row["graph"]) for row in rows):
        mine = [[_cell(row[c]) for c in columns] for row in rows if row["graph"] == name]
        total = sum(int(r["parameters"] or 0) for r in rows if r["graph"] == name)
        print_table(columns, [*mine, ["total", "", "", "", f"{total:,}"]], title=f"{name} graph")
        click.echo()


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
