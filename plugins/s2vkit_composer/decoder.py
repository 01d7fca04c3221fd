"""The frame decoder F of Speech2Video: from speech features and codes to frames."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Conditioning, Generator, GeneratorOutput, RecipeError
from s2vkit_composer import FrameDecoderOptions, IdentityBranchOptions
from s2vkit_composer.blocks import Canvas, Hearing, Scaled, Stem, UpBlock, plus, start_weights
from s2vkit_composer.identity import IdentityBranch, Shape, default_shapes


class Inflated(NamedTuple):
    """What an identity code gives, the same for all frames of a clip."""

    code: Tensor  # (B, dim)
    maps: list[Tensor]  # (B, C, h, w), as the branch gives them
    joined: list[Tensor | None]  # (B, C, h, w) that each doubling adds; None: no map joins there


class FrameDecoder(Generator):
    """Draws each frame from its speech feature, the emotion code and the identity code.

    Si et al. 2021, section 2.2 and Fig. 2. A frame's feature c_t, concatenated with the
    emotion code, is the start of transposed convolutions that double the map until it is a
    frame; tanh brings it to [-1, 1]. The identity branch inflates the identity code apart,
    once a clip; each of its maps is concatenated to the decoder's map of equal size before the
    next transposed convolution. There is no noise, and a frame depends on no other. Before they
    are concatenated, speech and the emotion code are brought to one scale (`start_input`), of
    which the paper says nothing.

    `size` is the start map doubled a whole number of times, from 32 to 256 px. Sides of size 0
    are left out. Identity maps are given only where `map_shapes` asks for them.
    """

    name = "frame_decoder"

    def __init__(
        self,
        options: FrameDecoderOptions,
        *,
        size: int,
        features: int,
        codes: dict[str, int],
        map_shapes: list[Shape],
    ) -> None:
        super().__init__()
        self.size = size
        identity = codes.get("identity", 0)
        self.sides = [side for side in codes if side != "identity"]  # joined where a frame starts
        self.gives_maps = bool(identity and map_shapes)
        doublings = doublings_of(size, options.start, self.name)
        self.branch = branch_of(options, size, identity, map_shapes)
        shapes = self.branch.shapes if self.branch else []
        sides = [options.start << i for i in range(doublings)]
        self.map_sides, self.joined = sides, nearest_sides(sides, shapes)
        widths = [max(options.width >> i, options.min_width) for i in range(doublings + 1)]
        self.hearing = Hearing(features, options.hearing) if options.hearing else None
        self.hearing_size = options.hearing[-1] if options.hearing else 0
        speech = self.hearing_size + features
        self.scaled = Scaled(speech, options.speech) if options.start_input == "scaled" else None
        inputs = speech + sum(codes[side] for side in self.sides)
        self.stem = Stem(inputs, widths[0], options.start, options.norm)
        self.blocks = nn.ModuleList(
            UpBlock(
                widths[i],
                sum(shapes[m][0] for m in self.joined[i]),
                widths[i + 1],
                options.norm,
                last=3 if i == doublings - 1 else 0,
            )
            for i in range(doublings)
        )
        dims = [dim for dim in codes.values() if dim]
        self.canvas = Canvas(sum(dims), options.canvas, size) if options.canvas and dims else None
        start_weights(self)
        if self.canvas is not None:
            self.canvas.start()
        self.to(memory_format=torch.channels_last)  # quickest for small maps, on CPU and GPU

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Generate frames (B, V, 3, size, size) in [-1, 1] and the clip's identity maps.

        `Conditioning.state` saves inflating an identity code again; the frames are the same without.
        """
        clips, times = codes.features.shape[:2]
        identity = self._inflated(codes)
        x = self.stem(self._vector(codes))
        x = x.contiguous(memory_format=torch.channels_last)
        drawn = self._frame(self._raised(x, identity)).float()
        if self.canvas is not None:
            drawn = plus(drawn, self.canvas(self._codes(codes)))
        frames = self._bounded(drawn).unflatten(0, (clips, times))
        maps = identity.maps if identity is not None and self.gives_maps else []
        return GeneratorOutput(frames, maps, state=None if self.training else identity)

    def hear(self, conditioning: Conditioning) -> Tensor:
        """Return what `hearing` hears of the mouth: (B, V, E), with gradient."""
        if self.hearing is None:
            raise ValueError("the decoder was built without `hearing`")
        return self.hearing(self._speech(conditioning), learning=self.hearing.training)

    def _inflated(self, codes: Conditioning) -> Inflated | None:
        """Inflate the identity code, unless the frames before had the same one."""
        if self.branch is None:
            return None
        code = given(codes.codes.get("identity"), "identity code")
        known = codes.state
        if isinstance(known, Inflated) and (known.code is code or torch.equal(known.code, code)):
            return known
        maps = self.branch(code)
        joined: list[Tensor | None] = []
        for block, numbers, side in zip(self.blocks, self.joined, self.map_sides, strict=True):
            part = fit_maps([maps[m] for m in numbers], side)
            joined.append(None if part is None else block.inflate(part))
        return Inflated(code, maps, joined)

    def _raised(self, x: Tensor, identity: Inflated | None) -> Iterator[Tensor]:
        """Double the start maps (B*V, C, s, s), and give them after each doubling."""
        joined = identity.joined if identity is not None else [None] * len(self.blocks)
        for block, inflated in zip(self.blocks, joined, strict=True):
            x = block(x, inflated)
            yield x

    def _frame(self, raised: Iterator[Tensor]) -> Tensor:
        """Return the last doubling's output as the frames (B*V, 3, size, size), before tanh."""
        return deque(raised, maxlen=1).pop()

    def _bounded(self, frames: Tensor) -> Tensor:
        """Bring frames to [-1, 1] by tanh."""
        if torch.is_grad_enabled():
            return torch.tanh(frames)
        return frames.mul(2).sigmoid_().mul_(2).sub_(1)  # the same; torch's tanh takes several times as long

    def _codes(self, codes: Conditioning) -> list[Tensor]:
        """Return the codes of all sides that there are, (B, dim) each."""
        sides = [*(["identity"] if self.branch is not None else []), *self.sides]
        return [given(codes.codes.get(side), f"{side} code") for side in sides]

    def _vector(self, codes: Conditioning) -> Tensor:
        """Join speech and the emotion code: (B*V, features + emotion)."""
        speech = self._speech(codes)
        if self.hearing is not None:
            with torch.no_grad():
                heard = self.hearing(speech, learning=False)
            speech = torch.cat([heard, speech], -1)
        times = speech.shape[1]
        parts = [speech.flatten(0, 1)]
        for side in self.sides:
            code = given(codes.codes.get(side), f"{side} code").unsqueeze(1)
            parts.append(code.expand(-1, times, -1).flatten(0, 1))
        return self.scaled(parts) if self.scaled else torch.cat(parts, -1)

    def _speech(self, codes: Conditioning) -> Tensor:
        """Return the speech that a frame is drawn from, (B, V, features)."""
        return codes.features


def branch_of(
    options: IdentityBranchOptions, size: int, identity: int, map_shapes: list[Shape]
) -> IdentityBranch | None:
    """Make the identity branch, if there is an identity side."""
    if not identity:
        return None
    shapes = map_shapes or default_shapes(size, options.start, options.width, options.min_width)
    return IdentityBranch(
        identity,
        list(shapes),
        width=options.identity_width,
        scale=options.identity_input,
        activation=options.map_activation,
        norm=options.norm,
    )


def doublings_of(size: int, start: int, name: str) -> int:
    """Count the doublings from the start map to the frame, or raise RecipeError."""
    count = round(math.log2(size / start))
    if count < 1 or start << count != size or not 32 <= size <= 256:
        sizes = [start << i for i in range(9) if 32 <= start << i <= 256]
        raise RecipeError(
            f"generator '{name}' cannot draw frames of {size} px from a start map of "
            f"{start} px, which it doubles",
            hint=f"with start: {start} the frames may be {', '.join(map(str, sizes))} px",
        )
    return count


def nearest_sides(sides: list[int], shapes: list[Shape]) -> list[list[int]]:
    """Return which maps are joined at each size: those of equal size, or else of the nearest."""
    joined: list[list[int]] = [[] for _ in sides]
    for m, (_, side, _) in enumerate(shapes):
        joined[min(range(len(sides)), key=lambda i: abs(math.log2(sides[i] / side)))].append(m)
    return joined


def fit_maps(maps: list[Tensor], side: int) -> Tensor | None:
    """Concatenate the maps that join here; one of another size is resized first."""
    if not maps:
        return None
    fitted = [
        m if m.shape[-1] == side else F.interpolate(m, (side, side), mode="bilinear", align_corners=False)
        for m in maps
    ]
    return fitted[0] if len(fitted) == 1 else torch.cat(fitted, 1)


def with_neighbours(codes: Conditioning, radius: int) -> Tensor:
    """Return speech features (B, V, D), or with a radius those of the frames around too, in a row."""
    return given(codes.context, "neighbouring features").flatten(2) if radius else codes.features


def given(code: Tensor | None, what: str) -> Tensor:
    """Return a code that must be there."""
    if code is None:
        raise ValueError(f"the decoder was built for the {what}, but was given none")
    return code
