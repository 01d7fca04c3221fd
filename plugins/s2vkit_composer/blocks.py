"""The pieces that the frame decoder is made of."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import s2vkit

_DROPPED, _LEAK = 0.1, 0.1  # between layers that learn to hear; without a leak, some fall silent
_FAINT = 0.1  # deviation of a new picture of one size, beside a decoder's own of about 1


def norm_layer(name: str, channels: int) -> nn.Module:
    """Make a norm of (N, C, h, w) maps; instance norm looks at one map only, so frames stay free.

    A convolution before it has no bias, since the norm takes every channel's mean away.
    Batch norm uses its running figures in eval, so there too a frame does not depend on the
    others it is drawn with.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.Identity()


def noisy(codes: Tensor, deviation: float) -> Tensor:
    """Add noise to codes (N, size), drawn for the whole batch of all processes."""
    size, device = codes.shape[1], codes.device
    noise = s2vkit.draw_rows(lambda rows: torch.randn(rows, size, device=device), len(codes))
    return codes + deviation * noise


def start_weights(module: nn.Module) -> None:
    """Draw the weights so that maps keep their variance through ReLU (He et al. 2015); biases 0.

    Torch's own start shrinks what the codes say at each layer, until the biases drown it. Each
    pixel of a transposed convolution of stride s sums over 1/s^2 of its kernel.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            taps = part.weight[0].numel()
            if isinstance(part, nn.ConvTranspose2d):
                taps = part.in_channels * part.weight[0, 0].numel() // math.prod(part.stride)
            nn.init.normal_(part.weight, std=math.sqrt(2 / taps))
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def picture_layers(widths: list[int]) -> nn.ModuleList:
    """Make 1x1 convolutions that show maps of these widths as pictures, faint at first."""
    layers = nn.ModuleList(nn.Conv2d(width, 3, 1) for width in widths)
    for width, layer in zip(widths, layers, strict=True):
        nn.init.normal_(layer.weight, std=_FAINT / math.sqrt(width))
        nn.init.zeros_(layer.bias)
    return layers


def unit_scale(code: Tensor) -> Tensor:
    """Bring a code (B, dim) to a mean square of 1 by its length: its direction is all that counts."""
    return F.normalize(code.float(), dim=-1) * code.shape[-1] ** 0.5


class Hearing(nn.Module):
    """Hears what moves the mouth in a speech feature: leaky ReLU layers (our choice, not the paper's).

    What lips do is no linear function of c_t, and a start map is one.
    """

    def __init__(self, features: int, sizes: list[int]) -> None:
        super().__init__()
        self.level = nn.BatchNorm1d(features, affine=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip([features, *sizes], sizes, strict=False))

    def forward(self, speech: Tensor, *, learning: bool) -> Tensor:
        """Hear (B, V, D): (B, V, E). What is `learning` goes by the level of the batch, and drops numbers."""
        flat, level = speech.flatten(0, 1).float(), self.level
        if learning:
            x = level(flat)
        else:
            x = F.batch_norm(flat, level.running_mean, level.running_var, eps=level.eps)
        for number, layer in enumerate(self.layers):
            x = layer(F.dropout(x, _DROPPED, learning) if number else x)
            x = F.leaky_relu(x, _LEAK)
        return x.unflatten(0, speech.shape[:2])


class Scaled(nn.Module):
    """Brings speech and a code to one scale, and joins them (our choice; not in the paper).

    Speech goes by its mean and variance over the batch, the code by its length: else what little
    of speech moves the mouth is lost under its own mean, or under the code. `speech` is the
    length of speech beside that of the code; the whole has the length of a vector of unit scale.
    """

    def __init__(self, features: int, speech: float) -> None:
        super().__init__()
        self.speech = speech
        self.level = nn.BatchNorm1d(features, affine=False)

    def forward(self, parts: list[Tensor]) -> Tensor:
        """Join speech (N, D) with the code (N, M), if there is one: (N, D + M)."""
        speech, *codes = parts
        level = self.level(speech.float()) * (self.speech * speech.shape[-1] ** -0.5)
        joined = torch.cat([level, *(F.normalize(code.float(), dim=-1) for code in codes)], -1)
        return joined * (joined.shape[-1] / len(parts)) ** 0.5


class Canvas(nn.Module):
    """Draws what the codes alone say of a face, at the frame's full size: (B, 3, size, size).

    A mean face with weighted differences, as eigenfaces (Turk & Pentland 1991), with weights that the
    codes give through one layer; faint at first. Its weights are few numbers for each pixel, where a
    decoder has to find room for every hair of everybody in maps of a quarter of the size.
    """

    def __init__(self, inputs: int, hidden: int, size: int) -> None:
        super().__init__()
        self.shape = (3, size, size)
        self.weigh = nn.Sequential(nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU())
        self.draw = nn.Linear(hidden, 3 * size * size)
        self.scale = hidden**-0.5  # so that a step moves a pixel by about as much as one weight

    def start(self) -> None:
        """Draw the weights so that the canvas is faint."""
        nn.init.normal_(self.draw.weight, std=_FAINT)
        nn.init.zeros_(self.draw.bias)

    def forward(self, codes: list[Tensor]) -> Tensor:
        """Draw from codes [(B, dim)]: (B, 3, size, size), before tanh."""
        weights = self.weigh(torch.cat([unit_scale(code) for code in codes], 1))
        drawn: Tensor = self.draw(weights * self.scale)
        return drawn.unflatten(1, self.shape)


class Stem(nn.Module):
    """A transposed convolution of a vector (N, inputs), a 1x1 map: (N, channels, size, size).

    From 1x1 with kernel `size` it is a linear map of the vector, and is computed as one.
    """

    def __init__(self, inputs: int, channels: int, size: int, norm: str) -> None:
        super().__init__()
        self.shape = (channels, size, size)
        self.linear = nn.Linear(inputs, channels * size * size)
        self.norm = norm_layer(norm, channels)

    def forward(self, vector: Tensor) -> Tensor:
        """Inflate (N, inputs) to (N, channels, size, size)."""
        return F.relu(self.norm(self.linear(vector).unflatten(1, self.shape)))


class ConcatUpConv(nn.Module):
    """Transposed convolution (k4 s2 p1) of frame maps concatenated with a clip's identity maps.

    The circled plus of Fig. 2. The convolution of a concatenation is the sum of the
    convolutions with the two parts of its weight; the identity part is the same for all
    frames of a clip, so it is computed once a clip (`inflate`) and added to each of its frames.
    This is exact, up to the order of additions.
    """

    def __init__(self, channels: int, identity: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.parts = [channels, identity]
        self.conv = nn.ConvTranspose2d(channels + identity, out, 4, stride=2, padding=1, bias=bias)

    def inflate(self, identity: Tensor, norm: nn.BatchNorm2d | None = None) -> Tensor:
        """Convolve the identity part (B, identity, h, w) alone: (B, out, 2h, 2w)."""
        weight, _ = self._weights(slice(self.parts[0], None), norm)
        return F.conv_transpose2d(identity, weight, stride=2, padding=1)

    def forward(self, frames: Tensor, inflated: Tensor | None, norm: nn.BatchNorm2d | None = None) -> Tensor:
        """Join (B*V, channels, h, w) with what `inflate` gave: (B*V, out, 2h, 2w).

        With `norm`, here and in `inflate`, the result is normalised by its running statistics.
        """
        weight, bias = self._weights(slice(self.parts[0]), norm)
        own = F.conv_transpose2d(frames, weight, bias, stride=2, padding=1)
        return own if inflated is None else plus(own, inflated)

    def _weights(self, part: slice, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor | None]:
        """Return the weight of some inputs and the bias; a norm within them saves a pass over the maps."""
        if norm is None:
            return self.conv.weight[part], self.conv.bias
        scale, shift = _as_scale(norm)
        return self.conv.weight[part] * scale, shift


def plus(frames: Tensor, inflated: Tensor) -> Tensor:
    """Add to each clip's frames (B*V, C, h, w) what is the same in all of them, (B, C, h, w)."""
    frames.unflatten(0, (len(inflated), -1)).add_(inflated.unsqueeze(1))
    return frames


def _as_scale(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Write batch norm with running statistics as a scale (C, 1, 1) and a shift (C,)."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale[:, None, None], norm.bias - norm.running_mean * scale


class UpBlock(nn.Module):
    """One doubling of the frame decoder: join, norm, then two 1x1 convolutions (Fig. 2)."""

    def __init__(self, channels: int, identity: int, out: int, norm: str, last: int = 0) -> None:
        super().__init__()
        self.up = ConcatUpConv(channels, identity, out, bias=norm == "none")
        self.norm = norm_layer(norm, out)
        self.first = nn.Conv2d(out, out, 1)
        self.second = nn.Conv2d(out, last or out, 1)
        self.last = bool(last)

    def inflate(self, identity: Tensor) -> Tensor:
        """Convolve the maps (B, identity, h, w) that join here: (B, out, 2h, 2w), for `forward`."""
        return self.up.inflate(identity, self._fixed_norm)

    @property
    def _fixed_norm(self) -> nn.BatchNorm2d | None:
        return self.norm if isinstance(self.norm, nn.BatchNorm2d) and not self.training else None

    def forward(self, frames: Tensor, inflated: Tensor | None) -> Tensor:
        """Double (B*V, C, h, w), with (B, out, 2h, 2w) or None; no activation after the last one."""
        fixed = self._fixed_norm
        x = self.up(frames, inflated, fixed)
        x = F.relu_(x if fixed else self.norm(x))
        x = self.second(F.relu_(self.first(x)))
        return x if self.last else F.relu_(x)
