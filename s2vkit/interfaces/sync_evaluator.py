"""The contract of a sync evaluator: it says how well lips and speech go together, and when."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class SyncEvaluator(Protocol):
    """Built as `Evaluator(options, size=...)`; an nn.Module.

    `size` is the height and width of the frames it will get. It sees windows of a few frames,
    one a frame, and hears the speech of the same time; the distance of what it gives for both
    is small where they belong together. It owns its preprocessing. Outside its own training
    the host runs it frozen, in eval mode and without gradient.
    """

    fps: float  # of the frames it takes
    sample_rate: int  # Hz, of the speech it takes
    dim: int  # E
    pretrained: bool  # whether its weights came from a file

    def __call__(self, frames: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Look at (B, V, 3, H, W) in [-1, 1], hear (B, S) of the same time: (B, N, E) each.

        Window n begins with frame n. N is 0 where a clip is shorter than one window.
        """
        ...
