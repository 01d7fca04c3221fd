"""The contract of a generator: from codes to frames."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from s2vkit.interfaces.batch import Conditioning, GeneratorOutput


@runtime_checkable
class Generator(Protocol):
    """Built as `Generator(options, size=, features=, identity=, emotion=, map_shapes=)`.

    An nn.Module. `size` is H = W of the frames; `features`, `identity` and `emotion` are the
    sizes of the codes, 0 for a side that the recipe leaves out; `map_shapes` are the identity
    teacher's, small to large, empty where there are none (then no identity maps are made).
    One that hears the frames around each one too says how many, `reach`, to either side; then
    the codes hold their features, `around`.

    Two things it may have besides. `wants` names what it looks at beyond the codes of speech:
    "stills", a still image of each speaker from another clip; "sounds", raw speech at each
    frame. For the latter it says `sound_rate` (Hz; the encoder's must be the same),
    `sound_samples` of each frame and `lead`, how many frames before the first one it hears.
    One that remembers from frame to frame gives `GeneratorOutput.state`, which it is told again, as
    `Conditioning.state`, with the frames that follow; without it, it begins anew, at each run of
    frames that the sounds have.
    """

    size: int

    def __call__(self, codes: Conditioning) -> GeneratorOutput:
        """Draw codes of B clips at V times: frames (B, V, 3, H, W) in [-1, 1]."""
        ...
