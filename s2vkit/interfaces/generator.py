"""The contract of a generator: from the conditioning on speech to frames."""

from __future__ import annotations

from torch import Tensor, nn

from s2vkit.interfaces.batch import Conditioning, GeneratorOutput
from s2vkit.options import Reference


class Generator(nn.Module):
    """Base of generators. Built as `Generator(options, size=, features=, codes=, map_shapes=)`.

    `size` is H = W of the frames; `features` the size of a speech feature; `codes` the size of
    each side's code, absent for a side that the recipe leaves out; `map_shapes` are the
    identity teacher's, small to large, empty if there are none (then no identity maps are
    generated).

    A recurrent one returns `GeneratorOutput.state`, which comes back as
    `Conditioning.state` with the frames that follow; without it, it begins anew, at each run of
    frames that the audio windows have. Another may return what it need not compute again.
    """

    size: int
    pretrained: bool = False  # whether its weights came from a file
    context_radius: int = 0  # frames to either side whose features it takes too, as `context`
    takes_reference_image: bool = False  # whether it needs an image of each speaker
    reference: Reference = "other_clip"  # which image that is in training and evaluation
    audio_samples: int = 0  # samples of raw speech at each frame that it takes, as `audio_windows`
    audio_rate: int | None = None  # Hz, of that speech; the encoder's must be the same
    warmup_frames: int = 0  # frames before the first one whose audio windows it takes too
    sees_frames: bool = False  # whether in training it is given the real frames, for what cannot be heard
    sees_mouths: bool = False  # whether in training it is given what landmarks measure of the mouth there
    hearing: nn.Module | None  # layers of its own that hear the mouth, which a stage teaches alone
    hearing_size: int = 0  # numbers that they give for a frame
    takes_times: bool = False  # whether a frame depends on its number in the clip, as a moving head's

    def __init__(self) -> None:
        super().__init__()
        self.hearing = None

    def forward(self, conditioning: Conditioning) -> GeneratorOutput:
        """Generate B clips at V times: frames (B, V, 3, H, W) in [-1, 1]."""
        raise NotImplementedError

    def remember(self, conditioning: Conditioning, people: Tensor | None) -> None:
        """Take in what cannot be heard of training clips, where it `sees_frames`; after the last step.

        `people` (B,) are the clips' numbers of their speakers, -1 where unknown.
        """
        raise NotImplementedError

    def hear(self, conditioning: Conditioning) -> Tensor:
        """Return what its `hearing` hears of the mouth in the speech (B, V, E), with gradient.

        E is `hearing_size`. A stage teaches it before the generator learns to draw, which does not move it.
        """
        raise NotImplementedError
