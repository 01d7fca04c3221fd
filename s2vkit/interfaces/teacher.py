"""The contract of a face teacher (and of an evaluator): it looks at single face images."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Teacher(Protocol):
    """Built as `Teacher(options, size=..., labels=...)`; an nn.Module.

    `size` is the height and width of the images it will get, `labels` the names of the
    classes it may be trained on (empty: one number is regressed). It owns its preprocessing:
    colour order, mean, grey, input size. Outside its own training the host runs it frozen,
    in eval mode and without gradient, caches what it gives, and leaves it out of every model.

    One that gives an embedding may also have `head(codes (N, dim)) -> logits`, its classifier
    alone; `distill` with `through_head` asks for it.
    """

    dim: int  # of what __call__ gives
    gives: str  # "embedding" or "logits"
    map_shapes: list[tuple[int, int, int]]  # (C, h, w), small to large; may be empty
    classes: tuple[str, ...]  # what the outputs of classify mean; empty: one regressed number
    pretrained: bool  # whether its weights came from a file

    def __call__(self, images: Tensor) -> Tensor:
        """Look at (N, 3, H, W) images in [-1, 1]: (N, dim)."""
        ...

    def classify(self, images: Tensor) -> Tensor:
        """Give logits (N, len(classes)), or (N, 1) where there are no classes.

        Raises InputError where the weights came from a file without a classifier.
        """
        ...

    def maps(self, images: Tensor) -> list[Tensor]:
        """Give the feature maps [(N, C, h, w)] of `map_shapes`; gradients may flow."""
        ...
