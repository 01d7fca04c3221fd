"""A track: a table of who speaks and in what mood over time."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from s2vkit.errors import InputError
from s2vkit.inference.control import Track
from s2vkit.inference.steering import Request


def read_track(path: Path) -> Track:
    """Read a CSV file: a column `time` in seconds, and one of each side that changes.

    A cell says what is asked for from that time on, as on the command line: `anger`,
    `anger=0.7`, `1001=0.5 1002=0.5` or `heard`; an empty one says nothing. Between two cells of
    a column there is a linear transition. Raises InputError.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True, skipinitialspace=True)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV: {error}") from error
    sides = [name for name in columns if name != "time"]
    if "time" not in columns or not sides or not rows:
        raise InputError(
            f"{path}: a track has a column 'time' and one a side, and a row at least",
            hint="for example: time,emotion / 0,neutral / 1.5,happiness=0.8",
        )
    found: dict[str, list[tuple[float, Request]]] = {side: [] for side in sides}
    for number, row in enumerate(rows, 2):
        time = _time(path, number, row.get("time"))
        for side in sides:
            if cell := (row.get(side) or "").strip():
                if found[side] and time <= found[side][-1][0]:
                    raise InputError(f"{path}:{number}: the times of a track must increase")
                found[side].append((time, cell))
    return {side: requests for side, requests in found.items() if requests}


def _time(path: Path, number: int, cell: str | None) -> float:
    try:
        time = float(cell or "")
    except ValueError:
        time = math.nan
    if not 0 <= time < math.inf:
        raise InputError(f"{path}:{number}: the time is {cell!r}, not seconds from 0 on")
    return time
