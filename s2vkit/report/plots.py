"""Curves as SVG within the page, drawn from the logs: legible in light, in dark, and on a phone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from s2vkit.report.curves import Series

Line = tuple[str, np.ndarray, np.ndarray]  # label, steps (N,), values (N,)

_WIDE, _HIGH = 340, 170  # a panel, in pixels
_LEFT, _RIGHT, _TOP, _LOW = 44, 8, 8, 22  # its margins
_POINTS = 160  # of a line; of each stretch mean, least and most are drawn
_DECADES = 2.0  # a panel whose values span more has a logarithmic axis
_FEW = 7  # panels that stand together without headings
COLOURS = 12  # that the style sheet knows: c0 to c11


def panels(series: Series) -> dict[str, list[tuple[str, list[Line]]]]:
    """Sort the figures of a log into groups, and each group into panels of lines.

    The group is what stands before the first dot. In a panel together lie figures that differ
    only in the last of three or more words (score.frame.real, score.frame.fake), or in a
    number at the end (accuracy_1, accuracy_2). A few panels need no groups.
    """
    by_panel: dict[str, list[Line]] = {}
    for name, (steps, values) in series.items():
        by_panel.setdefault(_panel(name), []).append((name, steps, values))
    groups: dict[str, list[tuple[str, list[Line]]]] = {}
    for panel, lines in by_panel.items():
        title = lines[0][0] if len(lines) == 1 else panel
        short = [
            (name.removeprefix(panel).lstrip("._/") or name, steps, values) for name, steps, values in lines
        ]
        head, dot, _ = title.replace("/", ".").partition(".")
        groups.setdefault(head if dot else "", []).append((title, short))
    if sum(map(len, groups.values())) <= _FEW:
        return {"": [panel for group in groups.values() for panel in group]}
    return groups


def _panel(name: str) -> str:
    words = name.replace("/", ".").split(".")
    if len(words) > 2:
        return name[: -len(words[-1]) - 1]
    numbered = re.fullmatch(r"(.*\D)[_.]\d+", name)
    return f"{numbered.group(1)}_" if numbered else name


def plot(title: str, lines: Sequence[Line]) -> str:
    """Draw lines over steps as a figure with its legend; the last mean of each is written out."""
    values = np.concatenate([line[2] for line in lines])
    finite = values[np.isfinite(values)]
    if not len(finite):
        return f"<figure><figcaption>{escape(title)}: no figure is a number</figcaption></figure>"
    log = finite.min() > 0 and math.log10(finite.max() / finite.min()) > _DECADES
    steps = np.concatenate([line[1] for line in lines])
    across = _Axis(float(steps.min()), float(steps.max()), _LEFT, _WIDE - _RIGHT)
    low, high = _range(finite, log)
    upward = _Axis(low, high, _HIGH - _LOW, _TOP, log=log)
    drawn = [_axes(across, upward)]
    drawn += [_line(i, across, upward, _thinned(*line[1:])) for i, line in enumerate(lines)]
    return (
        f'<figure class="plot"><svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" '
        f'aria-label="{escape(title)} over steps">{"".join(drawn)}</svg>'
        f"<figcaption>{_legend(title, lines)}</figcaption></figure>"
    )


class _Axis:
    """Turns figures into places on the panel."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool = False):
        self.low, self.high = (low, high) if high > low else (low - 0.5, high + 0.5)
        self.start, self.end, self.log = start, end, log

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, 1e-300))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            every = max(1, math.ceil(len(powers) / 4))
            return [10.0**power for power in powers if power % every == 0]
        rough = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _range(finite: np.ndarray, log: bool) -> tuple[float, float]:
    """Return the span of an axis: that of the figures, with a little room."""
    low, high = float(finite.min()), float(finite.max())
    if log:
        return low, high
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def _thinned(steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Cut a line into parts: (4, N) the middle step, and mean, minimum and maximum of each."""
    parts = max(1, min(_POINTS, len(steps)))
    found = []
    for place, part in zip(np.array_split(steps, parts), np.array_split(values, parts), strict=True):
        known = part[np.isfinite(part)]
        if len(known):
            found.append((place.mean(), known.mean(), known.min(), known.max()))
    return np.array(found).reshape(-1, 4).T


def _axes(across: _Axis, upward: _Axis) -> str:
    rows = [
        f'<path class="rule" d="M{_LEFT} {y:.1f}H{_WIDE - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(tick)}</text>'
        for tick in upward.ticks()
        for y in [upward.place(tick)]
    ]
    columns = [
        f'<text x="{min(across.place(tick), _WIDE - 16):.1f}" y="{_HIGH - 6}" '
        f'text-anchor="middle">{_short(tick)}</text>'
        for tick in across.ticks()
    ]
    return "".join([*rows, *columns])


def _line(place: int, across: _Axis, upward: _Axis, thin: np.ndarray) -> str:
    colour, (steps, *levels) = f"c{place % COLOURS}", thin
    xs = [across.place(step) for step in steps]
    if not xs:
        return ""
    mean, lowest, highest = ([upward.place(value) for value in level] for level in levels)
    if len(xs) == 1:
        return f'<circle class="{colour}" cx="{xs[0]:.1f}" cy="{mean[0]:.1f}" r="3"/>'
    outline = [*zip(xs, highest, strict=True), *zip(xs[::-1], lowest[::-1], strict=True)]
    middle = zip(xs, mean, strict=True)
    return (
        f'<path class="band {colour}" d="M{_path(outline)}z"/>'
        f'<path class="line {colour}" d="M{_path(middle)}"/>'
    )


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _legend(title: str, lines: Sequence[Line]) -> str:
    legend = [] if len(lines) == 1 else [f"<b>{escape(title.rstrip('_'))}</b>"]
    for place, (label, _, values) in enumerate(lines):
        if not len(values):
            continue
        name = title if len(lines) == 1 else label
        known = values[np.isfinite(values)]
        lost = f", {len(values) - len(known)} not finite" if len(known) < len(values) else ""
        end = f"{float(known[-max(1, len(known) // 40) :].mean()):.4g}" if len(known) else "–"
        mark = f'<i class="swatch c{place % COLOURS}"></i>'
        legend.append(f"<span>{mark}{escape(name)} {end}{lost}</span>")
    return " ".join(legend)


def _short(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value / 1000:g}k"
    return f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e")


def grid(plots: Mapping[str, Sequence[str]]) -> str:
    """Lay out groups of panels under their names."""
    return "".join(
        (f"<h4>{escape(name)}</h4>" if name and len(plots) > 1 else "")
        + f'<div class="grid plots">{"".join(drawn)}</div>'
        for name, drawn in plots.items()
    )
