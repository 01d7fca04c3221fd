"""A better decoder than the paper's: what stays is drawn once a clip, what moves is modulated."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Codes, Made
from s2vkit_composer import ModulatedDecoderOptions
from s2vkit_composer.blocks import norm_layer, start_weights
from s2vkit_composer.decoder import branch_of, doublings_of, fit_maps, given, nearest_sides
from s2vkit_composer.identity import Shape

SLOPE = 0.2


class ModulatedDecoder(nn.Module):
    """Draws a clip's canvas once, and into it each frame's motion, modulated by who and how.

    The identity branch is the paper's. Identity and emotion draw a canvas: features of every
    size up to the frame's, once a clip, into which the identity maps are joined. A frame's
    speech feature, mixed with those of `reach` frames before and after it, starts a narrower
    decoder of resize-convolutions (Odena et al. 2016) whose inputs are scaled by the clip's
    style (Karras et al. 2020; a norm takes the place of the demodulation). At every size the
    canvas is added. Sizes and sides are as the frame decoder's.
    """

    def __init__(
        self, options: ModulatedDecoderOptions, *, size: int, features: int, identity: int,
        emotion: int, map_shapes: list[Shape],
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.emotion, self.reach = size, emotion, options.reach
        self.gives_maps = bool(identity and map_shapes)
        doublings = doublings_of(size, options.start, "modulated_decoder")
        self.branch = branch_of(options, size, identity, map_shapes)
        shapes = self.branch.shapes if self.branch else []
        self.joined = nearest_sides([options.start << i for i in range(doublings)], shapes)
        joins = [sum(shapes[m][0] for m in joined) for joined in self.joined]
        wide = [max(options.width >> i, options.least) for i in range(doublings + 1)]
        slim = [max(options.motion >> i, options.least) for i in range(doublings + 1)]
        start, norm = options.start, options.norm
        self.style = _mlp(max(1, identity + emotion), options.style)
        self.mix = _mlp((2 * options.reach + 1) * features, options.style, norm)
        self.canvas = _Start(options.style, wide[0], start, norm)
        self.start = _Start(2 * options.style, slim[0], start, norm)
        self.paints = nn.ModuleList(
            _Paint(wide[i] + joins[i], wide[i + 1], slim[i + 1], norm) for i in range(doublings)
        )
        self.lifts = nn.ModuleList(
            _Lift(slim[i], slim[i + 1], options.style, norm) for i in range(doublings)
        )
        self.colour = nn.Conv2d(slim[-1], 3, 3, padding=1)
        start_weights(self)
        self.to(memory_format=torch.channels_last)

    def forward(self, codes: Codes) -> Made:
        """Draw frames (B, V, 3, size, size) in [-1, 1] and the clip's identity maps."""
        clips, times = codes.features.shape[:2]
        maps = self.branch(given(codes.identity, "identity")) if self.branch else []
        style = self.style(self._who(codes))
        heard = self.mix(self._around(codes).flatten(2).flatten(0, 1))
        x = self.start(torch.cat([heard, style.repeat_interleave(times, 0)], 1))
        paint = self.canvas(style)
        layers = zip(self.paints, self.lifts, self.joined, strict=True)
        for painting, lift, joined in layers:
            join = fit_maps([maps[m] for m in joined], paint.shape[-1])
            paint, shown = painting(paint if join is None else torch.cat([paint, join], 1))
            x = lift(x, style, shown)
        frames = torch.tanh(self.colour(x).float()).unflatten(0, (clips, times))
        return Made(frames, maps if self.gives_maps else [])

    def _who(self, codes: Codes) -> Tensor:
        sides = []
        if self.branch:
            sides.append(self.branch.rescaled(given(codes.identity, "identity")))
        if self.emotion:
            sides.append(given(codes.emotion, "emotion"))
        return torch.cat(sides, 1) if sides else codes.features.new_zeros(len(codes.features), 1)

    def _around(self, codes: Codes) -> Tensor:
        if not self.reach:
            return codes.features.unsqueeze(2)
        return given(codes.around, "neighbouring features")


class _Start(nn.Module):
    """A small map from a vector."""

    def __init__(self, inputs: int, channels: int, size: int, norm: str) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.linear = nn.Linear(inputs, channels * size * size)
        self.norm = norm_layer(norm, channels)

    def forward(self, vector: Tensor) -> Tensor:
        x = self.norm(self.linear(vector).unflatten(1, self.shape))
        return F.leaky_relu_(x, SLOPE).contiguous(memory_format=torch.channels_last)


class ResizeConv(nn.Module):
    """Doubling by nearest neighbours, then a 3x3 convolution: no checkerboard.

    The two together are one transposed convolution of kernel 4 and stride 2 whose kernel is
    the 3x3 one spread over the 2x2 pixels of each; computed so, it costs half as much. Exact.
    """

    def __init__(self, inputs: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, out, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Double (N, C, h, w): (N, out, 2h, 2w)."""
        taps = F.pad(self.conv.weight.flip(2, 3), (1, 1, 1, 1))
        rows = taps[:, :, 1:] + taps[:, :, :-1]
        kernel = (rows[..., 1:] + rows[..., :-1]).transpose(0, 1)
        return F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)


class _Paint(nn.Module):
    """One doubling of the canvas; also gives what the frames are shown of it."""

    def __init__(self, inputs: int, out: int, shown: int, norm: str) -> None:
        super().__init__()
        self.up = ResizeConv(inputs, out)
        self.norm = norm_layer(norm, out)
        self.show = nn.Conv2d(out, shown, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.leaky_relu_(self.norm(self.up(x)), SLOPE)
        return x, self.show(x)


class _Lift(nn.Module):
    """One doubling of the frames: scaled by style, risen, laid on the canvas, refined."""

    def __init__(self, inputs: int, out: int, style: int, norm: str) -> None:
        super().__init__()
        self.scale = nn.Linear(style, inputs)
        self.up = ResizeConv(inputs, out)
        self.norm = norm_layer(norm, out)
        self.refine = nn.Conv2d(out, out, 3, padding=1)

    def forward(self, x: Tensor, style: Tensor, canvas: Tensor) -> Tensor:
        clips = (len(style), -1)
        scale = 1 + self.scale(style)[:, None, :, None, None]
        x = self.norm(self.up((x.unflatten(0, clips) * scale).flatten(0, 1)))
        x = F.leaky_relu_((x.unflatten(0, clips) + canvas.unsqueeze(1)).flatten(0, 1), SLOPE)
        return x + F.leaky_relu_(self.refine(x), SLOPE)


def _mlp(inputs: int, out: int, norm: str = "none") -> nn.Sequential:
    """Make two layers; batch norm after the first brings out what differs between sounds."""
    return nn.Sequential(
        nn.Linear(inputs, out), nn.BatchNorm1d(out) if norm == "batch" else nn.Identity(),
        nn.LeakyReLU(SLOPE), nn.Linear(out, out), nn.LeakyReLU(SLOPE),
    )  # fmt: skip
