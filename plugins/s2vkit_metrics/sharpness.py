"""CPBD: how much of a picture's edges looks sharp (Narvekar and Karam 2011)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from s2vkit import Outcome, Score
from s2vkit_metrics import CpbdOptions
from s2vkit_metrics.averages import OverClips
from s2vkit_metrics.likeness import luma, unit

_STRONG = 4  # times the mean strength of a picture's gradients: an edge (Octave's default)
_MAX_WIDTH = 100  # pixels that an edge is followed to either side
_RIGHT_ANGLE_SHARE = np.tan(np.pi / 8)  # gradients within 22.5 degrees of the horizontal


class Cpbd(OverClips):
    """The share of edge pixels whose blur is not seen; 1: all edges are sharp."""

    def __init__(self, options: CpbdOptions) -> None:
        super().__init__()
        self.options = options

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.names.append(outcome.name)
        self.generated.append(self._clip(outcome.generated))
        self.real.append(self._clip(outcome.real))

    def compute(self) -> Score:
        """Return the mean over clips."""
        o = self.options
        return self.score(
            f"CPBD on luma (Rec. 601) of 0 to 255: blocks of {o.block} px with more than "
            f"{o.edges:g} of their pixels on vertical Sobel edges; just noticeable widths "
            f"{o.width_low:g} px up to a contrast of {o.contrast} and {o.width_high:g} above; "
            f"exponent {o.beta:g}; share of edges with a blur probability of at most "
            f"{o.visible_above:g}; mean over frames, then over clips; frames without edges count as 0; "
            "on real: the same on the real frames"
        )

    def _clip(self, frames: Tensor) -> float:
        grey = (luma(unit(frames))[:, 0] * 255).round().cpu().numpy()
        return float(np.mean([cpbd(picture, self.options) for picture in grey]))


def cpbd(picture: np.ndarray, options: CpbdOptions) -> float:
    """Return the CPBD of one grey picture (H, W) of 0 to 255, in whole blocks; 0 without edges."""
    picture = picture.astype(np.float64)
    edges = vertical_edges(picture)
    widths = edge_widths(picture, edges)
    side, seen = options.block, []
    for top in range(0, picture.shape[0] - side + 1, side):
        for left in range(0, picture.shape[1] - side + 1, side):
            block = np.s_[top : top + side, left : left + side]
            if np.count_nonzero(edges[block]) > options.edges * side * side:
                seen.append(_probabilities(picture[block], widths[block], options))
    chances = np.concatenate(seen) if seen else np.zeros(0)
    return (
        float((np.round(100 * chances) <= round(100 * options.visible_above)).mean()) if len(chances) else 0.0
    )


def _probabilities(block: np.ndarray, widths: np.ndarray, options: CpbdOptions) -> np.ndarray:
    """Return the chance that the blur of each measured edge of a block is seen."""
    contrast = int(block.max() - block.min())
    noticed = options.width_low if contrast <= options.contrast else options.width_high
    chances: np.ndarray = 1 - np.exp(-((widths[widths > 0] / noticed) ** options.beta))
    return chances


def vertical_edges(picture: np.ndarray) -> np.ndarray:
    """Find the edges (H, W) whose horizontal Sobel gradient is strong, thinned to a line.

    As Octave and python-cpbd: stronger than both neighbours beside it, or above and below; so
    a clean step between two pixels, where both are as strong, is none.
    """
    padded = np.pad(picture, 1, mode="symmetric")
    across = padded[:, 2:] - padded[:, :-2]
    strength = ((across[:-2] + 2 * across[1:-1] + across[2:]) / 4) ** 2
    strength = np.where(strength > _STRONG * strength.mean(), strength, 0.0)
    padded = np.pad(strength, 1)
    beside = (strength > padded[1:-1, :-2]) & (strength > padded[1:-1, 2:])
    above: np.ndarray = (strength > padded[:-2, 1:-1]) & (strength > padded[2:, 1:-1])
    return beside | above


def edge_widths(picture: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Measure edges that run up and down (H, W): pixels over which the light keeps changing.

    Marziliano's method: from a pixel beside the edge the light is followed to either side as
    long as it goes the way of the edge. 0 where there is no such edge.
    """
    down, across = np.gradient(picture)
    level = np.abs(down) <= _RIGHT_ANGLE_SHARE * np.abs(across)
    inner = np.zeros_like(edges)
    inner[1:-1, 1:-1] = edges[1:-1, 1:-1]
    steps = np.diff(picture, axis=1)
    widths = np.zeros(picture.shape)
    for way in (1, -1):
        chosen = inner & (level & (way * across > 0))
        before, after = _runs(way * steps > 0), _runs((way * steps > 0)[:, ::-1])[:, ::-1]
        total = np.zeros(picture.shape)
        total[:, 2:] += before[:, : picture.shape[1] - 2]  # steps that end at the pixel before
        total[:, :-2] += after[:, 1:]
        widths[chosen] = total[chosen] + 2
    return widths


def _runs(rising: np.ndarray) -> np.ndarray:
    """Count how many in a row are true up to each place, at most 100."""
    counts = np.zeros(rising.shape, dtype=int)
    running = np.zeros(len(rising), dtype=int)
    for column in range(rising.shape[1]):
        running = np.where(rising[:, column], running + 1, 0)
        counts[:, column] = running
    return counts.clip(max=_MAX_WIDTH)
