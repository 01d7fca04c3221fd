"""Laying out a graph in layers, left to right: after Sugiyama, Tagawa and Toda (1981)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Flow = tuple[str, str]
Point = tuple[float, float]
_SWEEPS, _BEND = 8, 10.0  # times that layers are put in order; room of a flow that passes a layer
_SETTLE = 12  # rounds in which boxes move towards what they are joined to


@dataclass(frozen=True)
class Layout:
    """Where boxes lie (left, middle) and through which points flows go, in units of the drawing."""

    boxes: dict[str, Point]
    flows: dict[Flow, list[Point]]
    width: float
    height: float


def arrange(
    heights: Mapping[str, float], flows: Sequence[Flow], *, width: float, across: float, down: float
) -> Layout:
    """Place boxes of one width and their own heights, so that every flow goes to the right.

    A flow that passes a layer gets a place there of its own, shared by all from the same
    source. A flow that would go in a circle is left out.
    """
    layer = _layers(list(heights), flows)
    forward = [(a, b) for a, b in dict.fromkeys(flows) if a in layer and layer[a] < layer.get(b, 0)]
    chains = {flow: _chain(*flow, layer) for flow in forward}
    steps = list(dict.fromkeys(pair for chain in chains.values() for pair in pairwise(chain)))
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name in dict.fromkeys([*heights, *(key for chain in chains.values() for key in chain)]):
        columns[_layer_of(name, layer)].append(name)
    _order(columns, steps)
    tall = {n: heights.get(n, _BEND) for column in columns for n in column}
    middle = _settle(columns, steps, tall, down)
    top = min((middle[n] - tall[n] / 2 for n in tall), default=0.0)
    left = {n: i * (width + across) for i, column in enumerate(columns) for n in column}
    points = {
        flow: [(x, middle[n] - top) for n in chain for x in (left[n], left[n] + width)][1:-1]
        for flow, chain in chains.items()
    }
    return Layout(
        {name: (left[name], middle[name] - top) for name in heights},
        points,
        max(left.values(), default=0.0) + width,
        max((middle[n] - top + tall[n] / 2 for n in tall), default=0.0),
    )


def _layers(names: list[str], flows: Sequence[Flow]) -> dict[str, int]:
    """Put every box behind all that flows into it; circles end with the number of boxes."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        for before, after in flows:
            if before in layer and after in layer and before != after:
                layer[after] = min(max(layer[after], layer[before] + 1), len(names) - 1)
    return layer


def _chain(before: str, after: str, layer: Mapping[str, int]) -> list[str]:
    passed = [f"{place}\0{before}" for place in range(layer[before] + 1, layer[after])]
    return [before, *passed, after]


def _layer_of(name: str, layer: Mapping[str, int]) -> int:
    return layer[name] if name in layer else int(name.partition("\0")[0])


def _neighbours(steps: Sequence[Flow]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for a, b in steps:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    return before, after


def _order(columns: list[list[str]], steps: Sequence[Flow]) -> None:
    """Sort each layer by the mean place of what it is joined to, there and back."""
    before, after = _neighbours(steps)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        side = before if forth else after
        for column in columns if forth else columns[::-1]:
            place = {name: i / max(1, len(c) - 1) for c in columns for i, name in enumerate(c)}
            means = {
                name: sum(place[n] for n in side[name]) / len(side[name]) if name in side else place[name]
                for name in column
            }
            column.sort(key=means.__getitem__)


def _settle(
    columns: list[list[str]], steps: Sequence[Flow], tall: Mapping[str, float], down: float
) -> dict[str, float]:
    """Move boxes up and down towards what they are joined to, without overlaps."""
    before, after = _neighbours(steps)
    middle: dict[str, float] = {}
    for column in columns:
        middle |= _apart(column, dict.fromkeys(column, 0.0), tall, down)
    for turn in range(_SETTLE):
        for column in columns if turn % 2 == 0 else columns[::-1]:
            joined = {n: [*before.get(n, ()), *after.get(n, ())] for n in column}
            wish = {
                n: sum(middle[x] for x in near) / len(near) if near else middle[n]
                for n, near in joined.items()
            }
            middle |= _apart(column, wish, tall, down)
    return middle


def _apart(
    column: list[str], wish: Mapping[str, float], tall: Mapping[str, float], down: float
) -> dict[str, float]:
    """Return the places nearest to the wishes (least squares) that keep order and distance.

    Less the distances this is isotonic regression: what would overlap forms a block at its mean.
    """
    offsets, at = [], 0.0
    for i, name in enumerate(column):
        at += (tall[column[i - 1]] + tall[name]) / 2 + down if i else 0.0
        offsets.append(at)
    blocks: list[tuple[float, int]] = []  # sum of wishes, number of boxes
    for name, offset in zip(column, offsets, strict=True):
        blocks.append((wish[name] - offset, 1))
        while len(blocks) > 1 and _mean(blocks[-2]) >= _mean(blocks[-1]):
            (total, count), (more, others) = blocks[-2], blocks[-1]
            blocks[-2:] = [(total + more, count + others)]
    means = [_mean(block) for block in blocks for _ in range(block[1])]
    return {n: mean + o for n, mean, o in zip(column, means, offsets, strict=True)}


def _mean(block: tuple[float, int]) -> float:
    return block[0] / block[1]
