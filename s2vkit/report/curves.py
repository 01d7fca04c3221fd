"""The curves of a stage, drawn from its log."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2vkit.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> steps (N,), values (N,)
_COLOURS = ("#2a6fbb", "#c1542d", "#2e8b57", "#8250a8", "#a67c00", "#00818a")
_MAX_POINTS = 4000
_WIDE = 100.0  # a panel whose values span more than this factor has a logarithmic axis


def draw_curves(log: Path, path: Path, title: str) -> bool:
    """Draw every figure of a stage's log as one panel of a PNG; False where there is none.

    The log has a JSON object a line: "step", "seconds" and figures by name. Names that share
    what stands before their first "." or "/" stand together in one colour. A truncated line
    is skipped; of a repeated step, the last counts.
    """
    series = read_log(log)
    if not series:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = sorted(series, key=lambda name: (_group(name), name))
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4.2 * columns, 2.5 * rows + 0.5), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12)
    groups = list(dict.fromkeys(_group(name) for name in names))
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, name, *series[name], _COLOURS[groups.index(_group(name)) % len(_COLOURS)])
    with replacing(path) as part:
        figure.savefig(part, format="png")
    return True


def read_log(log: Path) -> Series:
    """Read a log into the series of each name; an absent log is empty."""
    if not log.is_file():
        return {}
    found: dict[str, dict[float, float]] = {}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for step, name, value in (item for line in lines for item in _figures(line)):
            found.setdefault(name, {})[step] = value
    return {name: _ordered(points) for name, points in found.items()}


def _figures(line: str) -> Iterator[tuple[float, str, float]]:
    try:
        record: Any = json.loads(line)
    except ValueError:
        return
    if not isinstance(record, dict) or not isinstance(record.get("step"), int | float):
        return
    for name, value in record.items():
        if name not in ("step", "seconds") and isinstance(value, int | float):
            yield float(record["step"]), name, float(value)


def _ordered(points: dict[float, float]) -> tuple[np.ndarray, np.ndarray]:
    steps = np.array(sorted(points))
    return steps, np.array([points[step] for step in steps])


def _group(name: str) -> str:
    head, dot, _ = name.replace("/", ".").partition(".")
    return head if dot else ""


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Average (N,) over a centred window; values that are not finite are left out."""
    known = np.isfinite(values)
    place = np.arange(len(values))
    start = np.maximum(place - window // 2, 0)
    end = np.minimum(place + window // 2 + 1, len(values))
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    within = count[end] - count[start]
    return np.where(within > 0, (total[end] - total[start]) / np.maximum(within, 1), np.nan)


def _draw(axes: Axes, name: str, steps: np.ndarray, values: np.ndarray, colour: str) -> None:
    finite = values[np.isfinite(values)]
    thin = slice(None, None, max(1, len(steps) // _MAX_POINTS))
    mark = "o" if len(steps) < 3 else None
    axes.plot(steps[thin], values[thin], color=colour, alpha=0.3, linewidth=0.8, marker=mark)
    if len(steps) > 20:
        line = smooth(values, max(3, len(values) // 40))
        axes.plot(steps[thin], line[thin], color=colour, linewidth=1.8)
    if len(finite) and finite.min() > 0 and finite.max() > _WIDE * finite.min():
        axes.set_yscale("log")
    if lost := len(values) - len(finite):
        axes.text(
            0.98,
            0.95,
            f"{lost} not finite",
            transform=axes.transAxes,
            ha="right",
            va="top",
            fontsize=8,
            color="#b00020",
        )
    axes.set_title(name, fontsize=9, loc="left")
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
