"""The head without eyes, brows and mouth: skin, ears, nose, cheeks, wrinkles, beard, glasses."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from s2vkit_synthetic.body import shadow_of
from s2vkit_synthetic.expression import Expression
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.shapes import (
    Canvas,
    Grid,
    Point,
    blob,
    blob_points,
    box,
    circle,
    ellipse,
    mix,
    scale,
    speckle,
    stroke,
)

EYES_AT = -0.06  # height of the eyes
_MIDDLE = (0.0, 0.02)  # of the face, from where its outline is followed
MOUTH_AT = 0.39  # height of the mouth, on a chin that ends at 0.68


def mouth_at(person: Person) -> float:
    """Find the height of the mouth."""
    return MOUTH_AT + 0.55 * (person.length - 0.68)


def face(grid: Grid, person: Person) -> Tensor:
    """Measure the distance to the outline of the face."""
    return blob(grid, _MIDDLE, _outline(person))


def jaw_points(person: Person) -> Tensor:
    """Return 17 points of the outline, from the left temple over the chin to the right: (17, 2)."""
    return blob_points(_MIDDLE, _outline(person), torch.linspace(math.pi, 0.0, 17))


def nose_points(person: Person, expression: Expression) -> Tensor:
    """Return the nose's bridge from the eyes to the tip (4), and its base from left to right (5): (9, 2)."""
    wide, low = person.nose_wide, person.nose_low - 0.02 * expression.wrinkle
    bridge = [(0.0, y) for y in np.linspace(EYES_AT, low - 0.045, 4).tolist()]
    wing, hole = (1.13 * wide, low - 0.015), (0.45 * wide, low + 0.006)
    base = [(-wing[0], wing[1]), (-hole[0], hole[1]), (0.0, low + 0.02), hole, wing]
    return torch.tensor(bridge + base)


def _outline(person: Person) -> list[Point]:
    w, end = person.width, person.length
    return [
        (0.0, -0.72),
        (w * 0.62, -0.635),
        (w * 0.96, -0.36),
        (w, -0.06),
        (w * 0.965, 0.15),
        (person.jaw, 0.40),
        (person.chin + 0.09, end - 0.125),
        (person.chin, end - 0.045),
        (person.chin * 0.5, end - 0.008),
        (0.0, end),
    ]


def paint_head(canvas: Canvas, person: Person, expression: Expression) -> Tensor:
    """Paint the skin and all that is in it; give the distance to the face's outline."""
    grid, skin, dark = canvas.grid, complexion(person, expression), shadow_of(person)
    _ears(canvas, person, skin, dark)
    outline = face(grid, person)
    inside = grid.cover(outline)
    canvas.paint(inside, skin)
    canvas.shade(grid.glow(-outline - 0.03, 0.26) * inside, dark, 0.42)
    canvas.shade(grid.glow(0.20 - grid.x, 0.75) * inside, dark, 0.36)
    canvas.shade(grid.glow(0.52 - grid.y, 0.32) * inside, dark, 0.20)
    light = mix(person.skin, (1.0, 0.97, 0.90), 0.6)
    canvas.shade(grid.glow(ellipse(grid, -0.12, -0.42, 0.24, 0.13), 0.34) * inside, light, 0.45)
    canvas.shade(grid.glow(ellipse(grid, 0.0, person.length - 0.07, 0.06, 0.03), 0.12), light, 0.22)
    _cheeks(canvas, person, expression, dark)
    _sockets(canvas, person, dark)
    _nose(canvas, person, expression, dark)
    _wrinkles(canvas, person, expression, dark)
    if person.freckles:
        _freckles(canvas, person, dark)
    _beard(canvas, person, outline)
    return outline


def complexion(person: Person, expression: Expression) -> tuple[float, float, float]:
    """Find the colour of the skin for an emotion: flushed, pale or sick."""
    skin = person.skin
    if expression.blush > 0:
        skin = mix(skin, (0.88, skin[1] * 0.55, skin[2] * 0.5), 0.20 * expression.blush)
    else:
        skin = mix(skin, (0.86, 0.88, 0.95), -0.22 * expression.blush)
    return mix(skin, (0.60, 0.74, 0.40), 0.13 * expression.green)


def _ears(canvas: Canvas, person: Person, skin: tuple[float, float, float], dark: tuple[float, ...]) -> None:
    grid = canvas.grid
    for side in (-1, 1):
        at = side * (person.width + 0.005)
        ear = ellipse(grid, at, 0.02, person.ears * 0.75, person.ears * 1.25, side * 0.18)
        canvas.paint(grid.cover(ear), scale(skin, 0.95))
        inner = ellipse(grid, at + side * 0.012, 0.02, person.ears * 0.4, person.ears * 0.8)
        canvas.shade(grid.glow(inner, 0.06), dark, 0.7)
        canvas.shade(grid.cover(ear.abs() - 0.006), dark, 0.4)
        if person.earrings:
            ring = circle(grid, at, 0.02 + person.ears * 1.45, 0.028)
            canvas.paint(grid.cover(ring), (0.93, 0.76, 0.30))
            canvas.paint(
                grid.cover(circle(grid, at - 0.008, person.ears * 1.45 + 0.01, 0.008)), (1.0, 0.96, 0.8)
            )


def _cheeks(canvas: Canvas, person: Person, expression: Expression, dark: tuple[float, ...]) -> None:
    grid = canvas.grid
    rosy = mix(person.skin, (0.90, 0.32, 0.30), 0.45)
    amount = 0.50 + 0.22 * expression.blush + (0.1 if person.sex == "f" else -0.1)
    for side in (-1, 1):
        lift = 0.035 * expression.cheek
        spot = ellipse(grid, side * 0.30, 0.165 - lift, 0.10, 0.06)
        canvas.shade(grid.glow(spot, 0.17), rosy, max(0.0, min(0.9, amount)))
        if expression.cheek > 0.1:
            under = stroke(
                grid,
                [(side * 0.22, 0.085 - lift), (side * 0.30, 0.10 - lift), (side * 0.36, 0.07 - lift)],
                [0.004, 0.012, 0.004],
            )
            canvas.shade(grid.glow(under, 0.035), dark, 0.55 * expression.cheek)
    fold = 0.75 * max(expression.cheek, 0.8 * expression.wrinkle, 0.75 * person.lines)
    if fold > 0.05:
        low, wide = mouth_at(person), person.mouth * expression.wide
        for side in (-1, 1):
            path = [
                (side * (person.nose_wide + 0.03), 0.14),
                (side * (wide + 0.02), 0.24),
                (side * (wide + 0.06), low - 0.02),
            ]
            canvas.shade(grid.glow(stroke(grid, path, [0.004, 0.01, 0.004]), 0.035), dark, fold)


def _sockets(canvas: Canvas, person: Person, dark: tuple[float, ...]) -> None:
    grid = canvas.grid
    for side in (-1, 1):
        x = side * person.eye_gap
        hollow = ellipse(grid, x, EYES_AT - 0.05, person.eye_size * 1.15, 0.09)
        canvas.shade(grid.glow(hollow, 0.14), dark, 0.26)
        if person.lines > 0.2:
            bag = stroke(grid, [(x - 0.09, 0.03), (x, 0.065), (x + 0.09, 0.03)], [0.003, 0.01, 0.003])
            canvas.shade(grid.glow(bag, 0.03), dark, 0.6 * person.lines)


def _nose(canvas: Canvas, person: Person, expression: Expression, dark: tuple[float, ...]) -> None:
    grid, wide = canvas.grid, person.nose_wide
    low = person.nose_low - 0.02 * expression.wrinkle
    deep = scale(dark, 0.72)
    side = stroke(grid, [(0.045, -0.12), (0.035, 0.03), (wide * 0.75, low - 0.04)], [0.008, 0.012, 0.02])
    canvas.shade(grid.glow(side, 0.075), dark, 0.55)
    ridge = stroke(grid, [(-0.012, -0.10), (-0.018, low - 0.05)], [0.012, 0.03])
    light = mix(person.skin, (1.0, 0.97, 0.90), 0.7)
    canvas.shade(grid.glow(ridge, 0.06), light, 0.50)
    under = ellipse(grid, 0.015, low + 0.028, wide * 0.95, 0.022)
    canvas.shade(grid.glow(under, 0.06), dark, 0.60)
    for s in (-1, 1):
        wing = stroke(
            grid,
            [(s * wide, low - 0.055), (s * wide * 1.13, low - 0.015), (s * wide * 0.72, low + 0.012)],
            [0.006, 0.009, 0.006],
        )
        canvas.shade(grid.cover(wing, 0.02), dark, 0.75)
        hole = ellipse(grid, s * wide * 0.45, low + 0.006, wide * 0.27, 0.014, s * -0.25)
        canvas.shade(grid.cover(hole, 0.02), deep, 0.85)
    canvas.shade(grid.glow(circle(grid, -0.018, low - 0.045, 0.012), 0.04), (1.0, 0.98, 0.95), 0.4)


def _wrinkles(canvas: Canvas, person: Person, expression: Expression, dark: tuple[float, ...]) -> None:
    grid = canvas.grid
    deep = scale(dark, 0.8)

    def line(points: list[tuple[float, float]], strength: float) -> None:
        if strength > 0.04:
            mask = grid.glow(stroke(grid, points, [0.003, 0.008, 0.003]), 0.03)
            canvas.shade(mask, deep, min(0.9, strength))

    brow = max(expression.forehead, 0.7 * person.lines)
    for k, y in enumerate((-0.43, -0.51)):
        line([(-0.22 + 0.03 * k, y + 0.01), (0.0, y - 0.015), (0.22 - 0.03 * k, y + 0.01)], 0.6 * brow)
    for s in (-1, 1):
        line([(s * 0.035, -0.31), (s * 0.045, -0.25), (s * 0.035, -0.18)], 0.85 * expression.frown)
        line([(s * 0.02, -0.12), (s * 0.06, -0.09), (s * 0.085, -0.04)], 0.8 * expression.wrinkle)
        line([(s * 0.02, -0.07), (s * 0.055, -0.035), (s * 0.08, 0.01)], 0.8 * expression.wrinkle)
        out = s * (person.eye_gap + person.eye_size + 0.025)
        for rise in (-0.045, 0.0, 0.045):
            ends = [
                (out, EYES_AT + 0.3 * rise),
                (out + s * 0.035, EYES_AT + 0.8 * rise),
                (out + s * 0.07, EYES_AT + 1.3 * rise),
            ]
            line(ends, max(0.7 * person.lines, 0.35 * expression.cheek * (person.age > 28)))


def _freckles(canvas: Canvas, person: Person, dark: tuple[float, ...]) -> None:
    grid = canvas.grid
    spots = torch.zeros_like(grid.x)
    places = np.random.default_rng(3).uniform(-1, 1, (26, 2))
    for across, down in places.tolist():
        x, y = 0.36 * across, 0.10 + 0.085 * down - 0.10 * abs(across)
        spots = torch.maximum(spots, grid.cover(circle(grid, x, y, 0.008), 0.02))
    canvas.shade(spots, scale(dark, 0.9), 0.5)


def _beard(canvas: Canvas, person: Person, outline: Tensor) -> None:
    """Paint the beard and the moustache, under the lips that come later."""
    grid, low = canvas.grid, mouth_at(person)
    hairs = (0.5 + 0.5 * speckle(grid, 0.03)).clamp(0.0, 1.0)
    ink = scale(person.hair, 0.92)
    lit = mix(person.hair, (1, 1, 1), 0.16)
    mask = torch.zeros_like(grid.x)
    if person.beard in ("full", "stubble"):
        cheek = blob(
            grid,
            (0.0, 0.02),
            [(0, -0.2), (0.33, -0.02), (0.39, 0.12), (0.25, 0.27), (0.10, 0.275), (0.0, 0.265)],
        )
        edge = torch.maximum(outline - 0.015, -cheek)
        edge = torch.maximum(edge, 0.04 - grid.y)
        soft = 0.12 if person.beard == "stubble" else 0.05
        mask = grid.glow(edge, soft) * (0.40 if person.beard == "stubble" else 0.93)
    if person.beard == "goatee":
        ring = ellipse(grid, 0.0, low + 0.09, person.mouth * 0.92, 0.235)
        mask = grid.glow(torch.maximum(torch.maximum(ring, outline - 0.01), 0.235 - grid.y), 0.04) * 0.92
    if person.moustache:
        for s in (-1, 1):
            half = stroke(
                grid,
                [(s * 0.02, low - 0.105), (s * 0.13, low - 0.10), (s * 0.225, low - 0.03)],
                [0.038, 0.036, 0.008],
            )
            mask = torch.maximum(mask, grid.cover(half, 0.03))
    canvas.shade(mask, ink)
    canvas.shade(mask * hairs, lit, 0.45)


def paint_glasses(canvas: Canvas, person: Person) -> None:
    """Paint the frames and a shine on the glass, over the eyes."""
    grid = canvas.grid
    rim = (0.12, 0.10, 0.12) if person.glasses != "round" else (0.45, 0.20, 0.16)
    for s in (-1, 1):
        x = s * (person.eye_gap + 0.005)
        if person.glasses == "round":
            glass = ellipse(grid, x, EYES_AT + 0.005, 0.175, 0.165)
        elif person.glasses == "square":
            glass = box(grid, x, EYES_AT + 0.005, 0.18, 0.125, 0.045)
        else:
            bent = Grid(grid.x, grid.y + 0.22 * (grid.x * s - person.eye_gap), grid.pixel)
            glass = box(bent, x, EYES_AT + 0.005, 0.18, 0.12, 0.09)
            rim = (0.62, 0.12, 0.22)
        shine = grid.glow((grid.x - x) * 0.8 + (grid.y - EYES_AT + 0.05) * 0.6 + 0.05, 0.05)
        canvas.paint(shine * grid.cover(glass), (1.0, 1.0, 1.0), 0.13)
        canvas.paint(grid.cover(glass.abs() - 0.013), rim)
        arm = stroke(
            grid,
            [(s * (person.eye_gap + 0.18), EYES_AT - 0.03), (s * (person.width + 0.02), EYES_AT - 0.02)],
            [0.012],
        )
        canvas.paint(grid.cover(arm), rim)
    bridge = stroke(grid, [(-0.045, EYES_AT), (0.0, EYES_AT - 0.035), (0.045, EYES_AT)], [0.011])
    canvas.paint(grid.cover(bridge), rim)
