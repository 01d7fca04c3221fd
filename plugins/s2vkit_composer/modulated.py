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
from s2vkit_composer.mouths import SHAPE, Mouths
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
        found: Tensor = self.layers(self.standard(speech))
        return found

    def standard(self, speech: Tensor) -> Tensor:
        """Standardise (N, features)."""
        standardised: Tensor = self.level(speech.float())
        return standardised


class ModulatedDecoder(Generator):
    """Draws a frame from a start map of the identity, scaled by speech and codes at every size.

    Not the paper's: its codes join by modulation (StyleGAN, Karras et al. 2019), its sizes by output
    skips (Karras et al. 2020), its doublings by nearest neighbours and a convolution. The identity code
    is the start map, so that a person's look is stored once and whole; with a student that recalls
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
        self.sees_mouths = options.mouth == "landmarks"
        self.takes_times = options.head_motion == "replayed"
        self.poses, self.mouths = _make_unheard(options, features, codes.get("identity", 1))
        inputs = options.speech_size + len(codes) * options.code_size
        inputs += options.pose_size + (SHAPE if self.sees_mouths else 0)
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
            known = units.get("identity", _who(codes))
            parts += self._unheard(self.poses, codes, speech, known)
        x = _each(start, count).contiguous(memory_format=torch.channels_last)
        frames = torch.tanh(self._frame(x, torch.cat(parts, 1)).float())
        return GeneratorOutput(frames.unflatten(0, (clips, count)), [])

    def _unheard(self, poses: Poses, codes: Conditioning, speech: Tensor, known: Tensor) -> list[Tensor]:
        """Return pose and mouth (B*V, size): as they are in training, else as remembered and told."""
        if self.training and codes.frames is not None:
            return self._seen(poses, codes, known)
        clips, count = codes.features.shape[:2]
        weights = poses.weights(_who(codes))
        times = None if codes.times is None else codes.times.expand(clips, -1)
        found = [poses.recalled(weights, times).expand(-1, count, -1)]
        if self.mouths is not None:
            heard = self.speech.standard(speech).unflatten(0, (clips, count))
            found.append(self.mouths.told(heard, weights))
        return [one.flatten(0, 1) for one in found]

    def _seen(self, poses: Poses, codes: Conditioning, known: Tensor) -> list[Tensor]:
        """Return pose and mouth (B*V, size) that real frames show, of people (B, code)."""
        frames = given(codes.frames, "real frames")
        found = [poses.seen(frames.flatten(0, 1), _each(known, frames.shape[1]))]
        if self.mouths is not None:
            found.append(self.mouths.shown(given(codes.mouths, "shapes of mouths").flatten(0, 1)))
        return found

    def remember(self, conditioning: Conditioning, people: Tensor | None) -> None:
        """Take in the poses of each person of training clips, and what their speech tells of the mouth."""
        assert self.poses is not None
        clips, who = conditioning.features.shape[:2], _who(conditioning)
        known = self._unit(who, "identity") if "identity" in self.sides else who
        pose, *mouth = (one.unflatten(0, clips) for one in self._seen(self.poses, conditioning, known))
        slots = self.poses.remember(pose, who, people)
        if self.mouths is not None:
            speech = with_neighbours(conditioning, self.context_radius).flatten(0, 1)
            self.mouths.remember(mouth[0], self.speech.standard(speech).unflatten(0, clips), slots)

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


def _make_unheard(
    options: ModulatedDecoderOptions, features: int, code: int
) -> tuple[Poses | None, Mouths | None]:
    """Make what sees poses and mouths, where the options ask for it."""
    if not options.pose_size:
        return None, None
    poses = Poses(options.pose_size, code, moves=options.head_motion == "replayed")
    if options.mouth == "heard":
        return poses, None
    context = (2 * options.context_radius + 1) * features
    return poses, Mouths(context, len(poses.keys), options.mouth_strength)


def _who(codes: Conditioning) -> Tensor:
    """Return what people are told apart by: identity codes, or one for all where there are none."""
    who = codes.codes.get("identity")
    return codes.features.new_ones(len(codes.features), 1) if who is None else who


def _each(of_clip: Tensor, times: int) -> Tensor:
    """Give what is a clip's to each of its frames: (B, ...) to (B*V, ...)."""
    return of_clip.unsqueeze(1).expand(-1, times, *of_clip.shape[1:]).flatten(0, 1)
