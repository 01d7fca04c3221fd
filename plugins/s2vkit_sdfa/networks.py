"""The networks of SDFA; their layers bear the names of the published `crema.dat`.

From a (H, W) picture, both a power of two times (4, 4) or (4, 3), the identity encoder halves
down to that, and the frame decoder doubles back.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

START = 4  # height of the smallest map
MAX_CHANNELS = 1024  # channels
# The content encoder's convolutions at 16 kHz: kernel, stride, padding.
EARS = ((80, 16, 32), (4, 2, 1), (4, 2, 1), (4, 2, 1), (10, 5, 3))
RATE, WINDOW = 16000, 3200  # Hz, and samples at a frame: 0.2 s


def widths_of(height: int, channels: int) -> list[int]:
    """Return the channels after each halving of a picture."""
    count = (height // START).bit_length() - 1
    return [min(channels << i, max(MAX_CHANNELS, channels)) for i in range(count)]


class SpeechConvolutions(nn.Module):
    """0.2 s of raw speech as a vector: five convolutions that leave 5 steps, and one over them."""

    def __init__(self, content: int) -> None:
        super().__init__()
        widths = [1] + [content >> i for i in (4, 3, 2, 1, 0)]
        layers = [
            nn.Conv1d(a, b, kernel, stride, padding)
            for (a, b), (kernel, stride, padding) in zip(pairwise(widths), EARS, strict=True)
        ]
        self.cl = nn.ModuleList([*layers, nn.Conv1d(content, content, 5)])
        self.activations = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(width), nn.ReLU()) for width in widths[1:]
        )

    def forward(self, sounds: Tensor) -> Tensor:
        """Encode (N, 3200): (N, content)."""
        x = sounds.unsqueeze(1)
        for layer, activation in zip(self.cl, self.activations, strict=False):
            x = activation(layer(x))
        return torch.tanh(self.cl[-1](x)).squeeze(2)


class ContentEncoder(nn.Module):
    """What is heard at each frame, and a GRU of two layers over the frames."""

    def __init__(self, content: int) -> None:
        super().__init__()
        self.encoder = SpeechConvolutions(content)
        self.rnn = nn.GRU(content, content, 2, batch_first=True)

    def forward(self, sounds: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Encode runs (M, T, 3200) after `state`: (M, T, content), and the state after them."""
        encoded = self.encoder(sounds.flatten(0, 1)).unflatten(0, sounds.shape[:2])
        sequence, state = self.rnn(encoded, state)
        return sequence, state


class IdentityEncoder(nn.Module):
    """A still image as a code, and the maps on the way to it."""

    def __init__(self, size: tuple[int, int], channels: int, identity: int) -> None:
        super().__init__()
        widths = [3, *widths_of(size[0], channels)]
        layers: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(widths)
        ]
        last = nn.Conv2d(widths[-1], identity, start_of(size), bias=False)
        self.cl = nn.ModuleList([*layers, nn.Sequential(last, nn.Tanh())])

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Encode (B, 3, H, W) in [-1, 1]: a code (B, I), and maps, large to small."""
        x, maps = images, []
        for layer in self.cl:
            x = layer(x)
            maps.append(x)
        return x.flatten(1), maps[:-1]


def start_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of the smallest map."""
    return START, START * size[1] // size[0]


class UpBlock(nn.Module):
    """Two transposed convolutions: one takes a skip in, one doubles."""

    def __init__(self, inputs: int, skip: int, out: int) -> None:
        super().__init__()
        self.dcl1 = nn.ConvTranspose2d(inputs + skip, inputs, 3, padding=1, bias=False)
        self.activation1 = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.dcl2 = nn.ConvTranspose2d(inputs, out, 4, 2, 1, bias=False)
        self.activation2 = nn.Sequential(nn.BatchNorm2d(out), nn.ReLU())

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Double (N, C, h, w)."""
        x = x if skip is None else torch.cat([x, skip], 1)
        x = self.activation1(self.dcl1(x))
        doubled: Tensor = self.activation2(self.dcl2(x))
        return doubled


class FrameDecoder(nn.Module):
    """A frame from what is heard, noise and the identity code, with the still's maps as skips."""

    def __init__(self, size: tuple[int, int], channels: int, codes: int, noise: int, *, skips: bool) -> None:
        super().__init__()
        widths = widths_of(size[0], channels)[::-1]
        self.rnn_noise = nn.GRU(noise, noise, batch_first=True)
        first = nn.Sequential(
            nn.ConvTranspose2d(codes + noise, widths[0], start_of(size), bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        blocks = [UpBlock(a, a if skips else 0, b) for a, b in pairwise(widths)]
        last = nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False)
        self.dcl = nn.ModuleList([first, *blocks, last])

    def follow(self, noise: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Let noise (M, T, Z) flow through its GRU: (M, T, Z), and the state after it."""
        flowed, state = self.rnn_noise(noise, state)
        return torch.tanh(flowed), state

    def forward(self, codes: Tensor, skips: list[Tensor]) -> Tensor:
        """Draw (N, C) with skips [(N, C, h, w)], large to small: (N, 3, H, W) in (-1, 1)."""
        x = self.dcl[0](codes[:, :, None, None])
        for i, up in enumerate(self.dcl[1:-1]):
            x = up(x, skips[-1 - i] if skips else None)
        return torch.tanh(self.dcl[-1](x).float())


class FaceDecoder(nn.Module):
    """A still of a face from a voice's identity code, as Speech2Face's face decoder.

    Two linear layers, then doublings with norm down to RGB. The code is brought to unit length:
    Speech2Face compares voice and face as directions only.
    """

    def __init__(self, identity: int, size: tuple[int, int], channels: int) -> None:
        super().__init__()
        widths = widths_of(size[0], channels)[::-1]
        self.start = (widths[0], *start_of(size))
        hidden = max(64, 2 * widths[0])
        count = self.start[0] * self.start[1] * self.start[2]
        self.dense = nn.Sequential(nn.Linear(identity, hidden), nn.ReLU(), nn.Linear(hidden, count))
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.up = nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1))

    def forward(self, codes: Tensor) -> Tensor:
        """Draw (B, I): (B, 3, H, W) in (-1, 1)."""
        unit = nn.functional.normalize(codes.float(), dim=1) * codes.shape[1] ** 0.5
        x = self.dense(unit).unflatten(1, self.start)
        return torch.tanh(self.up(x).float())
