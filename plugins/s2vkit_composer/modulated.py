"""A decoder of modulated convolutions: each person has a start map, and speech scales what follows."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Conditioning, Generator, GeneratorOutput
from s2vkit_composer import ModulatedDecoderOptions
from s2vkit_composer.blocks import picture_layers
from s2vkit_composer.decoder import doublings_of, given, with_neighbours
from s2vkit_composer.identity import Shape
from s2vkit_composer.mouths import Mouths
from s2vkit_composer.poses import Poses

_GROUPS = 8  # of the group norms: per frame, so frames stay independent


class Modulated(nn.Module):
    """A 3x3 convolution, normalised by groups, whose channels the codes scale and shift."""

    def __init__(self, channels: int, out: int, codes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.norm = nn.GroupNorm(math.gcd(_GROUPS, out), out, affine=False)
        self.style = nn.Linear(codes, 2 * out)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """Convolve (N, channels, h, w), modulated by (N, codes)."""
        scale, shift = self.style(codes)[..., None, None].chunk(2, 1)
        return F.leaky_relu(self.norm(self.conv(x)) * (1 + scale) + shift, 0.2)


class Speech(nn.Module):
    """Speech features as the decoder takes them: standardised over the batch, few, and dropped out in part.

    What passes is narrow on purpose: with little speech to train on, a wide way would learn each
    frame by heart.
    """

    def __init__(self, features: int, size: int, dropout: float) -> None:
        super().__init__()
        self.level = nn.BatchNorm1d(features, affine=False)
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(features, 4 * size), nn.LeakyReLU(0.2), nn.Linear(4 * size, size)
        )

    def forward(self, speech: Tensor) -> Tensor:
        """Map (N, features) to (N, size)."""
        found: Tensor = self.layers(self.level(speech.float()))
        return found


class ModulatedDecoder(Generator):
    """Draws a frame from a start map of the identity, scaled by speech and codes at every size.

    Not the paper's: its codes join by modulation (StyleGAN, Karras et al. 2019), its sizes by output
    skips (Karras et al. 2020), its doublings by nearest neighbours and a convolution. The identity code
    is the start map, so that a person's look is stored once and whole; with the student `recollection`
    there are as many start maps as people. `size` is the start map doubled a whole number of times,
    from 32 to 256 px; no identity maps are inflated.
    """

    name = "modulated_decoder"

    def __init__(
        self,
        options: ModulatedDecoderOptions,
        *,
        size: int,
        features: int,
        codes: dict[str, int],
        map_shapes: list[Shape],
    ) -> None:
        super().__init__()
        self.size, self.context_radius = size, options.context_radius
        doublings = doublings_of(size, options.start, self.name)
        sides = [options.start << i for i in range(doublings + 1)]
        widths = [max(options.min_width, min(options.width, options.capacity // side)) for side in sides]
        self.shape = (widths[0], options.start, options.start)
        self.sides = list(codes)
        self.start = nn.Linear(codes["identity"], math.prod(self.shape)) if "identity" in codes else None
        self.levels = nn.ModuleDict({side: nn.BatchNorm1d(codes[side], affine=False) for side in self.sides})
        self.map = nn.Parameter(torch.randn(self.shape))
        self.speech = Speech(
            (2 * options.context_radius + 1) * features, options.speech_size, options.dropout
        )
        self.codes = nn.ModuleDict({side: nn.Linear(codes[side], options.code_size) for side in self.sides})
        self.sees_frames = options.pose_size > 0
        self.poses, self.mouths = _unheard(options, features, codes.get("identity", 1))
        inputs = options.speech_size + len(codes) * options.code_size
        inputs += options.pose_size + options.mouth_size
        before = [widths[0], *widths[:-1]]
        self.blocks = nn.ModuleList(Modulated(a, b, inputs) for a, b in zip(before, widths, strict=True))
        self.to_rgb = picture_layers(widths)
        self.to(memory_format=torch.channels_last)

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Generate frames (B, V, 3, size, size) in [-1, 1]."""
        clips, count = codes.features.shape[:2]
        units = {side: self._unit(given(codes.codes.get(side), f"{side} code"), side) for side in self.sides}
        start = self.map.expand(clips, -1, -1, -1)
        if self.start is not None:
            start = start + self.start(units["identity"]).unflatten(1, self.shape)
        speech = with_neighbours(codes, self.context_radius).flatten(0, 1)
        parts = [self.speech(speech)]
        parts += [_each(self.codes[side](unit), count) for side, unit in units.items()]
        if self.poses is not None:
            parts += self._unheard(self.poses, codes, speech)
        x = _each(start, count).contiguous(memory_format=torch.channels_last)
        frames = torch.tanh(self._frame(x, torch.cat(parts, 1)).float())
        return GeneratorOutput(frames.unflatten(0, (clips, count)), [])

    def _unheard(self, poses: Poses, codes: Conditioning, speech: Tensor) -> list[Tensor]:
        """Return pose and mouth (B*V, size): as they are in training, else as remembered and told."""
        if self.training and codes.frames is not None:
            frames = codes.frames.flatten(0, 1)
            return [poses.seen(frames)] + ([] if self.mouths is None else [self.mouths.seen(frames)])
        clips, count = codes.features.shape[:2]
        weights = poses.weights(_who(codes))
        times = None if codes.times is None else codes.times.expand(clips, -1)
        pose = poses.recalled(weights, times).expand(-1, count, -1)
        found = [pose.flatten(0, 1)]
        if self.mouths is not None:
            heard = self.speech.level(speech.float()).unflatten(0, (clips, count))
            found.append(self.mouths.told(heard, pose, weights).flatten(0, 1))
        return found

    def remember(self, conditioning: Conditioning, people: Tensor | None) -> None:
        """Take in the poses of each person of training clips, and what their speech tells of the mouth."""
        assert self.poses is not None
        assert conditioning.frames is not None
        clips = conditioning.frames.shape[:2]
        frames = conditioning.frames.flatten(0, 1)
        poses = self.poses.seen(frames).unflatten(0, clips)
        slots = self.poses.remember(poses, _who(conditioning), people)
        if self.mouths is not None:
            speech = with_neighbours(conditioning, self.context_radius).flatten(0, 1)
            heard = self.speech.level(speech.float()).unflatten(0, clips)
            self.mouths.remember(self.mouths.seen(frames).unflatten(0, clips), heard, poses, slots)

    def _unit(self, code: Tensor, side: str) -> Tensor:
        """Bring the directions of codes (B, dim) to mean 0 and variance 1: what tells them apart is all."""
        unit: Tensor = self.levels[side](F.normalize(code.float(), dim=-1))
        return unit

    def _frame(self, x: Tensor, codes: Tensor) -> Tensor:
        """Double the start maps (B*V, C, s, s) until they are frames, before tanh."""
        frame = x.new_zeros(())
        for i, (block, to_rgb) in enumerate(zip(self.blocks, self.to_rgb, strict=True)):
            if i:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                frame = F.interpolate(frame, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(x, codes)
            frame = frame + to_rgb(x)
        return frame


def _unheard(
    options: ModulatedDecoderOptions, features: int, code: int
) -> tuple[Poses | None, Mouths | None]:
    """Make what sees poses and mouths, where the options ask for it."""
    if not options.pose_size:
        return None, None
    poses = Poses(options.pose_size, code, moves=options.head_motion == "replayed")
    if not options.mouth_size:
        return poses, None
    context = (2 * options.context_radius + 1) * features
    mouths = Mouths(options.mouth_size, features=context, pose=options.pose_size, slots=len(poses.keys))
    return poses, mouths


def _who(codes: Conditioning) -> Tensor:
    """Return what people are told apart by: identity codes, or one for all where there are none."""
    who = codes.codes.get("identity")
    return codes.features.new_ones(len(codes.features), 1) if who is None else who


def _each(of_clip: Tensor, times: int) -> Tensor:
    """Give what is a clip's to each of its frames: (B, ...) to (B*V, ...)."""
    return of_clip.unsqueeze(1).expand(-1, times, *of_clip.shape[1:]).flatten(0, 1)
