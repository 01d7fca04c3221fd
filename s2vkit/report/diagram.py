"""The graph of a run, drawn from graph.json: boxes of parts, and what flows between them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from s2vkit.report.facts import RunFacts
from s2vkit.report.layout import Layout, Point, arrange
from s2vkit.report.markup import folded, table

_WIDTH, _ACROSS, _DOWN = 206.0, 36.0, 14.0
_LINE, _EDGE, _LETTERS = 15.0, 9.0, 32  # of text in a box
_ROUND = 6.0

Part = Mapping[str, Any]


def diagram_section(facts: RunFacts) -> str:
    """Draw the inference and the training graph; empty if the run left no graph.json."""
    parts, flows = _rows(facts.graph, "parts"), _rows(facts.graph, "flows")
    if not parts:
        return ""
    drawn = [
        ("inference", "Inference: from speech to a clip"),
        ("training", "Training: with all that takes real faces"),
    ]
    figures = "".join(
        f'<figure class="diagram"><h3>{title}</h3>'
        f'<div class="wide" tabindex="0">{draw(_of(parts, name), _of(flows, name), title)}</div>'
        f"<figcaption>{_summary(_of(parts, name))}</figcaption>"
        f"{folded('what flows, as a table', _listed(_of(flows, name)))}</figure>"
        for name, title in drawn
        if _of(parts, name)
    )
    return _world(facts.graph.get("world")) + figures + _published(_rows(facts.graph, "weights"))


def _published(rows: Sequence[Part]) -> str:
    """List the files of weights that were not trained here, each with its licence."""
    if not rows:
        return ""
    heads = ("part", "component", "file", "package", "licence", "source")
    cells = [[str(row.get(head) or "not known") for head in heads] for row in rows]
    return f"<h3>Published weights</h3>{table(heads, cells, set())}"


def _listed(flows: Sequence[Part]) -> str:
    rows = [[str(flow.get(key)) for key in ("from", "what", "to")] for flow in flows]
    return table(("from", "what", "to"), rows, set())


def draw(parts: Sequence[Part], flows: Sequence[Part], title: str) -> str:
    """Draw parts and flows as SVG; the ends that are no part (speech, frames) become inputs."""
    boxes = {str(part["part"]): _lines(part) for part in parts}
    ends = {str(flow[end]): flow for flow in flows for end in ("from", "to")}
    texts = {**{name: [name] for name in ends if name not in boxes}, **boxes}
    heights = {name: _LINE * len(lines) + 2 * _EDGE for name, lines in texts.items()}
    pairs = [(str(flow["from"]), str(flow["to"])) for flow in flows]
    layout = arrange(heights, pairs, width=_WIDTH, across=_ACROSS, down=_DOWN)
    what: dict[tuple[str, str], list[str]] = {}
    for flow, pair in zip(flows, pairs, strict=True):
        what.setdefault(pair, []).append(str(flow.get("what")))
    kinds = {str(part["part"]): "trained" if part.get("trained_in") else "fixed" for part in parts}
    drawn = [_flow(layout.flows[pair], pair, lines) for pair, lines in what.items() if pair in layout.flows]
    drawn += [_box(name, lines, kinds.get(name, "end"), layout) for name, lines in texts.items()]
    return (
        f'<svg class="graph" viewBox="-2 -2 {layout.width + 4:.0f} {layout.height + 4:.0f}" '
        f'role="img" aria-label="{escape(title)}" '
        f'style="min-width:{min(900.0, layout.width):.0f}px;max-width:{layout.width:.0f}px">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="tip" d="M0 .5 8 4 0 7.5z"/></marker></defs>'
        f"{''.join(drawn)}</svg>"
    )


def _lines(part: Part) -> list[str]:
    """Return the lines of a part's box: its name first, how its weights come about last."""
    count = part.get("parameters")
    weights = f", {count:,} weights" if isinstance(count, int) and count else ""
    rows = (f"{part.get('component')}{weights}", f"in: {part['takes']}", f"out: {part['gives']}")
    lines = [line for words in rows for line in textwrap.wrap(words, _LETTERS)]
    return [str(part["part"]), *lines, *textwrap.wrap(_component_lines(part), _LETTERS)]


def _component_lines(part: Part) -> str:
    trained, file = part.get("trained_in"), part.get("checkpoint")
    if trained:
        first = f"from {file}, " if file else ""
        return f"{first}trained in {', '.join(map(str, trained))}"
    if file:
        return f"frozen, from {file}"
    return "frozen" if part.get("parameters") else "nothing to train"


def _box(name: str, lines: Sequence[str], kind: str, layout: Layout) -> str:
    left, middle = layout.boxes[name]
    height = _LINE * len(lines) + 2 * _EDGE
    top = middle - height / 2
    rows = "".join(
        f'<text class="{_role(i, len(lines), kind)}" x="{left + _EDGE:.1f}" '
        f'y="{top + _EDGE + _LINE * (i + 0.75):.1f}">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return (
        f'<g class="box {kind}"><rect x="{left:.1f}" y="{top:.1f}" width="{_WIDTH:.0f}" '
        f'height="{height:.1f}" rx="{_ROUND}"/>{rows}</g>'
    )


def _role(line: int, lines: int, kind: str) -> str:
    if line == 0:
        return "name"
    return "origin" if line == lines - 1 and kind != "end" else "detail"


def _flow(points: Sequence[Point], pair: tuple[str, str], what: Sequence[str]) -> str:
    """Draw a flow: straight where it passes a layer, curved between layers."""
    (x, y), *rest = points
    path = [f"M{x:.1f} {y:.1f}"]
    for place, (to, at) in enumerate(rest):
        if place % 2:
            path.append(f"H{to:.1f}")
        else:
            half = (x + to) / 2
            path.append(f"C{half:.1f} {y:.1f} {half:.1f} {at:.1f} {to:.1f} {at:.1f}")
        x, y = to, at
    label = escape(f"{pair[0]} → {pair[1]}: {', '.join(what)}")
    kind = " target" if "target" in what else ""
    return (
        f'<path class="flow{kind}" marker-end="url(#tip)" d="{"".join(path)}"><title>{label}</title></path>'
    )


def _rows(data: Mapping[str, Any], key: str) -> list[Part]:
    rows = data.get(key)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _of(rows: Sequence[Part], graph: str) -> list[Part]:
    return [row for row in rows if graph in (row.get("graphs") or ())]


def _summary(parts: Sequence[Part]) -> str:
    counts = [part.get("parameters") for part in parts]
    total = sum(count for count in counts if isinstance(count, int))
    return (
        f"{len(parts)} parts, {total:,} weights. Shapes: B clips, S samples, A steps of the "
        "encoder, V frames, N images. Dashed: a target, from which only its student learns."
    )


def _world(world: Any) -> str:
    if not isinstance(world, Mapping):
        return ""
    labels = world.get("labels")
    known = labels.items() if isinstance(labels, Mapping) else ()
    facts = [
        f"{world.get('size')} x {world.get('size')} pixels at {world.get('fps')} frames/s",
        f"speech of {world.get('sample_rate')} Hz",
    ]
    facts += [f"{count} values of {name}" for name, count in known]
    return f'<p class="soft">{escape(", ".join(facts))}</p>'
