"""The figures of a run on its page: metrics, confusion matrices, and every clip's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isclose
from statistics import fmean, median
from typing import Any

from s2vkit.report.facts import RunFacts
from s2vkit.report.intervals import clip_interval
from s2vkit.report.markup import Raw, folded, number, table, text
from s2vkit.report.table import show

_FEWEST = 3  # clips of which an interval is worth showing
_WIDE, _HIGH, _EDGE = 150, 20, 8  # of the line from chance to real
_KEYS = ("on_real", "chance", "n")


def metrics_section(facts: RunFacts) -> str:
    """Write each metric with its definition, and where it lies between chance and real."""
    rows = [
        (
            _defined(facts, name, score),
            _description(facts, name, score),
            *(show(score.get(key)) for key in _KEYS),
            _line(score),
        )
        for name, score in facts.metrics.items()
        if isinstance(score, Mapping)
    ]
    if not rows:
        return ""
    headings = ("metric", "generated", "real", "chance", "clips", "chance to real")
    return (
        '<p class="soft">Generated: of clips the run generated. Real: the same rule on the real clips, so '
        "the best that can be expected. Chance: what a model gets that has learnt nothing. "
        "In brackets: 95 % of resampled sets of clips. "
        "Unfold a name for how it is counted, and of which clips.</p>"
        + table(headings, rows, {1, 2, 3, 4}, "metrics")
    )


def _defined(facts: RunFacts, name: str, score: Mapping[str, Any]) -> Raw:
    stage, split = facts.evaluated
    of = f"Of {show(score.get('n'))} clips" + (f" of the split {split}" if split else "")
    by = f", by the stage {stage}" if stage else ""
    listed = facts.folder / "clips.csv"
    where = f", each in {facts.link(listed)}" if listed.exists() else ""
    definition = f"<p>{escape(str(score.get('definition') or 'no definition is known'))}.</p>"
    return Raw(folded(name, f"{definition}<p>{escape(of + by)}{where}.</p>"))


def _description(facts: RunFacts, name: str, score: Mapping[str, Any]) -> str:
    """Write a figure with its interval over clips, where clips.csv is that of the figure."""
    value, over = number(score.get("value")), str(score.get("over") or "mean")
    figures = {row.get("clip", ""): _number(row.get(name, "")) for row in facts.clips}
    known = {clip: figure for clip, figure in figures.items() if figure is not None}
    if value is None or len(known) < _FEWEST:
        return show(score.get("value"))
    middle = (median if over == "median" else fmean)(known.values())
    if not isclose(middle, value, rel_tol=1e-5, abs_tol=1e-6):
        return show(value)
    found = clip_interval({0: known}, over)
    inside = f"<small>[{show(found.low)}, {show(found.high)}]</small>" if found else ""
    return Raw(f"{show(value)}{inside}")


def _line(score: Mapping[str, Any]) -> Raw:
    """Draw where a figure lies on the way from chance (left) to real (right)."""
    value, real, chance = (number(score.get(key)) for key in ("value", "on_real", "chance"))
    if value is None or real is None or chance is None or real == chance:
        return Raw("")
    share = (value - chance) / (real - chance)
    x = _EDGE + min(max(share, 0.0), 1.0) * (_WIDE - 2 * _EDGE)
    middle = _HIGH / 2
    definition = f"{share:.0%} of the way from chance to real"
    return Raw(
        f'<svg class="way" viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{definition}">'
        f"<title>{definition}</title>"
        f'<path class="rule" d="M{_EDGE} {middle}H{_WIDE - _EDGE}M{_EDGE} {middle - 5}v10'
        f'M{_WIDE - _EDGE} {middle - 5}v10"/><path class="line c0" d="M{_EDGE} {middle}H{x:.1f}"/>'
        f'<circle class="c0" cx="{x:.1f}" cy="{middle}" r="4.5"/></svg>'
    )


def confusion_section(facts: RunFacts) -> str:
    """Draw the confusion matrices that metrics keep, of generated clips beside that of real ones."""
    found = []
    for name, score in facts.metrics.items():
        details = score.get("details") if isinstance(score, Mapping) else None
        if not isinstance(details, Mapping) or "confusion" not in details:
            continue
        classes = [str(word) for word in details.get("classes") or ()]
        pairs = [("generated clips", "confusion"), ("real clips", "confusion_on_real")]
        drawn = [
            heat(details[key], classes, f"{name}, {of}")
            for of, key in pairs
            if isinstance(details.get(key), list)
        ]
        found.append(f"<h3>{escape(name)}</h3>" + f'<div class="grid">{"".join(drawn)}</div>')
    if not found:
        return ""
    which = (
        any(
            "confusion" in (facts.metrics[c].get("details") or {})
            for c in facts.clips[0]
            if c in facts.metrics
        )
        if facts.clips
        else False
    )
    sort = ' Which clips those are: sort <a href="#every-clip">every clip</a> by the metric.'
    return (
        '<p class="soft">Rows: the true label. Columns: what the evaluator predicts. The darker, the '
        f"larger the share of its row; the numbers are clips.{sort if which else ''}</p>" + "".join(found)
    )


def heat(counts: Sequence[Sequence[Any]], classes: Sequence[str], title: str) -> str:
    """Draw a matrix of counts as a table, each cell shaded by its share of the row."""
    head = "".join(f'<th class="n" scope="col"><span>{escape(c)}</span></th>' for c in classes)
    rows = []
    for name, row in zip(classes, counts, strict=True):
        total = sum(number(count) or 0.0 for count in row) or 1.0
        cells = "".join(_cell(number(count) or 0.0, total) for count in row)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return (
        f'<figure><div class="wide" tabindex="0"><table class="heat"><thead><tr><td></td>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def _cell(count: float, total: float) -> str:
    share = count / total
    return f'<td class="n" style="--share:{share:.3f}">{count:g}</td>' if count else "<td></td>"


def clips_table(facts: RunFacts) -> str:
    """Write every clip's figures; a press on a heading sorts by it."""
    if not facts.clips:
        return ""
    columns = list(facts.clips[0])
    shown = {path.stem: path for path in facts.videos}
    numbers = {i for i, c in enumerate(columns) if c in facts.metrics}
    rows = [
        [_named(row.get(c, ""), shown) if c == "clip" else _figure(row.get(c, "")) for c in columns]
        for row in facts.clips
    ]
    headings = [
        Raw(f'<button type="button">{text(column.removeprefix("label."))}</button>') for column in columns
    ]
    inside = table(headings, rows, numbers, "sorts")
    return folded(f"{len(rows)} clips, sorted by pressing a heading", inside)


def _named(name: str, shown: Mapping[str, Any]) -> str:
    return Raw(f'<a href="#clip-{escape(name)}">{escape(name)}</a>') if name in shown else name


def _figure(value: str) -> str:
    found = _number(value)
    return value if found is None or value.isdigit() else f"{found:.4g}"


def _number(value: str) -> float | None:
    try:
        return number(float(value))
    except ValueError:
        return None
