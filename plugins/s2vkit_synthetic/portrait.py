"""A whole clip, drawn: still layers once, then head motion, eyes and mouth in each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2vkit_synthetic.body import paint_body, paint_wall
from s2vkit_synthetic.expression import Expression
from s2vkit_synthetic.features import paint_brow, paint_eye
from s2vkit_synthetic.hair import paint_back_hair, paint_front_locks, paint_hair
from s2vkit_synthetic.head import mouth_at, paint_glasses, paint_head
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.mouth import GAPE, Speaking, paint_mouth
from s2vkit_synthetic.shapes import Canvas, Grid, square

_REACH = 1.12  # how far the head's picture goes, so that motion never shows its border
_FINE = 1.75  # its pixels to one of the frame
PIVOT = 0.55  # the height around which the head turns


@dataclass
class Motion:
    """How the head, lids and brows move: (V,) each; lengths in picture coordinates."""

    x: Tensor
    y: Tensor
    turn: Tensor  # radians
    size: Tensor
    closure: Tensor  # 0 to 1
    brows: Tensor


@dataclass(frozen=True)
class Light:
    """How a clip is lit and how its camera grains."""

    brightness: float
    warmth: float
    grain: float


def draw(
    person: Person,
    expression: Expression,
    say: Speaking,
    motion: Motion,
    light: Light,
    *,
    size: int,
    noise: torch.Generator,
    chunk: int = 16,
) -> np.ndarray:
    """Draw V frames (V, size, size, 3) uint8 of someone who speaks with an emotion."""
    pixel = 2.0 / size
    back = _backdrop(person, size, pixel)
    head, glasses = _still_head(person, expression, size, pixel)
    frames = []
    for start in range(0, len(motion.x), chunk):
        part = slice(start, start + chunk)
        moved = Motion(*(getattr(motion, k)[part] for k in Motion.__dataclass_fields__))
        spoken = Speaking(*(getattr(say, k)[part] for k in Speaking.__dataclass_fields__))
        frames.append(_frames(person, expression, spoken, moved, back, head, glasses, size, pixel))
    rgb = torch.cat(frames, 1)
    return _film(rgb, light, noise)


def _backdrop(person: Person, size: int, pixel: float) -> Tensor:
    """Paint what is behind the head: (3, 1, H, W)."""
    canvas = Canvas(square(size, 1.0, pixel))
    paint_wall(canvas, person)
    paint_back_hair(canvas, person)
    paint_body(canvas, person)
    paint_front_locks(canvas, person)
    return canvas.rgb


def _still_head(
    person: Person, expression: Expression, size: int, pixel: float
) -> tuple[Tensor, Tensor | None]:
    """Paint the head without what moves in it, and glasses: (1, 4, h, h), premultiplied."""
    grid = square(round(size * _FINE * _REACH), _REACH, pixel)
    canvas = Canvas(grid)
    paint_head(canvas, person, expression)
    paint_hair(canvas, person)
    over = None
    if person.glasses:
        worn = Canvas(grid)
        paint_glasses(worn, person)
        over = _premultiplied(worn)
    return _premultiplied(canvas), over


def _premultiplied(canvas: Canvas) -> Tensor:
    alpha = canvas.alpha[None]
    return torch.cat([canvas.rgb * alpha, alpha]).transpose(0, 1).contiguous()


def _frames(
    person: Person,
    expression: Expression,
    say: Speaking,
    motion: Motion,
    back: Tensor,
    head: Tensor,
    glasses: Tensor | None,
    size: int,
    pixel: float,
) -> Tensor:
    """Draw some frames: (3, V, H, W)."""
    grid = _head_grid(square(size, 1.0, pixel), expression, motion)
    rgb = _over(back, _sample(head, grid, jaw_drop(grid, person, say)))
    closure, brows = (t.view(-1, 1, 1) for t in (motion.closure, motion.brows))
    for side in (-1, 1):
        gap = side * person.eye_gap
        with _Patch(rgb, grid, (gap - 0.25, gap + 0.25), (-0.56, 0.12)) as patch:
            paint_eye(patch, person, expression, side, closure)
            paint_brow(patch, person, expression, side, brows)
    middle = mouth_at(person)
    with _Patch(rgb, grid, (-0.34, 0.34), (middle - 0.24, middle + 0.30)) as patch:
        paint_mouth(patch, person, expression, say)
    if glasses is not None:
        rgb = _over(rgb, _sample(glasses, grid, None))
    return rgb


def _head_grid(grid: Grid, expression: Expression, motion: Motion) -> Grid:
    """Find where each pixel lies on the unmoved head: (V, H, W)."""
    x0, y0, turn, size = (t.view(-1, 1, 1) for t in (motion.x, motion.y, motion.turn, motion.size))
    turn, size = turn + expression.turn, size * expression.near
    dx, dy = (grid.x - x0) / size, (grid.y - y0 - expression.bow - PIVOT) / size
    c, s = torch.cos(turn), torch.sin(turn)
    return Grid(dx * c + dy * s, dy * c - dx * s + PIVOT, grid.pixel)


def jaw_drop(grid: Grid, person: Person, say: Speaking) -> Tensor:
    """Find how far the chin has dropped at each pixel."""
    start, end = mouth_at(person) - 0.05, person.length - 0.02
    t = ((grid.y - start) / (end - start)).clamp(0.0, 1.0)
    side = grid.glow(grid.x.abs() - 0.40, 0.22)
    return 0.34 * GAPE * say.open * (t * t * (3 - 2 * t)) * side


def _sample(layer: Tensor, grid: Grid, drop: Tensor | None) -> Tensor:
    y = grid.y if drop is None else grid.y - drop
    at = torch.stack([grid.x, y], -1) / _REACH
    many = layer.expand(at.shape[0], -1, -1, -1)
    return functional.grid_sample(many, at, align_corners=False).transpose(0, 1)


def _over(below: Tensor, layer: Tensor) -> Tensor:
    return below * (1.0 - layer[3:]) + layer[:3]


class _Patch:
    """A canvas over a part of the frames; what is painted goes back when it is left."""

    def __init__(self, rgb: Tensor, grid: Grid, x: tuple[float, float], y: tuple[float, float]) -> None:
        size = rgb.shape[-1]
        margin = 0.07  # the head's motion
        self.rows, self.columns = (
            slice(
                max(0, int((low - margin + 1) / 2 * size)), min(size, int((high + margin + 1) / 2 * size) + 2)
            )
            for low, high in (y, x)
        )
        where = (slice(None), self.rows, self.columns)
        self.rgb = rgb
        self.canvas = Canvas(Grid(grid.x[where], grid.y[where], grid.pixel))
        self.canvas.rgb = rgb[:, :, self.rows, self.columns]
        self.canvas.alpha = torch.ones(())

    def __enter__(self) -> Canvas:
        return self.canvas

    def __exit__(self, *_: object) -> None:
        self.rgb[:, :, self.rows, self.columns] = self.canvas.rgb


def _film(rgb: Tensor, light: Light, noise: torch.Generator) -> np.ndarray:
    """Light the frames, grain them, and store them as bytes (V, H, W, 3)."""
    gains = torch.tensor([1.0 + light.warmth, 1.0, 1.0 - light.warmth]).view(3, 1, 1, 1)
    grain = torch.randn(rgb.shape[1:], generator=noise) * light.grain
    lit = rgb * (gains * light.brightness) + grain
    return lit.mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 3, 0).numpy()
