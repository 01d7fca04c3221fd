"""Distances to simple shapes, and a canvas that paints their antialiased masks.

Coordinates: x to the right, y down, the picture from -1 to 1 both ways. A distance is
negative inside. All shapes broadcast over the grid they are given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Color = tuple[float, float, float]  # RGB in [0, 1]
Point = tuple[float, float]
_ANGLES = 720


@dataclass
class Grid:
    """Where the pixels lie, and how wide one is."""

    x: Tensor
    y: Tensor
    pixel: float

    def cover(self, distance: Tensor, blur: float = 0.0) -> Tensor:
        """Turn a distance into coverage in [0, 1], antialiased over a pixel or `blur`."""
        width = max(1.3 * self.pixel, blur)
        return (0.5 - distance / width).clamp(0.0, 1.0)

    def glow(self, distance: Tensor, blur: float) -> Tensor:
        """Turn a distance into a soft mask that fades over `blur` around the edge."""
        t = (0.5 - distance / blur).clamp(0.0, 1.0)
        return t * t * (3.0 - 2.0 * t)

    def __getitem__(self, where: tuple[slice, ...]) -> Grid:
        return Grid(self.x[where], self.y[where], self.pixel)


def square(pixels: int, reach: float, pixel: float) -> Grid:
    """Lay a grid (1, pixels, pixels) over [-reach, reach]; edges are soft by `pixel`."""
    at = (torch.arange(pixels) + 0.5) / pixels * (2 * reach) - reach
    y, x = torch.meshgrid(at, at, indexing="ij")
    return Grid(x[None], y[None], pixel)


class Canvas:
    """Colour (3, V, H, W) and coverage (V, H, W) that shapes are painted on, one over another."""

    def __init__(self, grid: Grid, color: Color | None = None) -> None:
        self.grid = grid
        self.rgb = torch.zeros(3, *grid.x.shape)
        self.alpha = torch.zeros(grid.x.shape)
        if color is not None:
            self.rgb += tint(color)
            self.alpha += 1.0

    def paint(self, mask: Tensor, color: Color | Tensor, strength: float = 1.0) -> None:
        """Lay a colour over what is there, opaque where the mask is 1."""
        mask = mask * strength
        ink = tint(color) if isinstance(color, tuple) else color
        self.rgb = self.rgb + (ink - self.rgb) * mask
        self.alpha = self.alpha + (1.0 - self.alpha) * mask

    def shade(self, mask: Tensor, color: Color | Tensor, strength: float = 1.0) -> None:
        """Tint what is there without covering more of the picture."""
        ink = tint(color) if isinstance(color, tuple) else color
        self.rgb = self.rgb + (ink - self.rgb) * (mask * strength)

    def light(self, factor: Tensor) -> None:
        """Multiply the colours by a factor of each pixel."""
        self.rgb = (self.rgb * factor).clamp(0.0, 1.0)


def speckle(grid: Grid, cell: float) -> Tensor:
    """Make fixed smooth noise, about -1 to 1, whose grains are `cell` wide."""
    count = max(4, round(2.5 / cell))
    noise = torch.randn(1, 1, count, count, generator=torch.Generator().manual_seed(5))
    at = torch.stack([grid.x, grid.y], -1) / 1.25
    return functional.grid_sample(noise, at, "bicubic", "reflection", align_corners=False)[0]


def tint(color: Color) -> Tensor:
    """Return a colour as a tensor that broadcasts over a canvas."""
    return torch.tensor(color).view(3, 1, 1, 1)


def mix(a: Color, b: Color, part: float) -> Color:
    """Mix two colours."""
    return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part, a[2] + (b[2] - a[2]) * part)


def scale(a: Color, factor: float) -> Color:
    """Darken or lighten a colour."""
    return (min(1.0, a[0] * factor), min(1.0, a[1] * factor), min(1.0, a[2] * factor))


def circle(grid: Grid, x: float, y: float, radius: float) -> Tensor:
    """Measure the distance to a circle."""
    return torch.hypot(grid.x - x, grid.y - y) - radius


def ellipse(grid: Grid, x: float, y: float, a: float, b: float, turn: float = 0.0) -> Tensor:
    """Measure, nearly, the distance to an ellipse of half axes a and b, turned by radians."""
    dx, dy = grid.x - x, grid.y - y
    if turn:
        c, s = math.cos(turn), math.sin(turn)
        dx, dy = dx * c + dy * s, dy * c - dx * s
    k = torch.hypot(dx / a, dy / b)
    slope = torch.hypot(dx / (a * a), dy / (b * b))
    return k * (k - 1.0) / slope.clamp(min=1e-4)


def box(grid: Grid, x: float, y: float, a: float, b: float, radius: float) -> Tensor:
    """Measure the distance to a box of half sides a and b with round corners."""
    dx = (grid.x - x).abs() - (a - radius)
    dy = (grid.y - y).abs() - (b - radius)
    outside = torch.hypot(dx.clamp(min=0), dy.clamp(min=0))
    return outside + torch.maximum(dx, dy).clamp(max=0) - radius


def stroke(grid: Grid, points: Sequence[Point], widths: Sequence[float]) -> Tensor:
    """Measure the distance to a curve through `points`, of radius `widths` along it."""
    path = _curve(points, widths)
    best = torch.full_like(grid.x, 1e3)
    for (x0, y0, r0), (x1, y1, r1) in pairwise(path):
        ex, ey = x1 - x0, y1 - y0
        dx, dy = grid.x - x0, grid.y - y0
        t = ((dx * ex + dy * ey) / max(ex * ex + ey * ey, 1e-8)).clamp(0.0, 1.0)
        reach = torch.hypot(dx - t * ex, dy - t * ey) - (r0 + t * (r1 - r0))
        best = torch.minimum(best, reach)
    return best


def blob(grid: Grid, center: Point, outline: Sequence[Point], *, mirror: bool = True) -> Tensor:
    """Measure, nearly, the distance to a smooth star-shaped outline around `center`.

    With `mirror`, `outline` gives the right half from the top to the bottom.
    """
    table, slope = _polar(_around(center, outline, mirror))
    dx, dy = grid.x - center[0], grid.y - center[1]
    r = torch.hypot(dx, dy)
    at = ((torch.atan2(dy, dx) / (2 * math.pi)) % 1.0) * _ANGLES
    low = at.long().clamp(max=_ANGLES - 1)
    part = at - low
    radius = table[low] * (1 - part) + table[low + 1] * part
    return (r - radius) / torch.sqrt(1.0 + (slope[low] / radius) ** 2)


def blob_points(center: Point, outline: Sequence[Point], angles: Tensor) -> Tensor:
    """Return points (N, 2) on the outline of such a mirrored blob, at angles from the right, clockwise."""
    table, _ = _polar(_around(center, outline, mirror=True))
    radius = table[(angles / (2 * math.pi) * _ANGLES).round().long()]
    return torch.stack([radius * torch.cos(angles), radius * torch.sin(angles)], 1) + torch.tensor(center)


def _around(center: Point, outline: Sequence[Point], mirror: bool) -> list[Point]:
    knots = [(x - center[0], y - center[1]) for x, y in outline]
    return knots + [(-x, y) for x, y in knots] if mirror else knots


def _polar(knots: Sequence[Point]) -> tuple[Tensor, Tensor]:
    """Tabulate the radius and its slope over the angle, by a smooth periodic curve."""
    polar = {}
    for x, y in knots:
        polar[round(math.atan2(y, x) % (2 * math.pi), 4)] = math.hypot(x, y)
    angle = np.array(sorted(polar))
    radius = np.array([polar[a] for a in angle])
    angle = np.concatenate([angle - 2 * math.pi, angle, angle + 2 * math.pi])
    radius = np.tile(radius, 3)
    slope = np.gradient(radius, angle)
    at = np.linspace(0, 2 * math.pi, _ANGLES + 1)
    k = np.searchsorted(angle, at, side="right") - 1
    h = angle[k + 1] - angle[k]
    t = (at - angle[k]) / h
    table = (
        (1 + 2 * t) * (1 - t) ** 2 * radius[k]
        + t * (1 - t) ** 2 * h * slope[k]
        + t * t * (3 - 2 * t) * radius[k + 1]
        + t * t * (t - 1) * h * slope[k + 1]
    )
    turn = np.gradient(table, at)
    return torch.tensor(table, dtype=torch.float32), torch.tensor(turn, dtype=torch.float32)


def _curve(points: Sequence[Point], widths: Sequence[float]) -> list[tuple[float, float, float]]:
    """Follow a quadratic through three points (or a line through two) with its widths."""
    if len(points) == 2:
        return [(*p, w) for p, w in zip(points, (widths[0], widths[-1]), strict=True)]
    steps = np.linspace(0.0, 1.0, 17 if max(widths) > 0.1 else 7)
    path = bend(points, steps)
    along = np.interp(steps, np.linspace(0, 1, len(widths)), widths)
    return [(float(p[0]), float(p[1]), float(w)) for p, w in zip(path, along, strict=True)]


def bend(points: Sequence[Point], steps: np.ndarray) -> list[np.ndarray]:
    """Follow a quadratic through three points, at `steps` from 0 to 1."""
    a, m, b = (np.array(p) for p in points)
    control = 2 * m - (a + b) / 2
    return [(1 - t) ** 2 * a + 2 * t * (1 - t) * control + t * t * b for t in steps]
