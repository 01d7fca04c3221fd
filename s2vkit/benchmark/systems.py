"""Several systems at several seeds: running what is not run yet, then Table 1 and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from s2vkit.benchmark.comparison import Comparison, compare
from s2vkit.benchmark.figures import draw_figures
from s2vkit.benchmark.grouping import group
from s2vkit.benchmark.measure import read_or_measure
from s2vkit.benchmark.provenance import STEM, write_all
from s2vkit.benchmark.request import Asked
from s2vkit.benchmark.show import print_table
from s2vkit.engine.run import run_recipe
from s2vkit.errors import RunFolderError
from s2vkit.recipe.comparison import LoadedComparison, dump_unseen
from s2vkit.registry import Registry
from s2vkit.runs.folder import is_run


@dataclass(frozen=True)
class Drawn:
    """Which figures are drawn."""

    any: bool = True
    unseen: tuple[str, ...] = ()  # sets of a recipe that bring speakers training has not


def run_comparison(
    loaded: LoadedComparison,
    *,
    console: Console,
    registry: Registry,
    fresh: bool = False,
    dry: bool = False,
    command: str = "",
) -> Path:
    """Run every system at every seed, from wherever they were; then make the table.

    Before anything runs, every system's recipe is checked and makes its fake steps. A stage
    that another run of the comparison has finished in the very same way is taken over.
    """
    folder = Path(loaded.options.output)
    if is_run(folder) or (folder.exists() and not folder.is_dir()):
        raise RunFolderError(
            f"{folder}: is a run or a file, not the folder of a comparison", hint="change `output:`"
        )
    for number, one in enumerate(loaded.runs, 1):
        place = f"{number}. {one.title}, seed {one.seed}: {one.folder}"
        console.print(escape(place), highlight=False)
    for first in loaded.firsts():
        run_recipe(first.loaded, console=console, dry=True, registry=registry)
    if dry:
        return folder
    for number, one in enumerate(loaded.runs, 1):
        title = f"[{number}/{len(loaded.runs)}] {one.title}, seed {one.seed}"
        console.rule(escape(title), align="left")
        # of runs that are yet to be begun afresh, nothing is taken over
        donors = [other.folder for other in loaded.runs[: number - 1 if fresh else None]]
        run_recipe(
            one.loaded,
            console=console,
            fresh=fresh,
            registry=registry,
            quiet=True,
            donors=donors,
            command=command,
        )
    titles = {run.folder: run.title for run in loaded.runs}
    comparison = tabulate(
        list(titles),
        Asked(command=command),
        folder,
        Drawn(unseen=tuple(dump_unseen(loaded.options))),
        titles=titles,
        title=loaded.options.name or "Table 1",
        console=console,
        registry=registry,
    )
    print_table(comparison, console)
    console.print(f"everything is in {escape(str(folder))}", highlight=False)
    return folder


def tabulate(
    folders: Sequence[Path],
    asked: Asked,
    output: Path | None,
    figures: Drawn,
    *,
    console: Console,
    registry: Registry,
    titles: Mapping[Path, str] | None = None,
    title: str = "Table 1",
) -> Comparison:
    """Set finished runs side by side; with `output`, write the table and its figures there.

    Raises RunFolderError if a folder is no finished run, or runs do not compare.
    """
    if output is not None and output.exists() and not output.is_dir():
        raise RunFolderError(f"{output}: is a file, not a folder", hint="name another by -o")
    runs = [read_or_measure(folder, asked, console, registry) for folder in folders]
    comparison = compare(group(runs, titles), registry, title, output)
    if output is None:
        return comparison
    if figures.any:
        others = [*asked.sets, *figures.unseen] if figures.unseen else []
        shown = draw_figures(comparison, output, others, console, registry, asked)
        notes = (*comparison.notes, *shown.notes)
        comparison = replace(comparison, drawings=shown.drawings, unseen=shown.unseen, notes=notes)
    write_all(comparison, output, STEM, asked.command)
    return comparison
