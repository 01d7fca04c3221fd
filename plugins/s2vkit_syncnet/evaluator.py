"""SyncNet; its layers bear the names of `syncnet_v2.model`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s2vkit import InputError, SyncEvaluator, fit_weights, read_weights
from s2vkit.nn import resize, scale_width
from s2vkit_syncnet import SyncNetOptions
from s2vkit_syncnet.mfcc import SAMPLE_RATE, mfcc

FPS = 25.0
WINDOW = 5  # frames seen at once
STEPS = 20  # of MFCC, the same fifth of a second
_SAMPLES = 640  # a frame
_INT16 = 32768.0
_OUT = 1024
_CHUNK = 32  # windows seen at once where nothing is trained: flat memory


class SyncNet(SyncEvaluator):
    """Two streams, of lips and of speech, each ending in 1024 numbers that are not normalised.

    Lips: windows of five BGR frames in [0, 255], the whole face with its margin. Speech: 13
    MFCC of 20 steps, of amplitudes as in int16. Equal to S of syncnet_python at width 1.
    """

    fps, sample_rate = FPS, SAMPLE_RATE

    def __init__(self, options: SyncNetOptions, *, size: int) -> None:
        super().__init__()
        path = options.checkpoint
        if path and (options.width != 1 or options.input_size != 224 or options.motion):
            raise InputError(
                f"{path}: the published SyncNet has width 1 and takes faces of 224 px as they are",
                hint="leave out `width`, `input_size` and `motion` where `checkpoint` is set",
            )
        self.input_size, self.region = options.input_size, options.region
        self.motion = options.motion
        self.pretrained = path is not None
        self.dim = scale_width(_OUT, options.width)
        self.netcnnaud = _speech_layers(options.width)
        self.netfcaud = _head(options.width)
        self.netcnnlip = _lip_layers(options.width, options.input_size)
        self.netfclip = _head(options.width)
        if path:
            fit_weights(self, read_weights(path), source=path)

    def forward(self, frames: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Embed frames (B, V, 3, H, W) in [-1, 1] and speech (B, S) of the same time: (B, N, dim) each.

        N = min(V, S // 640) - 5, as syncnet_python counts; window n is frames n to n + 4 and
        MFCC steps 4n to 4n + 19.
        """
        count = max(0, min(frames.shape[1], speech.shape[1] // _SAMPLES) - WINDOW)
        if not count:
            empty = frames.new_zeros(len(frames), 0, self.dim)
            return empty, empty
        return self.see(frames[:, : count + WINDOW - 1]), self.hear(speech, count)

    def see(self, frames: Tensor) -> Tensor:
        """Embed (B, V, 3, H, W) in [-1, 1]: (B, V - 4, dim)."""
        images = self._prepare(frames)
        if torch.is_grad_enabled():
            return self._see(images)
        starts = range(0, frames.shape[1] - WINDOW + 1, _CHUNK)
        chunks = [self._see(images[:, :, i : i + _CHUNK + WINDOW - 1]) for i in starts]
        return torch.cat(chunks, 1)

    def _see(self, images: Tensor) -> Tensor:
        embedded = self.netcnnlip(images)  # the windows lie along its time axis
        count = embedded.shape[2]
        features = embedded.flatten(3).squeeze(-1).transpose(1, 2).flatten(0, 1)
        return self.netfclip(features).unflatten(0, (len(images), count))

    def hear(self, speech: Tensor, count: int) -> Tensor:
        """Embed the first `count` windows of speech (B, S) in [-1, 1]: (B, count, dim)."""
        with torch.no_grad():
            coefficients = mfcc((speech * _INT16).round()).to(speech)
        windows = coefficients.unfold(1, STEPS, 4)[:, :count]  # (B, count, 13, 20)
        encoded = self.netcnnaud(windows.flatten(0, 1).unsqueeze(1))
        return self.netfcaud(encoded.flatten(1)).unflatten(0, windows.shape[:2])

    def _prepare(self, frames: Tensor) -> Tensor:
        """Crop, resize and turn frames to BGR in [0, 255], time after channels."""
        clips, count = frames.shape[:2]
        images = frames.flatten(0, 1)
        if self.region == "mouth":
            height, width = images.shape[2:]
            images = images[:, :, height // 2 :, width // 4 : width // 4 + width // 2]
        images = (resize(images, self.input_size).flip(1) + 1) * 127.5
        images = images.unflatten(0, (clips, count)).transpose(1, 2)
        return images - images.mean(2, keepdim=True) if self.motion else images


def _speech_layers(width: float) -> nn.Sequential:
    c64, c192, c384, c256, c512 = (scale_width(c, width) for c in (64, 192, 384, 256, 512))
    return nn.Sequential(
        *_block2(1, c64, 3, 1),
        nn.Identity(),
        *_block2(c64, c192, 3, 1),
        nn.MaxPool2d(3, (1, 2)),
        *_block2(c192, c384, 3, 1),
        *_block2(c384, c256, 3, 1),
        *_block2(c256, c256, 3, 1),
        nn.MaxPool2d(3, 2),
        *_block2(c256, c512, (5, 4), 0),
    )


def _lip_layers(width: float, size: int) -> nn.Sequential:
    c96, c256, c512 = (scale_width(c, width) for c in (96, 256, 512))
    left = _left_of(size)
    pool, step = (1, 3, 3), (1, 2, 2)
    return nn.Sequential(
        *_block3(3, c96, (5, 7, 7), step, (0, 0, 0)),
        nn.MaxPool3d(pool, step),
        *_block3(c96, c256, (1, 5, 5), step, (0, 1, 1)),
        nn.MaxPool3d(pool, step, (0, 1, 1)),
        *_block3(c256, c256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
        *_block3(c256, c256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
        *_block3(c256, c256, (1, 3, 3), (1, 1, 1), (0, 1, 1)),
        nn.MaxPool3d(pool, step),
        *_block3(c256, c512, (1, left, left), (1, 1, 1), (0, 0, 0)),
    )


def _left_of(size: int) -> int:
    """Return the side of the last map before the lips become one vector: 6 of 224."""
    for kernel, padding in ((7, 0), (3, 0), (5, 1), (3, 1), (3, 0)):
        size = (size + 2 * padding - kernel) // 2 + 1
    return size


def _block2(inputs: int, outputs: int, kernel: int | tuple[int, int], pad: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=pad), nn.BatchNorm2d(outputs), nn.ReLU()]


def _block3(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int, int],
    step: tuple[int, int, int],
    pad: tuple[int, int, int],
) -> list[nn.Module]:
    conv = nn.Conv3d(inputs, outputs, kernel, step, pad)
    return [conv, nn.BatchNorm3d(outputs), nn.ReLU()]


def _head(width: float) -> nn.Sequential:
    hidden = scale_width(512, width)
    return nn.Sequential(
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, scale_width(_OUT, width)),
    )
