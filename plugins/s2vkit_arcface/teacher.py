"""ArcFace's improved ResNet as a teacher; its layers bear the names of insightface's files."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import InputError, Teacher, fit_weights, read_weights
from s2vkit.nn import resize
from s2vkit_arcface import ArcFaceOptions

CHANNELS = (64, 128, 256, 512)
IRESNET50 = (3, 4, 14, 3)
PUBLISHED_SIZE = 112


class Block(nn.Module):
    """Norm, convolution, norm, PReLU, strided convolution, norm, and the shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.prelu = nn.PReLU(after)
        self.conv2 = nn.Conv2d(after, after, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, h, w) to (N, C', h', w')."""
        hidden = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        hidden = self.bn3(self.conv2(hidden))
        return hidden + (x if self.downsample is None else self.downsample(x))


class ArcFace(Teacher):
    """The embedding, and the maps of stages 4, 3 and 2 at 1/16, 1/8 and 1/4 of the image.

    The embedding is of faces resized to the input size; the maps are of the images as they
    come. A file holds no classifier: with one, `classify` is refused.
    """

    gives = "embedding"

    def __init__(self, options: ArcFaceOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = options.checkpoint
        found = read_weights(path) if path else {}
        self.input_size = options.input_size or (PUBLISHED_SIZE if path else size // 16 * 16)
        self.normalize = options.normalize
        self.pretrained = path is not None
        self.classes = () if path else tuple(labels)
        self.dim = options.dim
        channels = [max(8, round(c * options.width / 8) * 8) for c in CHANNELS]
        self.map_shapes = [(channels[i], size >> (i + 1), size >> (i + 1)) for i in (3, 2, 1)]
        self._build(channels, _layers(options.layers, found))
        if path:
            fit_weights(self, found, source=path)
        else:
            self.classifier = nn.Linear(self.dim, max(1, len(self.classes)))
            self.has_head = True

    def _build(self, channels: list[int], layers: tuple[int, ...]) -> None:
        self.conv1 = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.prelu = nn.PReLU(channels[0])
        before = channels[0]
        for stage, (wide, count) in enumerate(zip(channels, layers, strict=True), start=1):
            blocks = [Block(before, wide, 2), *(Block(wide, wide, 1) for _ in range(count - 1))]
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            before = wide
        self.bn2 = nn.BatchNorm2d(before)
        self.fc = nn.Linear(before * (self.input_size // 16) ** 2, self.dim)
        self.features = nn.BatchNorm1d(self.dim)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) in [-1, 1]: (N, dim)."""
        embedding = self._embed(images)
        return F.normalize(embedding) if self.normalize else embedding

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        if self.pretrained:
            raise InputError(
                "arcface's file holds an embedding and no classifier, so it can evaluate nothing",
                hint="use it as a teacher; as an evaluator leave `checkpoint` out, or take another",
            )
        return self.classifier(self._embed(images))

    def head(self, codes: Tensor) -> Tensor:
        """Classify codes (N, dim): logits (N, len(classes))."""
        return self.classifier(codes)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of stages 4, 3 and 2 for images (N, 3, size, size), small to large."""
        maps = self._trunk(images)[:0:-1]
        return [
            m if tuple(m.shape[2:]) == (h, w) else F.adaptive_avg_pool2d(m, (h, w))
            for m, (_, h, w) in zip(maps, self.map_shapes, strict=True)
        ]

    def _embed(self, images: Tensor) -> Tensor:
        images = resize(images, self.input_size)
        return self.features(self.fc(self.bn2(self._trunk(images)[-1]).flatten(1)))

    def _trunk(self, images: Tensor) -> list[Tensor]:
        x = self.prelu(self.bn1(self.conv1(images)))
        found = []
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{stage}")(x)
            found.append(x)
        return found


def _layers(given: tuple[int, ...] | None, found: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Count the blocks of each stage in a file, so that any depth of it loads."""
    counts = tuple(
        len({k.split(".")[1] for k in found if k.startswith(f"layer{stage}.")}) for stage in (1, 2, 3, 4)
    )
    return given or (counts if all(counts) else IRESNET50)
