"""The contract of a discriminator: it scores what is real and what is made."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Discriminator(Protocol):
    """Built as `Discriminator(options, size=, features=, map_shapes=)`; an nn.Module.

    `wants` says what it is called with, and real and made go through the same call:

    - ("identity_maps",): a list of maps [(B, C, h, w)]
    - ("frames",): images (N, 3, H, W) in [-1, 1]
    - ("frames", "features"): images (N, 3, H, W) and features (N, D); then it is also shown
      real frames with features of another time (`mismatched`)
    - ("frames", "stills"): images (N, 3, H, W), and one still of each one's speaker, alike
    - ("windows",): runs of W consecutive frames (M, W, 3, H, W); the stage draws such runs
    - ("windows", "features"): the same with their features (M, W, D), and `mismatched` ones

    It may have a method `layers(*seen)`, which gives what its layers see [(N, ...)], for the
    matching of features. One of ("frames", "features") may say `pairs = True`: then it also
    takes `which` (M,), with features (M, D) of which feature m goes with image `which[m]`, so
    that it need not look twice at the real frames.
    """

    wants: tuple[str, ...]

    def __call__(self, *seen: Tensor | list[Tensor]) -> Tensor:
        """Give scores, one or more an item: (N, ...)."""
        ...
