"""The contract of a generator: from codes to frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from s2vkit.parts.clip import Codes, Made


@runtime_checkable
class Generator(Protocol):
    """Built as `Generator(options, size=, features=, identity=, emotion=, map_shapes=)`.

    An nn.Module. `size` is H = W of the frames; `features`, `identity` and `emotion` are the
    sizes of the codes, 0 for a side that the recipe leaves out; `map_shapes` are the identity
    teacher's, small to large, empty where there are none (then no identity maps are made).
    One that hears the frames around each one too says how many, `reach`, to either side; then
    the codes hold their features, `around`.
    """

    size: int

    def __call__(self, codes: Codes) -> Made:
        """Draw codes of B clips at V times: frames (B, V, 3, H, W) in [-1, 1]."""
        ...
