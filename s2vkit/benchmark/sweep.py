"""What the runs of a sweep share: a stage that comes out the same is trained once."""

from __future__ import annotations

import threading
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from s2vkit.engine.run import Run
from s2vkit.interfaces.stage import Stage
from s2vkit.recipe.comparison import LoadedComparison
from s2vkit.registry import Registry


def show_sharing(loaded: LoadedComparison, console: Console, registry: Registry) -> None:
    """Print which stages each run trains itself, and which it takes over from which other run."""
    table = Table(title="what is trained where", title_justify="left")
    for heading in ("run", "trained here", "taken over", "finished"):
        table.add_column(heading, overflow="fold")
    first: dict[str, int] = {}  # the result of a stage -> the run that trains it
    for number, one in enumerate(loaded.runs, 1):
        plan = Run(one.loaded, Path(one.folder), Console(quiet=True), threading.Event(), registry).plan
        own, taken, finished = [], [], []
        for step in plan.steps:
            if step.idle:
                continue
            giver = first.setdefault(step.result, number) if isinstance(step.stage, Stage) else number
            if step.done:
                finished.append(step.name)
            elif giver == number:
                own.append(step.name)
            else:
                taken.append(f"{step.name} from {giver}")
        title = f"{number}. {one.title}, seed {one.seed}"
        table.add_row(escape(title), ", ".join(own), ", ".join(taken), ", ".join(finished))
    console.print(table)
