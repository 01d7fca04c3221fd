"""The mouth of each frame: lips, the dark inside, teeth and tongue."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from s2vkit_synthetic.body import shadow_of
from s2vkit_synthetic.expression import Expression
from s2vkit_synthetic.head import mouth_at
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import Canvas, ellipse, mix, scale

GAPE = 0.225
"""Height of the gap between the lips at mouth_aperture 1: 11 % of the picture's height."""
_SHARE_UP = 0.34  # of the gap lies above the middle
_OUTER = (-1.0, -2 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)  # where points lie, in half widths
_INNER = (-1.0, -0.5, 0.0, 0.5, 1.0)


@dataclass
class Speaking:
    """What the mouth does: (V, 1, 1) each, from 0 to 1."""

    open: Tensor
    wide: Tensor
    round: Tensor
    teeth: Tensor
    tongue: Tensor
    tuck: Tensor  # the lower lip under the upper teeth: f, v
    press: Tensor  # lips pressed: m, b, p


@dataclass
class _Lines:
    x: Tensor
    top: Tensor  # the upper lip's upper edge, and so on downwards
    up: Tensor
    low: Tensor
    bottom: Tensor
    middle: Tensor
    half: Tensor
    gap: Tensor


def paint_mouth(canvas: Canvas, person: Person, expression: Expression, say: Speaking) -> None:
    """Paint the mouth in each frame."""
    grid, lines = canvas.grid, _lines(canvas.grid.x, person, expression, say)
    y, sides = grid.y, lines.x.abs() - lines.half
    dark = shadow_of(person)
    lip = mix(person.lip, (0.85, 0.30, 0.30), 0.10 * max(0.0, expression.blush))
    under = torch.maximum((y - lines.bottom - 0.035).abs() - 0.012, sides + lines.half * 0.35)
    canvas.shade(grid.glow(under, 0.07), dark, 0.65)
    lips = torch.maximum(torch.maximum(lines.top - y, y - lines.bottom), sides)
    mask = grid.cover(lips)
    canvas.paint(mask, lip)
    canvas.shade(mask * grid.cover(y - lines.middle), scale(lip, 0.80), 0.75)
    shine = grid.glow(ellipse(grid, -0.03, 0.0, 0.05, 0.9), 0.08)
    belly = grid.glow((y - torch.lerp(lines.low, lines.bottom, 0.45)).abs() - 0.006, 0.03)
    canvas.shade(mask * belly * shine, mix(lip, (1.0, 0.95, 0.93), 0.6), 0.7)
    canvas.shade(grid.cover(lips.abs() - 0.004) * (y < lines.middle), scale(lip, 0.66), 0.35)
    _inside(canvas, expression, say, lines, sides)
    seam = torch.maximum((y - torch.minimum(lines.up, lines.low)).abs() - 0.010, sides + 0.004)
    closed = (1.0 - lines.gap / 0.03).clamp(0.0, 1.0)
    canvas.paint(grid.cover(seam) * closed, scale(lip, 0.32), 0.92)
    for s in (-1, 1):
        corner = torch.hypot(grid.x - s * lines.half, y - _at_corner(lines, person, expression, s))
        canvas.shade(grid.glow(corner - 0.014, 0.032), scale(dark, 0.62), 0.75)


def mouth_points(person: Person, expression: Expression, say: Speaking) -> Tensor:
    """Return the outline of the lips (12) and of the gap between them (8): (V, 20, 2).

    Both run from the left corner over the upper side to the right corner and back below, as points 49 to
    68 of the markup of 300-W; coordinates are those of the head, before it moves.
    """
    half = _half_width(person, expression, say)
    sides = []
    for across, above, below in ((_OUTER, "top", "bottom"), (_INNER, "up", "low")):
        x = half * torch.tensor(across)
        lines = _lines(x, person, expression, say)
        for places, y in ((slice(None), getattr(lines, above)), (slice(1, -1), getattr(lines, below))):
            side = torch.stack([x, y], -1)[:, 0, places]
            sides.append(side if places == slice(None) else side.flip(1))
    return torch.cat(sides, 1)


def _half_width(person: Person, expression: Expression, say: Speaking) -> Tensor:
    half = person.mouth * expression.wide * (1.0 + 0.12 * say.wide - 0.40 * say.round)
    return half * (1.0 - 0.10 * say.open * (expression.wide > 1.1))


def _lines(x: Tensor, person: Person, expression: Expression, say: Speaking) -> _Lines:
    half = _half_width(person, expression, say)
    u = x / half
    arch = (1.0 - u**2).clamp(min=0.0)
    flat = (1.0 - u**4).clamp(min=0.0)
    gap = GAPE * say.open
    middle = _middle(person, expression, u, say.round)
    up = middle - _SHARE_UP * gap * flat
    low = middle + (1 - _SHARE_UP) * gap * (0.6 * flat + 0.4 * arch)
    thin = 1.0 - 0.35 * say.press - 0.18 * say.open
    full = person.lips * expression.thick * thin * (1.0 + 0.45 * say.round)
    bow = 1.0 - 0.22 * torch.exp(-((u / 0.18) ** 2)) + 0.18 * torch.exp(-(((u.abs() - 0.36) / 0.25) ** 2))
    top = up - 0.92 * full * bow * arch**0.8 - 0.010 * expression.wrinkle * arch
    bottom = low + 1.20 * full * (1.0 - 0.55 * say.tuck) * arch**0.6
    return _Lines(x, top, up, low, bottom, middle, half, gap)


def _middle(person: Person, expression: Expression, u: Tensor, purse: Tensor) -> Tensor:
    """Follow the line where the lips meet: raised or lowered corners, a sneer on one side."""
    rise = (expression.corner + 0.012) * (1.0 - 0.45 * purse)
    height = mouth_at(person) - expression.lift + 0.25 * max(expression.corner, 0.0)
    return height - rise * u.abs().clamp(max=1.3) ** 1.7 - expression.sneer * u.clamp(-1.2, 1.2)


def _at_corner(lines: _Lines, person: Person, expression: Expression, side: int) -> Tensor:
    purse = (lines.half * 0.0) + 0.0
    return _middle(person, expression, torch.ones_like(lines.half) * side, purse)


def _inside(canvas: Canvas, expression: Expression, say: Speaking, lines: _Lines, sides: Tensor) -> None:
    grid = canvas.grid
    y = grid.y
    hole = torch.maximum(torch.maximum(lines.up - y, y - lines.low), sides)
    ajar = (lines.gap / 0.03).clamp(0.0, 1.0)
    inside = grid.cover(hole) * ajar
    canvas.paint(inside, (0.20, 0.035, 0.05))
    tongue_top = lines.low - (0.30 + 0.45 * say.tongue) * lines.gap
    tongue = torch.maximum(tongue_top + 2.2 * lines.gap * (lines.x / lines.half) ** 2 - y, sides + 0.02)
    canvas.shade(inside * grid.cover(tongue, 0.03), (0.80, 0.33, 0.34), 0.85)
    show = (say.teeth * expression.teeth).clamp(0.0, 1.0)
    depth = torch.minimum(0.26 * lines.gap + 0.010, lines.gap * 0 + 0.055) * (0.45 + 0.75 * show)
    upper = torch.maximum(y - lines.up - depth, sides + 0.018)
    canvas.shade(inside * grid.cover(upper), (0.97, 0.95, 0.91), 0.96)
    bared = ((show - 0.55) / 0.45).clamp(0.0, 1.0)
    lower = torch.maximum(lines.low - 0.24 * lines.gap - y, sides + 0.03)
    canvas.shade(inside * grid.cover(lower) * bared, (0.93, 0.90, 0.86), 0.9)
