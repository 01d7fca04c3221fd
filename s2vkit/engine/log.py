"""The figures of a stage, one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Log:
    """Appends figures; a resumed stage first forgets what came after its checkpoint.

    The seconds go on from where the earlier part of the run ended.
    """

    def __init__(self, path: Path, *, since: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_log(path) if line["step"] <= since]
        self._before = kept[-1]["seconds"] if kept else 0.0
        self._start = time.monotonic()
        self._file = path.open("w", encoding="utf-8")
        for line in kept:
            self._file.write(json.dumps(line) + "\n")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        seconds = round(self._before + time.monotonic() - self._start, 3)
        line = {
            "step": step,
            "seconds": seconds,
            **{k: float(f"{v:.6g}") for k, v in values.items()},
        }
        self._file.write(json.dumps(line) + "\n")

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._file.flush()

    def close(self) -> None:
        """Finish the log."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read the figures of a stage; a line that a kill cut short is left out."""
    lines = []
    if path.is_file():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                continue
    return lines
