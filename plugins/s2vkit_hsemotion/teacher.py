"""HSEmotion's EfficientNets, timm's with TensorFlow's padding, as a teacher."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import InputError, Teacher, Weights, fit_weights, open_weights, rename
from s2vkit.nn import resize
from s2vkit_hsemotion import HsEmotionOptions

EIGHT = ("anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
SEVEN = tuple(name for name in EIGHT if name != "contempt")
MODELS = {"b0": ("tf_efficientnet_b0", 224), "b2": ("tf_efficientnet_b2", 260)}
STAGES = ((4, 16), (2, 8), (1, 4))  # blocks whose outputs are 1/16, 1/8, 1/4 of the image


def open_hsemotion(path: str | Path) -> Weights:
    """Read a state dict; the classifier may lie in a Sequential, as HSEmotion's does."""
    weights = open_weights(path)
    names = {f"classifier.0.{kind}": f"classifier.{kind}" for kind in ("weight", "bias")}
    weights.tensors = rename(weights.tensors, lambda name: names.get(name, name))
    return weights


class HsEmotion(Teacher):
    """Logits of emotions or pooled features, and the maps of three inner stages.

    Logits are of faces resized to the input size; the maps are of the images as they come. Of
    a file with 10 outputs the last two, valence and arousal, are left out.
    """

    def __init__(self, options: HsEmotionOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = options.checkpoint
        found = open_hsemotion(path).tensors if path else {}
        name, published = MODELS[options.model]
        head = found.get("classifier.bias")
        outputs = 0 if path and head is None else len(head) if head is not None else None
        self.classes = _classes(options, outputs, tuple(labels))
        self.gives = "logits" if options.tap == "logits" else "embedding"
        self.input_size = options.input_size or (published if path else size)
        self.pretrained = path is not None
        heads = max(1, len(self.classes)) if outputs is None else outputs
        self.net = timm.create_model(name, pretrained=False, num_classes=heads)
        logits = len(self.classes) or heads
        self.dim = logits if self.gives == "logits" else self.net.num_features
        wide = {info["reduction"]: info["num_chs"] for info in self.net.feature_info}
        self.map_shapes = [(wide[by], size // by, size // by) for _, by in STAGES]
        self.headless = outputs == 0
        if self.headless and self.gives == "logits":
            raise _headless(str(path))
        if path:
            fit_weights(self.net, found, source=path)
        for word, numbers in (("mean", options.mean), ("std", options.std)):
            self.register_buffer(word, torch.tensor(numbers).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) in [-1, 1]: (N, dim)."""
        return self.classify(images) if self.gives == "logits" else self._pool(images)

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        if self.headless:
            raise _headless("this file")
        logits = self.net.classifier(self._pool(images))
        return logits[:, : len(self.classes)] if self.classes else logits

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of three inner blocks, small to large."""
        x = self.net.bn1(self.net.conv_stem(self._prepare(images)))
        found = {}
        for i, block in enumerate(self.net.blocks[: STAGES[0][0] + 1]):
            x = found[i] = block(x)
        shapes = [shape[1:] for shape in self.map_shapes]
        found_maps = [found[i] for i, _ in STAGES]
        return [
            m if tuple(m.shape[2:]) == shape else F.adaptive_avg_pool2d(m, shape)
            for m, shape in zip(found_maps, shapes, strict=True)
        ]

    def _pool(self, images: Tensor) -> Tensor:
        images = resize(images, self.input_size)
        features = self.net.forward_features(self._prepare(images))
        return self.net.forward_head(features, pre_logits=True)

    def _prepare(self, images: Tensor) -> Tensor:
        return ((images + 1.0) / 2.0 - self.mean) / self.std


def _headless(path: str) -> InputError:
    return InputError(
        f"{path}: has no classifier, so it predicts no emotions",
        hint="set `tap: pooled` to learn its features, or take a file with a classifier",
    )


def _classes(options: HsEmotionOptions, outputs: int | None, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Name the classes: as the recipe says, HSEmotion's own, or the corpus'."""
    if outputs is None:
        return EIGHT if labels and set(labels) <= set(EIGHT) else labels
    if options.classes is not None:
        if len(options.classes) != outputs:
            problem = f"the recipe names {len(options.classes)} classes, the file has {outputs}"
            raise InputError(f"{options.checkpoint}: {problem}", hint="give one name an output")
        return tuple(options.classes)
    names = {8: EIGHT, 10: EIGHT, 7: SEVEN}
    return names.get(outputs, tuple(f"class_{i}" for i in range(outputs)))
