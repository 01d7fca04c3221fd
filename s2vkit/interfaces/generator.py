"""The contract of a generator: from codes to frames."""

from __future__ import annotations

from torch import nn

from s2vkit.interfaces.batch import Conditioning, GeneratorOutput


class Generator(nn.Module):
    """Base of generators, built as `Generator(options, size=, features=, identity=, emotion=, map_shapes=)`.

    `size` is H = W of the frames; `features`, `identity` and `emotion` are the sizes of the
    codes, 0 for a side that the recipe leaves out; `map_shapes` are the identity teacher's,
    small to large, empty where there are none (then no identity maps are made).

    One that remembers from frame to frame gives `GeneratorOutput.state`, which comes back, as
    `Conditioning.state`, with the frames that follow; without it, it begins anew, at each run of
    frames that the sounds have.
    """

    size: int

    pretrained: bool = False
    """Whether its weights came from a file."""
    reach: int = 0
    """Frames to either side of each one whose features it needs too, as `Conditioning.around`."""
    wants: tuple[str, ...] = ()
    """What it needs beside codes of speech: "stills", an image of each speaker from another clip;
    "sounds", raw speech at each frame."""
    sound_rate: int | None = None
    """Hz of the sounds, which the encoder's must be too; None: any."""
    sound_samples: int = 0
    """Samples of speech at each frame."""
    lead: int = 0
    """Frames before the first one whose sounds it is given, to warm its memory up."""

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Generate the frames of B clips at V times: (B, V, 3, H, W) in [-1, 1]."""
        raise NotImplementedError
