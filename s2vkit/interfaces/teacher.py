"""The contract of a face teacher (and of an evaluator): a network of single face images."""

from __future__ import annotations

from torch import Tensor, nn


class Teacher(nn.Module):
    """Base of teachers and evaluators, built as `Teacher(options, size=..., labels=...)`.

    `size` is the height and width of the images it will get, `labels` the names of the
    classes it may be trained on (empty: one number is regressed). It owns its preprocessing:
    colour order, mean, grey, input size. Outside its own training the host runs it frozen,
    in eval mode and without gradient, caches what it gives, and leaves it out of every model.
    """

    dim: int  # of what forward gives
    gives: str  # "embedding" or "logits"
    map_shapes: list[tuple[int, int, int]]  # (C, h, w), small to large; may be empty
    classes: tuple[str, ...]  # what the outputs of classify mean; empty: one regressed number

    pretrained: bool = False
    """Whether its weights came from a file."""
    has_head: bool = False
    """Whether an embedding has a classifier alone, `head`; `distill` with `through_head` asks for it."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the embedding or the logits of (N, 3, H, W) images in [-1, 1]: (N, dim)."""
        raise NotImplementedError

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes.

        Raises InputError if the weights came from a file without a classifier.
        """
        raise NotImplementedError

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps [(N, C, h, w)] of `map_shapes`; gradients may flow. By default none."""
        return []

    def head(self, codes: Tensor) -> Tensor:
        """Return the logits of codes (N, dim); only where `has_head`."""
        raise NotImplementedError
