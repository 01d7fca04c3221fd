"""The contract of a sync evaluator: it says how well lips and speech go together, and when."""

from __future__ import annotations

from torch import Tensor, nn


class SyncEvaluator(nn.Module):
    """Base of sync evaluators, built as `Evaluator(options, size=...)`.

    `size` is the height and width of the frames it will get. It embeds windows of a few frames,
    one a frame, and the speech of the same time; the distance of what it gives for both
    is small where they belong together. It owns its preprocessing. Outside its own training
    the host runs it frozen, in eval mode and without gradient.
    """

    fps: float  # of the frames it takes
    sample_rate: int  # Hz, of the speech it takes
    dim: int  # E

    pretrained: bool = False
    """Whether its weights came from a file."""

    def forward(self, frames: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Embed frames (B, V, 3, H, W) in [-1, 1] and speech (B, S) of the same time: (B, N, E) each.

        Window n begins with frame n. N is 0 where a clip is shorter than one window.
        """
        raise NotImplementedError
