"""SENet-50 as a teacher: timm's `legacy_seresnet50`, narrower where asked."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.models.senet import SENet, SEResNetBottleneck
from torch import Tensor, nn

from s2vkit import Teacher, fit_weights
from s2vkit.nn import resize, scale_width
from s2vkit_senet import SenetOptions
from s2vkit_senet.checkpoint import read_senet

FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
RGB_MEAN = (131.0912, 103.8827, 91.4953)  # of [0, 255], no division
GREY = (0.2989, 0.5870, 0.1140)


class Network(SENet):
    """timm's SENet with every channel count scaled by `width`."""

    def __init__(self, width: float, layers: tuple[int, int, int, int], outputs: int) -> None:
        self.width = width
        super().__init__(
            SEResNetBottleneck,
            layers,
            groups=1,
            reduction=16,
            drop_rate=0.0,
            inplanes=scale_width(64, width),
            num_classes=1,
        )
        self.num_features = self.inplanes
        self.reset_classifier(outputs)

    def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> nn.Sequential:
        return super()._make_layer(block, scale_width(planes, self.width), *args, **kwargs)


class Senet(Teacher):
    """SENet-50 with its logits or pooled features, and the maps of its inner stages.

    Logits are of faces resized to the input size; the maps are of the images as they come.
    """

    has_head = True

    def __init__(self, options: SenetOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = options.checkpoint
        found = read_senet(path) if path else {}
        head = found.get("last_linear.bias")
        self.tap = options.tap
        self.gives = "logits" if self.tap == "logits" else "embedding"
        self.grey = options.grey
        self.input_size = options.input_size or (224 if path else size)
        self.pretrained = path is not None
        self.classes = _classes(None if head is None else len(head), tuple(labels))
        outputs = max(1, len(self.classes))
        self.net = Network(options.width, options.layers, outputs)
        self.dim = outputs if self.tap == "logits" else self.net.num_features
        wide = [4 * scale_width(planes, options.width) for planes in (256, 128, 64)]
        self.map_shapes = [(c, size // s, size // s) for c, s in zip(wide, (16, 8, 4), strict=True)]
        if path:
            fit_weights(self.net, found, source=path)
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("weights", torch.tensor(GREY).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) in [-1, 1]: (N, dim)."""
        return self.classify(images) if self.tap == "logits" else self._pool(images)

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        return self.net.last_linear(self._pool(images))

    def head(self, codes: Tensor) -> Tensor:
        """Name codes (N, dim) by the classifier: logits; those of the tap `logits` are it."""
        return codes if self.tap == "logits" else self.net.last_linear(codes)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of stages 4, 3 and 2 (conv4_x first) for images, small to large."""
        x = self.net.pool0(self.net.layer0(self._prepare(images)))
        found = []
        for stage, (_, *shape) in zip(
            (self.net.layer1, self.net.layer2, self.net.layer3), self.map_shapes[::-1], strict=True
        ):
            x = stage(x)
            exact = list(x.shape[2:]) == shape  # the ceiling in pool0 may add a row
            found.append(x if exact else F.adaptive_avg_pool2d(x, shape))
        return found[::-1]

    def _pool(self, images: Tensor) -> Tensor:
        images = resize(images, self.input_size)
        return self.net.forward_head(self.net.forward_features(self._prepare(images)), pre_logits=True)

    def _prepare(self, images: Tensor) -> Tensor:
        x = (images + 1.0) * 127.5
        if self.grey:
            x = (x * self.weights).sum(1, keepdim=True)
        return x - self.mean


def _classes(outputs: int | None, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Name the classes: FER+ where they are its own, else the file's, else the corpus'."""
    if outputs == len(FERPLUS) or (outputs is None and labels and set(labels) <= set(FERPLUS)):
        return FERPLUS
    return labels if outputs is None else tuple(f"class_{i}" for i in range(outputs))
