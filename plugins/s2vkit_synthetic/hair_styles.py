"""Hair that stays on the head: from the afro to the bald."""

from __future__ import annotations

import torch

from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import Canvas, Grid, blob, ellipse, mix, scale, speckle
from s2vkit_synthetic.strands import TOP, cap, comb, curls, fuzz, outer


def afro(canvas: Canvas, person: Person) -> None:
    """Paint the style 'afro'."""
    grid, w = canvas.grid, person.width
    opening = [
        (0.0, -0.53),
        (0.24, -0.49),
        (0.38, -0.32),
        (w - 0.02, -0.02),
        (w + 0.1, 0.3),
        (0.5, 0.9),
        (0.0, 1.0),
    ]
    hair = ellipse(grid, 0.0, -0.24, w + 0.34, 0.70)
    free = fuzz(grid, blob(grid, (0.0, -0.02), opening), 30)
    low = grid.y - 0.25
    curls(canvas, torch.maximum(torch.maximum(hair, -free), low), person.hair)


def curly(canvas: Canvas, person: Person) -> None:
    """Paint the style 'curly'."""
    grid, w = canvas.grid, person.width
    down = -0.02 if person.sex == "m" else 0.20
    opening = [
        (0.0, -0.47),
        (0.24, -0.44),
        (0.39, -0.28),
        (w - 0.02, -0.06),
        (w + 0.08, 0.3),
        (0.5, 0.9),
        (0.0, 1.0),
    ]
    edge = blob(grid, TOP, outer(w, 0.16, 0.10, down))
    free = fuzz(grid, blob(grid, (0.0, -0.02), opening), 25)
    curls(canvas, torch.maximum(fuzz(grid, edge, 19), -free), person.hair)


def fade(canvas: Canvas, person: Person) -> None:
    """Paint the style 'fade'."""
    grid, w = canvas.grid, person.width
    opening = [
        (0.0, -0.515),
        (0.26, -0.50),
        (0.385, -0.44),
        (0.40, -0.28),
        (w - 0.04, -0.10),
        (w + 0.05, 0.1),
        (0.5, 0.9),
        (0.0, 1.0),
    ]
    shape = cap(grid, outer(w, 0.075, 0.012, -0.02), opening)
    sides = grid.glow(grid.y + 0.24, 0.34)
    canvas.shade(grid.cover(shape), person.hair, 0.55)
    canvas.paint(grid.cover(shape) * sides, person.hair)
    grain = speckle(grid, 0.035).clamp(-1, 1)
    canvas.shade(grid.cover(shape) * sides * (grain * 0.5 + 0.5), mix(person.hair, (1, 1, 1), 0.22), 0.35)


def parted(canvas: Canvas, person: Person) -> None:
    """Paint the style 'parted'."""
    grid, w = canvas.grid, person.width
    opening = [
        (0.22, -0.60),
        (0.33, -0.46),
        (0.39, -0.26),
        (w - 0.035, -0.07),
        (w + 0.05, 0.1),
        (0.5, 0.9),
        (0.0, 1.0),
        (-0.5, 0.9),
        (-w - 0.05, 0.1),
        (-w + 0.035, -0.07),
        (-0.41, -0.26),
        (-0.36, -0.40),
        (-0.12, -0.475),
    ]
    shape = cap(grid, outer(w, 0.115, 0.025, -0.02), opening, mirror=False)
    comb(canvas, grid.cover(shape), person.hair, 38.0, (0.30, -1.0))


def quiff(canvas: Canvas, person: Person) -> None:
    """Paint the style 'quiff'."""
    grid, w = canvas.grid, person.width
    opening = [
        (0.0, -0.50),
        (0.25, -0.48),
        (0.385, -0.38),
        (0.41, -0.25),
        (w - 0.03, -0.08),
        (w + 0.05, 0.1),
        (0.5, 0.9),
        (0.0, 1.0),
    ]
    shape = cap(grid, outer(w, 0.08, 0.015, -0.02), opening)
    comb(canvas, grid.cover(shape), scale(person.hair, 0.9), 38.0, (0.1, -0.2))
    top = blob(
        grid,
        (0.0, -0.68),
        [
            (0.0, -0.90),
            (0.20, -0.95),
            (0.42, -0.86),
            (0.44, -0.62),
            (0.30, -0.50),
            (0.0, -0.47),
            (-0.28, -0.48),
            (-0.42, -0.56),
            (-0.38, -0.74),
            (-0.2, -0.86),
        ],
        mirror=False,
    )
    comb(canvas, grid.cover(top), person.hair, 30.0, (-0.55, -0.25))


def mop(canvas: Canvas, person: Person) -> None:
    """Paint the style 'mop'."""
    grid, w = canvas.grid, person.width
    saw = 0.035 * torch.sin(grid.x * 17 + 1.0) + 0.018 * torch.sin(grid.x * 41)
    bent = Grid(grid.x, grid.y - saw * (grid.y < 0.0), grid.pixel)
    opening = [
        (0.0, -0.38),
        (0.22, -0.37),
        (0.36, -0.30),
        (w - 0.04, -0.05),
        (w - 0.01, 0.14),
        (0.5, 0.9),
        (0.0, 1.0),
    ]
    edge = fuzz(grid, blob(grid, TOP, outer(w, 0.15, 0.085, 0.08)), 13)
    shape = torch.maximum(edge, -blob(bent, (0.0, 0.0), opening))
    comb(canvas, grid.cover(shape), person.hair, 30.0, (0.12, -0.95))


def horseshoe(canvas: Canvas, person: Person) -> None:
    """Paint the style 'horseshoe'."""
    grid, w = canvas.grid, person.width
    for s in (-1, 1):
        tuft = ellipse(grid, s * (w + 0.005), -0.17, 0.085, 0.20, s * 0.12)
        curls(canvas, fuzz(grid, tuft, 24), person.hair)
    shine = grid.glow(ellipse(grid, -0.14, -0.58, 0.16, 0.05, -0.25), 0.12)
    canvas.shade(shine, (1.0, 0.98, 0.94), 0.45)


def bald(canvas: Canvas, person: Person) -> None:
    """Paint the style 'bald'."""
    grid = canvas.grid
    shine = grid.glow(ellipse(grid, -0.17, -0.55, 0.16, 0.06, -0.3), 0.12)
    canvas.shade(shine, (1.0, 0.97, 0.92), 0.38)
