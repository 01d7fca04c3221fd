"""Arriaga's mini-XCEPTION as a teacher: separable convolutions with shortcuts, on grey faces."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Teacher, fit_weights, weights_file
from s2vkit.nn import resize
from s2vkit_xception import CHECKPOINTS, MiniXceptionOptions
from s2vkit_xception.keras_file import open_keras

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
CHANNELS = (8, 16, 32, 64, 128)
_GREY = (0.299, 0.587, 0.114)
_EPS = 1e-3  # of every BatchNorm, as in Keras


class MiniXception(Teacher):
    """Logits of emotions of faces resized to the input size and turned grey; no maps."""

    gives = "logits"

    def __init__(self, options: MiniXceptionOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = weights_file(options.checkpoint, CHECKPOINTS)
        self.input_size = options.input_size
        self.pretrained = path is not None
        self.classes = CLASSES if path else tuple(labels)
        self.dim = max(1, len(self.classes))
        self.map_shapes: list[tuple[int, int, int]] = []
        self.net = Net(self.dim)
        if path:
            fit_weights(self.net, open_keras(path).tensors, source=path)
        self.register_buffer("grey", torch.tensor(_GREY).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of (N, 3, H, W) in [-1, 1]: (N, dim)."""
        images = resize(images, self.input_size)
        logits: Tensor = self.net((images * self.grey).sum(1, keepdim=True))
        return logits

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        return self(images)


class Net(nn.Module):
    """Two convolutions, four blocks, a convolution of one map a class, and its mean."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        first = CHANNELS[0]
        self.conv1, self.bn1 = nn.Conv2d(1, first, 3, bias=False), nn.BatchNorm2d(first, eps=_EPS)
        self.conv2, self.bn2 = nn.Conv2d(first, first, 3, bias=False), nn.BatchNorm2d(first, eps=_EPS)
        self.blocks = nn.ModuleList(Block(before, after) for before, after in pairwise(CHANNELS))
        self.head = nn.Conv2d(CHANNELS[-1], classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map grey faces (N, 1, H, W) in [-1, 1] to logits (N, classes)."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        for block in self.blocks:
            x = block(x)
        return self.head(x).mean((2, 3))


class Block(nn.Module):
    """Two separable convolutions and a pooling to half the size, beside a convolution of step 2."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.shortcut = nn.Conv2d(before, after, 1, 2, bias=False)
        self.shortcut_bn = nn.BatchNorm2d(after, eps=_EPS)
        self.depth1 = nn.Conv2d(before, before, 3, padding=1, groups=before, bias=False)
        self.point1 = nn.Conv2d(before, after, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after, eps=_EPS)
        self.depth2 = nn.Conv2d(after, after, 3, padding=1, groups=after, bias=False)
        self.point2 = nn.Conv2d(after, after, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, h, w) to (N, after, h / 2, w / 2), rounded up."""
        inner = F.relu(self.bn1(self.point1(self.depth1(x))))
        inner = self.bn2(self.point2(self.depth2(inner)))
        return pool(inner) + self.shortcut_bn(self.shortcut(x))


def pool(x: Tensor) -> Tensor:
    """Take the largest of 3 x 3 at step 2, padded as TensorFlow does: of an even side, behind alone."""
    down, right = (1 - side % 2 for side in x.shape[2:])
    padded = F.pad(x, (1 - right, 1, 1 - down, 1), value=float("-inf"))
    return F.max_pool2d(padded, 3, 2)
