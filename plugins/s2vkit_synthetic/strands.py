"""How hair looks and where it ends: straight strands, curls, and outlines around a head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from s2vkit_synthetic.shapes import Canvas, Color, Grid, Point, blob, ellipse, mix, scale, speckle

TOP: Point = (0.0, -0.20)
"""Around what the outline of the hair is drawn."""


def comb(canvas: Canvas, mask: Tensor, color: Color, fine: float, root: Point = (0.05, -0.95)) -> None:
    """Paint straight hair that falls from `root`: strands, a shine, a darker lower end."""
    grid = canvas.grid
    fall = torch.atan2(grid.x - root[0], grid.y - root[1])
    far = torch.hypot(grid.x - root[0], grid.y - root[1])
    loose = fall + 0.05 * speckle(grid, 0.30)
    strands = torch.sin(loose * fine) * torch.sin(loose * fine * 0.37 + 1.0) + 0.7 * torch.sin(
        loose * fine * 2.3 + far * 2
    )
    canvas.paint(mask, color)
    shine = torch.exp(-(((far - 0.42 - 0.05 * torch.sin(loose * fine * 0.7)) / 0.09) ** 2))
    canvas.shade(mask * shine, mix(color, (1.0, 0.96, 0.88), 0.55), 0.55)
    canvas.shade(mask * grid.glow(0.18 - grid.x, 0.8), scale(color, 0.60), 0.5)
    canvas.rgb = (canvas.rgb * (1.0 + 0.10 * mask * strands)).clamp(0, 1)


def curls(canvas: Canvas, shape: Tensor, color: Color) -> None:
    """Paint curly hair: many small lit rounds."""
    grid = canvas.grid
    mask = grid.cover(shape)
    canvas.paint(mask, color)
    u, v = grid.x * 21, grid.y * 21
    rounds = torch.sin(u + 1.3 * torch.sin(v * 0.7)) * torch.sin(v + 1.3 * torch.sin(u * 0.8))
    light = mix(color, (1.0, 0.92, 0.82), 0.28)
    canvas.shade(mask * (rounds * 0.5 + 0.5) ** 1.5, light, 0.75)
    canvas.shade(mask * (0.5 - rounds * 0.5) ** 2, scale(color, 0.6), 0.7)
    canvas.shade(mask * grid.glow(0.15 - grid.x, 0.8), scale(color, 0.6), 0.40)
    canvas.shade(mask * grid.glow(ellipse(grid, -0.2, -0.68, 0.3, 0.1), 0.25), light, 0.35)


def fuzz(grid: Grid, shape: Tensor, bumps: int) -> Tensor:
    """Make the edge of a distance bumpy, with about `bumps` around the head."""
    turn = torch.atan2(grid.y - TOP[1], grid.x - TOP[0])
    return shape - 0.022 * torch.sin(turn * bumps) - 0.012 * torch.sin(turn * (bumps * 2 - 7))


def cap(grid: Grid, around: Sequence[Point], opening: Sequence[Point], *, mirror: bool = True) -> Tensor:
    """Measure the distance to hair between the outline of the hair and the free face."""
    free = blob(grid, (0.0, -0.02), opening, mirror=mirror)
    return torch.maximum(blob(grid, TOP, around), -free)


def outer(w: float, top: float, side: float, low: float) -> list[Point]:
    """Outline hair that stands off a head of half width w by `top` and `side`, down to `low`."""
    return [
        (0.0, -0.74 - top),
        (w * 0.62, -0.65 - top * 0.85),
        (w + side * 0.8, -0.36),
        (w + side, -0.06),
        (w + side * 0.7, low),
        (w * 0.5, low + 0.12),
        (0.0, low + 0.16),
    ]
