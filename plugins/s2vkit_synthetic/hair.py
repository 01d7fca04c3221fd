"""Hair: what hangs behind the neck, what lies on the shoulders, and what sits on the head."""

from __future__ import annotations

from collections.abc import Callable

import torch

from s2vkit_synthetic.hair_styles import afro, bald, curly, fade, horseshoe, mop, parted, quiff
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import Canvas, Color, Grid, blob, ellipse, mix, scale, stroke
from s2vkit_synthetic.strands import TOP, cap, comb, curls, fuzz, outer


def paint_back_hair(canvas: Canvas, person: Person) -> None:
    """Paint the hair behind the neck and shoulders."""
    grid, w = canvas.grid, person.width
    if person.style == "long":
        outline = [(0, -0.86), (w + 0.10, -0.55), (w + 0.17, 0.0), (w + 0.19, 0.55), (0.60, 1.2)]
        comb(canvas, grid.cover(blob(grid, (0, 0.1), outline)), scale(person.hair, 0.78), 46.0)
    elif person.style in ("bob", "fringe"):
        end = 0.56 if person.style == "bob" else 0.47
        outline = [
            (0, -0.84),
            (w + 0.04, -0.50),
            (w + 0.12, -0.10),
            (w + 0.14, end - 0.16),
            (w + 0.03, end),
            (0.2, end + 0.03),
            (0.0, end + 0.03),
        ]
        shape = blob(grid, (0.0, -0.05), outline)
        comb(canvas, grid.cover(shape), scale(person.hair, 0.72), 46.0)
    elif person.style == "ponytail":
        tail = stroke(grid, [(0.30, -0.45), (0.80, 0.0), (0.62, 0.75)], [0.12, 0.17, 0.06])
        comb(canvas, grid.cover(tail), scale(person.hair, 0.85), 40.0)
    elif person.style == "afro":
        curls(canvas, fuzz(grid, ellipse(grid, 0.0, -0.24, w + 0.36, 0.70), 26), person.hair)
    elif person.style == "curly" and person.sex == "f":
        curls(canvas, fuzz(grid, ellipse(grid, 0.0, -0.05, w + 0.24, 0.66), 22), person.hair)
    elif person.style == "scarf":
        cloth = scale(_scarf_color(person), 0.75)
        shape = blob(grid, (0, 0.1), [(0, -0.86), (w + 0.1, -0.5), (w + 0.14, 0.2), (0.72, 1.1)])
        canvas.paint(grid.cover(shape), cloth)


def paint_front_locks(canvas: Canvas, person: Person) -> None:
    """Paint what lies over the shoulders, after the clothes."""
    grid, w = canvas.grid, person.width
    if person.style == "long":
        for s in (-1, 1):
            path = [(s * (w + 0.03), 0.10), (s * (w + 0.10), 0.55), (s * 0.47, 1.08)]
            comb(canvas, grid.cover(stroke(grid, path, [0.07, 0.13, 0.11])), person.hair, 46.0)
    elif person.style == "scarf":
        cloth = _scarf_color(person)
        wrap = blob(grid, (0.0, 0.80), [(0, 0.52), (0.36, 0.50), (0.60, 0.80), (0.74, 1.1)])
        mask = grid.cover(wrap)
        canvas.paint(mask, scale(cloth, 0.92))
        for k, y in enumerate((0.74, 0.83, 0.92)):
            fold = stroke(grid, [(-0.5, y - 0.1), (0.05, y + 0.05), (0.55, y - 0.14 + 0.03 * k)], [0.01])
            canvas.shade(grid.glow(fold, 0.07) * mask, scale(cloth, 0.62), 0.7)


def paint_hair(canvas: Canvas, person: Person) -> None:
    """Paint the hair that sits on the head."""
    STYLES[person.style](canvas, person)


def _scarf_color(person: Person) -> Color:
    return mix(person.cloth, (0.75, 0.30, 0.42), 0.75)


def _long(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    opening = [
        (-0.10, -0.60),
        (0.14, -0.47),
        (0.33, -0.26),
        (w - 0.07, 0.02),
        (w - 0.055, 0.30),
        (w - 0.02, 0.65),
        (0.0, 0.9),
        (-w + 0.02, 0.65),
        (-w + 0.055, 0.30),
        (-w + 0.06, 0.0),
        (-0.37, -0.28),
        (-0.24, -0.50),
    ]
    shape = cap(grid, [*outer(w, 0.13, 0.12, 0.45)], opening, mirror=False)
    comb(canvas, grid.cover(shape), person.hair, 42.0, (-0.12, -0.92))


def _bob(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    opening = [
        (0.16, -0.58),
        (0.33, -0.32),
        (w - 0.06, -0.02),
        (w - 0.045, 0.35),
        (0.36, 0.8),
        (0.0, 0.9),
        (-0.36, 0.8),
        (-w + 0.045, 0.35),
        (-w + 0.05, -0.05),
        (-0.36, -0.26),
        (-0.12, -0.44),
    ]
    shape = cap(grid, outer(w, 0.12, 0.135, 0.42), opening, mirror=False)
    comb(canvas, grid.cover(shape), person.hair, 42.0, (0.16, -0.93))


def _fringe(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    saw = 0.022 * torch.sin(grid.x * 34) + 0.012 * torch.sin(grid.x * 61)
    bent = Grid(grid.x, grid.y - saw * (grid.y < -0.1), grid.pixel)
    opening = [
        (0.0, -0.375),
        (0.25, -0.36),
        (w - 0.075, -0.26),
        (w - 0.055, 0.05),
        (w - 0.03, 0.35),
        (0.34, 0.8),
        (0.0, 0.9),
    ]
    shape = torch.maximum(blob(grid, TOP, outer(w, 0.13, 0.13, 0.42)), -blob(bent, (0.0, 0.05), opening))
    comb(canvas, grid.cover(shape), person.hair, 46.0, (0.0, -0.98))


def _bun(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    comb(
        canvas, grid.cover(ellipse(grid, 0.0, -0.86, 0.23, 0.17)), scale(person.hair, 0.93), 30.0, (0.0, -0.6)
    )
    opening = [
        (0.0, -0.545),
        (0.22, -0.50),
        (0.37, -0.32),
        (w - 0.025, -0.08),
        (w + 0.05, 0.2),
        (0.4, 0.8),
        (0.0, 0.9),
    ]
    shape = cap(grid, outer(w, 0.06, 0.045, 0.05), opening)
    comb(canvas, grid.cover(shape), person.hair, 44.0, (0.0, -1.05))


def _ponytail(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    opening = [
        (0.0, -0.555),
        (0.22, -0.50),
        (0.36, -0.33),
        (w - 0.02, -0.08),
        (w + 0.05, 0.2),
        (0.4, 0.8),
        (0.0, 0.9),
    ]
    shape = cap(grid, outer(w, 0.05, 0.035, 0.02), opening)
    comb(canvas, grid.cover(shape), person.hair, 48.0, (0.25, -1.0))


def _scarf(canvas: Canvas, person: Person) -> None:
    grid, w = canvas.grid, person.width
    cloth = _scarf_color(person)
    opening = [
        (0.0, -0.50),
        (0.24, -0.46),
        (w - 0.07, -0.24),
        (w - 0.05, 0.05),
        (person.jaw - 0.01, 0.40),
        (0.22, 0.63),
        (0.0, 0.70),
    ]
    around = [
        (0.0, -0.86),
        (w * 0.65, -0.76),
        (w + 0.09, -0.36),
        (w + 0.12, 0.0),
        (w + 0.08, 0.40),
        (0.36, 0.72),
        (0.0, 0.84),
    ]
    free = blob(grid, (0.0, 0.02), opening)
    mask = grid.cover(torch.maximum(blob(grid, TOP, around), -free))
    canvas.paint(mask, cloth)
    folds = torch.sin(free * 62 + 1.5 * torch.sin(grid.y * 6))
    canvas.rgb = (canvas.rgb * (1 + 0.07 * mask * folds)).clamp(0, 1)
    canvas.shade(mask * grid.glow(0.2 - grid.x, 0.8), scale(cloth, 0.6), 0.55)
    canvas.shade(mask * grid.glow(free.abs() - 0.01, 0.06), scale(cloth, 0.6), 0.5)


STYLES: dict[str, Callable[[Canvas, Person], None]] = {
    "long": _long,
    "bob": _bob,
    "fringe": _fringe,
    "bun": _bun,
    "ponytail": _ponytail,
    "afro": afro,
    "curly": curly,
    "fade": fade,
    "parted": parted,
    "quiff": quiff,
    "mop": mop,
    "horseshoe": horseshoe,
    "bald": bald,
    "scarf": _scarf,
}
