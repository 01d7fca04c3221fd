"""What moves in every frame but the mouth: eyes and brows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from s2vkit_synthetic.body import shadow_of
from s2vkit_synthetic.expression import Expression
from s2vkit_synthetic.head import EYES_AT
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import Canvas, Grid, Point, bend, circle, ellipse, mix, scale, stroke

_INK = (0.11, 0.07, 0.07)


def paint_eye(canvas: Canvas, person: Person, expression: Expression, side: int, closure: Tensor) -> None:
    """Paint one eye in each frame; `eyelid_closure` (V, 1, 1) runs from 0 (as the emotion has it) to 1."""
    grid = canvas.grid
    half = _half_width(person, expression)
    x = (grid.x - side * person.eye_gap) * side  # outwards
    y = grid.y - EYES_AT + (person.eye_tilt + 0.02) * x / half
    upper, lower = _lids(person, expression, x, half, closure)
    lens = torch.maximum(torch.maximum(upper - y, y - lower), x.abs() - half)
    inside = grid.cover(lens)
    dark = shadow_of(person)
    canvas.paint(inside, (0.97, 0.965, 0.955))
    _iris(canvas, person, expression, x, y, side, inside)
    canvas.shade(grid.glow(y - upper - 0.012, 0.05) * inside, (0.32, 0.28, 0.34), 0.45)
    if expression.tears > 0.3:
        wet = grid.glow((y - lower + 0.008).abs() - 0.004, 0.02) * inside
        canvas.shade(wet, (0.80, 0.92, 1.0), 0.9 * expression.tears)
    line = 0.010 + 0.013 * person.lashes
    top = torch.maximum((y - upper).abs() - line * (0.6 + 0.5 * x / half), x.abs() - half * 1.06)
    canvas.paint(grid.cover(top), _INK, 0.95)
    if person.lashes > 0.6:
        rise = (y - upper + 0.55 * (x - half * 0.86)).abs() - 0.013
        flick = torch.maximum(rise, (x - half).abs() - 0.035)
        canvas.paint(grid.cover(flick), _INK, 0.9)
    rim = torch.maximum((y - lower).abs() - 0.006, x.abs() - half * 0.9)
    canvas.shade(grid.cover(rim), scale(dark, 0.6), 0.55)
    crease = torch.maximum((y - upper + 0.034 + 0.01 * expression.eye_open).abs() - 0.004, x.abs() - half)
    canvas.shade(grid.cover(crease, 0.025), scale(dark, 0.75), 0.55)
    bulge = 0.035 * max(0.0, expression.lid_low)
    if bulge > 0.004:
        canvas.shade(
            grid.glow((y - lower - 0.030).abs() - 0.003, 0.02) * (x.abs() < half * 0.8), dark, 14 * bulge
        )


def eye_points(person: Person, expression: Expression, side: int, closure: Tensor) -> Tensor:
    """Return the outline of an eye (V, 6, 2): a corner, two points above, a corner, two below.

    They begin on the left, as in the markup of 300-W; coordinates are those of the head.
    """
    half = _half_width(person, expression)
    out = side * half * torch.tensor([-1.0, -1 / 3, 1 / 3, 1.0]).expand(len(closure), 1, 4)
    upper, lower = _lids(person, expression, out, half, closure)
    tilt = EYES_AT - (person.eye_tilt + 0.02) * out / half
    x, corner = side * (person.eye_gap + out), torch.zeros_like(out)
    rows = [torch.stack([x, y + tilt], -1)[:, 0] for y in (corner, upper, lower)]
    corners, above, below = rows
    return torch.cat([corners[:, :1], above[:, 1:3], corners[:, 3:], below[:, 1:3].flip(1)], 1)


def _half_width(person: Person, expression: Expression) -> float:
    return person.eye_size * (1.0 + 0.05 * (expression.eye_open - 1.0))


def _lids(
    person: Person, expression: Expression, x: Tensor, half: float, closure: Tensor
) -> tuple[Tensor, Tensor]:
    """Find the height of the upper and of the lower lid, x outwards from the middle of the eye."""
    arch = 1.0 - (x / half) ** 2
    lower = 0.62 * person.eye_high * (1.0 - 0.8 * expression.lid_low) * arch
    full = person.eye_high * expression.eye_open * arch.clamp(min=-1.0) * (1.0 + 0.12 * x / half)
    droop = 0.045 * max(0.0, 1.0 - expression.eye_open) * (x / half + 0.3) * (expression.tears > 0.5)
    return torch.lerp(-full + droop, lower - 0.006, closure), lower


def _iris(
    canvas: Canvas, person: Person, expression: Expression, x: Tensor, y: Tensor, side: int, inside: Tensor
) -> None:
    grid = canvas.grid
    here = Grid(x, y, grid.pixel)
    radius = min(0.066, person.eye_size * 0.48) * expression.iris
    down = -0.006 + expression.gaze
    canvas.shade(grid.cover(circle(here, 0.0, down, radius)) * inside, scale(person.eye, 0.55))
    canvas.shade(grid.cover(circle(here, 0.0, down, radius * 0.80)) * inside, person.eye)
    glow = ellipse(here, 0.0, down + radius * 0.45, radius * 0.55, radius * 0.35)
    canvas.shade(grid.glow(glow, 0.03) * inside, mix(person.eye, (1.0, 1.0, 0.9), 0.45), 0.8)
    pupil = radius * (0.50 if expression.iris > 0.85 else 0.42)
    canvas.shade(grid.cover(circle(here, 0.0, down, pupil)) * inside, (0.03, 0.03, 0.04))
    spark = circle(here, -0.024 * side, down - 0.026, 0.017)
    canvas.shade(grid.cover(spark, 0.02) * inside, (1.0, 1.0, 1.0), 0.95)


def paint_brow(canvas: Canvas, person: Person, expression: Expression, side: int, raised: Tensor) -> None:
    """Paint one brow in each frame; `raised` (V, 1, 1) is how far it goes up with the voice."""
    here = canvas.grid
    grid = Grid(here.x * side, here.y + raised, here.pixel)
    inner, middle, outer = _brow(person, expression)
    thick = person.brow_thick
    arc = stroke(grid, [inner, middle, outer], [thick, thick, thick * 0.42])
    ink = mix(scale(person.hair, 0.78), _INK, 0.30 if max(person.hair) < 0.7 else 0.22)
    canvas.paint(here.cover(arc), ink, 0.95)
    canvas.shade(here.glow(arc + thick * 0.6, 0.02), mix(ink, (1, 1, 1), 0.2), 0.35)


def brow_points(person: Person, expression: Expression, side: int, raised: Tensor) -> Tensor:
    """Return five points along a brow, from left to right: (V, 5, 2), in coordinates of the head."""
    path = np.stack(bend(_brow(person, expression), np.linspace(0.0, 1.0, 5))[::side])
    points = torch.from_numpy(path * [side, 1.0]).float().expand(len(raised), 5, 2)
    return torch.stack([points[..., 0], points[..., 1] - raised[:, 0]], -1)


def _brow(person: Person, expression: Expression) -> tuple[Point, Point, Point]:
    """Find the inner end, the middle and the outer end of the right brow."""
    high = person.brow_high + 0.10 * (0.08 - person.eye_high)
    inner = (
        person.eye_gap - person.eye_size * 0.95 - expression.brow_near,
        high + 0.008 + expression.brow_in,
    )
    middle = (person.eye_gap + 0.01, high - person.brow_arch + expression.brow_mid)
    outer = (person.eye_gap + person.eye_size * 1.22, high + 0.035 + expression.brow_out)
    return inner, middle, outer
