"""The three discriminators of speech-driven facial animation (Vougioukas et al. 2019).

Their training code was never published. What is known is kept: the frame discriminator sees a frame
beside the speaker's first one; the sequence discriminator is convolutions in space and time and a GRU;
the synchrony discriminator compares embeddings of five lower half faces and of the speech at that
time by their distance, real pairs out of step being fakes. Layer widths are options. Speech is
here the audio encoder's features of those frames, in the place of 0.2 s of raw speech. Scores
are linear, without the sigmoid, so that any adversarial loss goes with them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import (
    Batch,
    Discriminator,
    Features,
    GeneratorOutput,
    Inputs,
    Mismatched,
    ReferenceImages,
    windows,
)
from s2vkit.nn import face_part
from s2vkit_discriminators import SdfaFrameOptions, SdfaSequenceOptions, SdfaSyncOptions
from s2vkit_discriminators.layers import Shape, halvings, layer_of, leaky, space_time, widths_of


class SdfaFrame(Discriminator):
    """Scores a frame and a still of its speaker, laid on each other: 6 channels, halved to 4 px."""

    fields = (ReferenceImages(),)

    def __init__(
        self, options: SdfaFrameOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        layer = layer_of(options.spectral_norm)
        layers = halvings(size, 4)
        widths = widths_of(6, options.channels, options.max_multiple, layers)
        body: list[nn.Module] = []
        for i in range(layers):
            body.append(layer(nn.Conv2d(widths[i], widths[i + 1], 4, 2, 1)))
            if i and options.batch_norm and not options.spectral_norm:
                body.append(nn.BatchNorm2d(widths[i + 1]))
            body.append(leaky())
        side = size >> layers
        self.body = nn.Sequential(*body, layer(nn.Conv2d(widths[-1], 1, max(1, side))))
        self.to(memory_format=torch.channels_last)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return single frames, each with the reference image of its speaker: twice (N, 3, H, W)."""
        frames = output.frames
        return frames.flatten(0, 1), batch["reference_images"].repeat_interleave(frames.shape[1], 0)

    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        """Score (N, 3, H, W) beside (N, 3, H, W), both in [-1, 1]: (N, 1)."""
        both = torch.cat([images, references], 1).contiguous(memory_format=torch.channels_last)
        scores: Tensor = self.body(both).flatten(1)
        return scores


class SdfaSequence(Discriminator):
    """Scores a run of frames: convolutions in space and time, then a GRU over the frames."""

    runs = True

    def __init__(
        self, options: SdfaSequenceOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        layer = layer_of(options.spectral_norm)
        self.see, out = space_time(layer, options.channels, options.max_multiple, halvings(size, 4))
        self.follow = nn.GRU(out, options.hidden, batch_first=True)
        self.score = layer(nn.Linear(options.hidden, 1))

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return runs of frames (M, W, 3, H, W)."""
        return (windows(batch, output.frames),)

    def forward(self, runs: Tensor) -> Tensor:
        """Score (M, W, 3, H, W) in [-1, 1]: (M, 1)."""
        features = self.see(runs.transpose(1, 2)).mean((3, 4)).transpose(1, 2)
        scores: Tensor = self.score(self.follow(features)[0][:, -1])
        return scores


class SdfaSync(Discriminator):
    """Scores how far the embeddings of lower half faces and of their speech lie apart."""

    fields = (Features(), Mismatched())
    runs = True

    def __init__(
        self, options: SdfaSyncOptions, *, size: int, features: int, map_shapes: list[Shape]
    ) -> None:
        super().__init__()
        layer, joint = layer_of(options.spectral_norm), options.joint
        self.see, out = space_time(layer, options.channels, options.max_multiple, halvings(size // 2, 4))
        self.mouth = layer(nn.Linear(2 * out, joint))
        self.hear = nn.Sequential(
            layer(nn.Conv1d(features, joint, 3, padding=1)),
            leaky(),
            layer(nn.Conv1d(joint, joint, 3, padding=1)),
            leaky(),
        )
        self.speech = layer(nn.Linear(joint, joint))
        self.score = layer(nn.Linear(1, 1))
        nn.init.ones_(self.score.weight)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return runs of frames (M, W, 3, H, W) and their features (M, W, D)."""
        return windows(batch, output.frames), windows(batch, batch["features"])

    def mismatched(self, batch: Batch) -> Inputs:
        """Return real runs with features of other times."""
        return windows(batch, batch["frames"]), windows(batch, batch["mismatched"])

    def forward(self, runs: Tensor, features: Tensor) -> Tensor:
        """Score (M, W, 3, H, W) in [-1, 1] with (M, W, D): (M, 1)."""
        lower = face_part(runs, "lower")
        visual = self.see(lower.transpose(1, 2)).mean(2)  # over time
        mouth = self.mouth(F.adaptive_avg_pool2d(visual, (1, 2)).flatten(1))
        speech = self.speech(self.hear(features.transpose(1, 2)).mean(2))
        apart = (mouth - speech).square().mean(1, keepdim=True).add(1e-6).sqrt()
        scores: Tensor = self.score(apart)
        return scores
