"""Where the parts of a drawn face lie in each frame: the 68 points of the markup of 300-W."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from s2vkit_synthetic.expression import Expression
from s2vkit_synthetic.features import brow_points, eye_points
from s2vkit_synthetic.head import jaw_points, nose_points
from s2vkit_synthetic.identity import Person
from s2vkit_synthetic.mouth import Speaking, mouth_points
from s2vkit_synthetic.portrait import PIVOT, Motion, jaw_drop
from s2vkit_synthetic.shapes import Grid

_SETTLED = 20  # rounds until a point of the jaw lies where it has dropped to


def landmarks(person: Person, expression: Expression, say: Speaking, motion: Motion, size: int) -> np.ndarray:
    """Return the points (V, 68, 2) float32 of frames that `draw` draws, in pixels, x before y.

    In the order of iBUG's markup (Sagonas et al. 2013): jaw 17, brows 5 each, nose 9, eyes 6 each,
    outer lips 12, inner lips 8; the side on the viewer's left comes first.
    """
    frames = len(motion.x)
    closure, brows = (t.view(-1, 1, 1) for t in (motion.closure, motion.brows))
    parts = [
        _dropped(jaw_points(person), person, say),
        *(brow_points(person, expression, side, brows) for side in (-1, 1)),
        nose_points(person, expression).expand(frames, -1, -1),
        *(eye_points(person, expression, side, closure) for side in (-1, 1)),
        mouth_points(person, expression, say),
    ]
    moved = _moved(torch.cat(parts, 1), expression, motion)
    return ((moved + 1) / 2 * size).float().numpy()


def _dropped(points: Tensor, person: Person, say: Speaking) -> Tensor:
    """Move points (N, 2) of the resting head down with the chin: (V, N, 2)."""
    x, rest = points.unbind(1)
    y = rest.expand(len(say.open), 1, -1)
    for _ in range(_SETTLED):
        y = rest + jaw_drop(Grid(x, y, 1.0), person, say)
    return torch.stack([x.expand_as(y), y], -1)[:, 0]


def _moved(points: Tensor, expression: Expression, motion: Motion) -> Tensor:
    """Turn, scale and move points (V, N, 2) of the head to where they lie in the picture."""
    x0, y0, turn, size = (t.view(-1, 1) for t in (motion.x, motion.y, motion.turn, motion.size))
    turn, size = turn + expression.turn, size * expression.near
    x, y = points[..., 0], points[..., 1] - PIVOT
    c, s = torch.cos(turn), torch.sin(turn)
    across, down = x * c - y * s, x * s + y * c
    return torch.stack([across * size + x0, down * size + y0 + expression.bow + PIVOT], -1)
