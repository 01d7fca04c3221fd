"""The figures of a stage, one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from s2vkit.files import read_lines, write_text


class Log:
    """Appends figures; a resumed stage first forgets what came after its checkpoint.

    A context manager. The seconds continue from the earlier part of the run.
    """

    def __init__(self, path: Path, *, since: int) -> None:
        kept = [line for line in read_log(path) if line["step"] <= since]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._before = kept[-1].get("seconds", 0.0) if kept else 0.0
        self._start = time.monotonic()
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError) if error is not None else nullcontext():
            self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        seconds = round(self._before + time.monotonic() - self._start, 3)
        figures = {name: float(f"{value:.6g}") for name, value in values.items()}
        line = {"step": step, "seconds": seconds, **figures}
        self._file.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._file.flush()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the figures of a stage; a line that a kill cut short is left out."""
    return [line for line in read_lines(path) if isinstance(line.get("step"), int)]


def spent(path: Path) -> float:
    """Return the seconds that earlier parts of a stage's training took, according to its log."""
    lines = read_log(path)
    return float(lines[-1].get("seconds", 0.0)) if lines else 0.0
