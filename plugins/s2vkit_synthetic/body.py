"""What does not move with the head: the wall, the neck, the shoulders and the clothes."""

from __future__ import annotations

from collections.abc import Callable

import torch

from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import Canvas, Grid, blob, box, ellipse, mix, scale, stroke


def paint_wall(canvas: Canvas, person: Person) -> None:
    """Paint the background: a wall, lighter at the upper left, with a soft vignette."""
    grid = canvas.grid
    canvas.paint(torch.ones_like(grid.x), person.wall)
    canvas.light(1.05 - 0.10 * (grid.x * 0.5 + grid.y) - 0.07 * (grid.x**2 + grid.y**2))
    glow = grid.glow(ellipse(grid, -0.35, -0.35, 0.9, 0.9), 1.1)
    canvas.shade(glow, (1.0, 1.0, 0.98), 0.10)


def paint_body(canvas: Canvas, person: Person) -> None:
    """Paint the neck, with the shadow that the chin throws, and the clothes."""
    grid = canvas.grid
    wide = 0.21 if person.sex == "f" else 0.285
    skin, dark = scale(person.skin, 0.96), shadow_of(person)
    neck = torch.minimum(
        box(grid, 0.0, 0.80, wide, 0.55, 0.05),
        blob(grid, (0.0, 1.1), [(0, 0.70), (wide + 0.06, 0.80), (wide + 0.28, 0.93), (0.5, 1.5)]),
    )
    canvas.paint(grid.cover(neck), skin)
    inside = grid.cover(neck)
    chin = grid.glow(ellipse(grid, 0.03, person.length - 0.02, 0.40, 0.17), 0.22)
    canvas.shade(chin * inside, dark, 0.75)
    canvas.shade(grid.glow(grid.x * -1 + wide - 0.09, 0.3) * inside, dark, 0.4)
    for side in (-1, 1):
        cord = stroke(grid, [(side * 0.17, 0.72), (side * 0.05, 0.98)], [0.012, 0.02])
        canvas.shade(grid.glow(cord, 0.06) * inside, dark, 0.3)
    CLOTHES[person.clothes](canvas, person, wide)


def shadow_of(person: Person) -> tuple[float, float, float]:
    """Find the colour of this skin in shadow: darker, warmer."""
    r, g, b = person.skin
    return (r * 0.76, g * 0.60, b * 0.56)


def _shoulders(grid: Grid, wide: float, top: float, male: bool) -> torch.Tensor:
    slope = 0.05 if male else 0.0
    outline = [(0.0, 0.88), (wide, top), (0.52, 0.86 - slope), (0.90, 0.97 - slope), (1.2, 1.7)]
    return blob(grid, (0.0, 1.6), outline)


def _garment(
    canvas: Canvas, person: Person, wide: float, neckline: torch.Tensor, top: float = 0.79
) -> torch.Tensor:
    """Paint cloth over the shoulders except inside the neckline; give its mask."""
    grid = canvas.grid
    cloth = torch.maximum(_shoulders(grid, wide + 0.05, top, person.sex == "m"), -neckline)
    mask = grid.cover(cloth)
    canvas.paint(mask, person.cloth)
    canvas.shade(grid.glow(-0.1 - grid.x + 0.5, 0.9) * mask, scale(person.cloth, 0.72), 0.55)
    canvas.shade(grid.glow(grid.y - 0.86, 0.10) * mask, mix(person.cloth, (1, 1, 1), 0.4), 0.25)
    canvas.shade(grid.glow(cloth.abs() - 0.012, 0.035) * mask, scale(person.cloth, 0.62), 0.6)
    return mask


def _crew(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    hole = ellipse(grid, 0.0, 0.74, wide + 0.04, 0.155)
    _garment(canvas, person, wide, hole)
    canvas.paint(
        grid.cover((hole - 0.022).abs() - 0.02) * grid.cover(0.76 - grid.y), scale(person.cloth, 0.84)
    )


def _vneck(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    hole = torch.maximum(grid.x.abs() * 0.82 + grid.y * 0.57 - 0.585, -grid.y + 0.4)
    mask = _garment(canvas, person, wide, hole)
    canvas.shade(grid.cover((hole - 0.02).abs() - 0.02) * mask, scale(person.cloth, 0.80))


def _turtle(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    _garment(canvas, person, wide, torch.full_like(grid.x, 1.0), top=0.80)
    roll = box(grid, 0.0, 0.86, wide + 0.02, 0.11, 0.06)
    mask = grid.cover(roll)
    canvas.paint(mask, scale(person.cloth, 1.06))
    canvas.shade(grid.glow(grid.y * -1 + 0.90, 0.12) * mask, scale(person.cloth, 0.7), 0.6)
    canvas.shade(grid.glow(0.1 - grid.x, 0.5) * mask, scale(person.cloth, 0.7), 0.6)
    canvas.light(1.0 - 0.07 * mask * torch.cos(grid.x * 75.0))


def _collar(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    _crew(canvas, person, wide)
    for side in (-1, 1):
        x = grid.x * side
        flap = torch.maximum(
            torch.maximum((x - 0.02) * -0.9 - (grid.y - 0.97) * 0.45 - 0.055, x - wide - 0.06),
            torch.maximum(grid.y - 0.80 - (wide + 0.12 - x) * 0.62, 0.74 - grid.y + x * 0.04),
        )
        mask = grid.cover(flap)
        canvas.paint(mask, mix(person.cloth, (1, 1, 1), 0.35))
        edge = grid.cover(flap.abs() - 0.006)
        canvas.shade(edge, scale(person.cloth, 0.62), 0.6)
    canvas.shade(grid.cover(grid.x.abs() - 0.004) * grid.cover(0.93 - grid.y), scale(person.cloth, 0.6), 0.7)


def _suit(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    shirt = torch.maximum(grid.x.abs() * 0.86 + grid.y * 0.50 - 0.66, 0.72 - grid.y)
    _garment(canvas, person, wide, torch.full_like(grid.x, 1.0))
    canvas.paint(grid.cover(shirt), (0.95, 0.95, 0.96))
    neck = torch.maximum(grid.x.abs() * 0.80 + grid.y * 0.60 - 0.585, 0.5 - grid.y)
    canvas.paint(grid.cover(neck), shadow_of(person))
    tie = torch.maximum(grid.x.abs() - 0.045 - (grid.y - 0.9) * 0.12, 0.885 - grid.y)
    canvas.paint(grid.cover(tie), mix(person.wall, (0.45, 0.08, 0.12), 0.75))
    for side in (-1, 1):
        lapel = stroke(grid, [(side * (wide + 0.07), 0.77), (side * 0.09, 1.04)], [0.01, 0.012])
        canvas.shade(grid.cover(lapel), scale(person.cloth, 0.5), 0.9)


def _hoodie(canvas: Canvas, person: Person, wide: float) -> None:
    grid = canvas.grid
    _crew(canvas, person, wide)
    for side in (-1, 1):
        path = [(side * (wide + 0.03), 0.66), (side * (wide + 0.17), 0.84), (side * 0.05, 0.99)]
        hood = stroke(grid, path, [0.05, 0.085, 0.06])
        mask = grid.cover(hood)
        canvas.paint(mask, scale(person.cloth, 1.12))
        canvas.shade(grid.glow(-hood - 0.05, 0.07) * mask, scale(person.cloth, 1.3), 0.4)
        canvas.shade(grid.cover(hood.abs() - 0.008), scale(person.cloth, 0.65), 0.6)
        cord = stroke(grid, [(side * 0.11, 0.93), (side * 0.10, 1.05)], [0.012])
        canvas.paint(grid.cover(cord), (0.95, 0.94, 0.9))


CLOTHES: dict[str, Callable[[Canvas, Person, float], None]] = {
    "crew": _crew,
    "vneck": _vneck,
    "turtle": _turtle,
    "collar": _collar,
    "suit": _suit,
    "hoodie": _hoodie,
}
