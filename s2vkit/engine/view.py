"""The live view of a run: a moving line in a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

LOG = logging.getLogger(__name__)
QUIET_SECONDS = 10.0  # between lines where the output is no terminal
SHOWN = 7  # figures in the moving line


class View:
    """Shows what runs: stage, step, rate, figures, time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._title, self._start, self._first, self._last_line = "", 0.0, -1, 0.0

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[what]}"),
                console=self.console,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, title: str) -> None:
        """Start showing a new task."""
        LOG.info("%s begins", title)
        self._title, self._start, self._first, self._last_line = title, time.monotonic(), -1, 0.0
        if self._live is not None:
            self._drop()
            self._task = self._live.add_task(title, total=None, what="")
        else:
            self.console.print(f"{title} ...")

    def advance(self, done: int, total: int, figures: Mapping[str, float] | None = None) -> None:
        """Show the progress, the rate and the time left."""
        now = time.monotonic()
        if self._first < 0:
            self._first, self._start = done, now
        quiet = 0.1 if self._live is not None else QUIET_SECONDS
        if now - self._last_line < quiet:
            return
        self._last_line = now
        text = f"{done}/{total}{self._pace(done, total, now)}{_figures(figures or {})}"
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=done, total=total, what=text)
        else:
            self.console.print(f"  {self._title}: {text}", highlight=False)

    def warn(self, what: str) -> None:
        """Show a warning above the progress line."""
        LOG.warning("%s", what)
        self.console.print(f"[yellow]![/yellow] {escape(what)}", highlight=False)

    def end(self, what: str = "done") -> None:
        """Show the outcome."""
        LOG.info("%s: %s", self._title, what)
        self._drop()
        self.console.print(f"[green]✓[/green] {self._title}: {escape(what)}", highlight=False)

    def _drop(self) -> None:
        if self._live is not None and self._task is not None:
            self._live.remove_task(self._task)
            self._task = None

    def _pace(self, done: int, total: int, now: float) -> str:
        passed, more = now - self._start, done - self._first
        if more < 1 or passed <= 0:
            return ""
        rate = more / passed
        return f"  {rate:.1f}/s  {clock((total - done) / rate)} left"


def clock(seconds: float) -> str:
    """Format seconds for people: 45 s, 3 min 20 s, 2 h 05 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _figures(figures: Mapping[str, float]) -> str:
    shown = [f"{name} {value:.4g}" for name, value in list(figures.items())[:SHOWN]]
    return "  " + "  ".join(shown) if shown else ""
