"""The page's section on probes: what can be read from each code, and the codes as maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_COLOURS = 12  # that the style sheet knows: c0 to c11
_WIDE, _HIGH, _EDGE = 300, 240, 14  # of a map, in pixels


def probe_section(metrics: Mapping[str, Any]) -> str:
    """Write a table of what can be read where and the maps of the codes; empty without probes."""
    return _matrix(metrics) + _maps(metrics)


def _details(metrics: Mapping[str, Any], key: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return what metrics say under a key of their details, with the whole of each."""
    found = []
    for score in metrics.values():
        details = score.get("details") if isinstance(score, Mapping) else None
        if isinstance(details, Mapping) and isinstance(details.get(key), Mapping):
            found.append((dict(details[key]), dict(score)))
    return found


def _matrix(metrics: Mapping[str, Any]) -> str:
    found = _details(metrics, "probe")
    if not found:
        return ""
    places = list(dict.fromkeys(str(probe.get("on")) for probe, _ in found))
    labels = list(dict.fromkeys(str(probe.get("of")) for probe, _ in found))
    scores = {(str(probe.get("of")), str(probe.get("on"))): score for probe, score in found}
    head = "".join(f'<th class="n">{escape(_place(on))}</th>' for on in places)
    rows = [
        f"<tr><td>{escape(of)}</td>"
        + "".join(_cell(of, on, scores.get((of, on))) for on in places)
        + f'<td class="n">{_percent(_chance(of, scores))}</td></tr>'
        for of in labels
    ]
    return (
        '<p class="soft">Share of held-out clips whose label a linear classifier reads from a '
        "summary or code. A code should reveal its own side and nothing of the other: those cells, in "
        "italics, should be near chance. In brackets: from the teacher's own vectors.</p>"
        '<div class="wide"><table><thead><tr><th>what is read</th>'
        f'{head}<th class="n">chance</th></tr></thead>\n<tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _place(on: str) -> str:
    return "summary of the speech" if on == "summary" else f"{on} code"


def _cell(of: str, on: str, score: Mapping[str, Any] | None) -> str:
    if score is None:
        return '<td class="n">–</td>'
    text = _percent(score.get("value"))
    if score.get("on_real") is not None:
        text += f" ({_percent(score['on_real'])})"
    cross = {of, on} == {"identity", "emotion"}
    return f'<td class="n">{f"<em>{text}</em>" if cross else text}</td>'


def _chance(of: str, scores: Mapping[tuple[str, str], Mapping[str, Any]]) -> Any:
    return next((score.get("chance") for (label, _), score in scores.items() if label == of), None)


def _percent(value: Any) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, int | float) else "–"


def _maps(metrics: Mapping[str, Any]) -> str:
    panels = []
    for drawn, score in _details(metrics, "map"):
        labels = drawn.get("labels")
        for label, names in labels.items() if isinstance(labels, Mapping) else ():
            title = f"{drawn.get('of')} code of held-out clips, coloured by {label}"
            note = f"two principal axes, {_percent(score.get('value'))} of the variance"
            clips = drawn.get("clips") or names
            picture = scatter(drawn.get("points") or [], names, title, clips)
            panels.append(f"<figure>{picture}<figcaption>{escape(title)}; {note}</figcaption></figure>")
    return f'<div class="grid">{"".join(panels)}</div>' if panels else ""


def scatter(points: Sequence[Sequence[float]], names: Sequence[str], title: str, clips: Sequence[str]) -> str:
    """Draw points (N, 2) as SVG, coloured by name, with a legend; hovering shows the clip."""
    order = sorted(set(names))
    colours = {name: f"c{i % _COLOURS}" for i, name in enumerate(order)}
    xs, ys = ([float(point[axis]) for point in points] for axis in (0, 1))
    wide = _WIDE + 90
    dots = [
        f'<circle cx="{x:.1f}" cy="{_HIGH - y:.1f}" r="3.2" class="{colours[name]}" '
        f'fill-opacity="0.75"><title>{escape(_title(clip, name))}</title></circle>'
        for x, y, name, clip in zip(_scaled(xs, _WIDE), _scaled(ys, _HIGH), names, clips, strict=True)
    ]
    legend = [
        f'<circle cx="{_WIDE + 8}" cy="{12 + 14 * i}" r="4" class="{colours[name]}"/>'
        f'<text x="{_WIDE + 17}" y="{16 + 14 * i}">'
        f"{escape(name)}</text>"
        for i, name in enumerate(order[: (_HIGH - 10) // 14])
    ]
    return (
        f'<svg viewBox="0 0 {wide} {_HIGH}" role="img" aria-label="{escape(title)}" '
        f'class="map">{"".join(dots)}{"".join(legend)}</svg>'
    )


def _title(clip: str, name: str) -> str:
    return name if clip == name else f"{clip}: {name}"


def _scaled(values: list[float], size: int) -> list[float]:
    lowest, highest = min(values, default=0.0), max(values, default=1.0)
    span = (highest - lowest) or 1.0
    return [_EDGE + (value - lowest) / span * (size - 2 * _EDGE) for value in values]
