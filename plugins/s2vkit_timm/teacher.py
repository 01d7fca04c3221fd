"""A timm network as a teacher or evaluator."""

from __future__ import annotations

import difflib

import timm
import torch
from torch import Tensor, nn

from s2vkit import RecipeError, Teacher, fit_weights, read_weights
from s2vkit.nn import resize
from s2vkit_timm import TimmOptions

SMALL = ("resnet10t", {"channels": [16, 32, 64, 128], "stem_width": 16})


class Timm(Teacher):
    """Logits of faces, or one regressed number where there are no labels."""

    gives = "logits"

    def __init__(self, options: TimmOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = options.checkpoint
        found = read_weights(path) if path else {}
        self.pretrained = path is not None
        self.map_shapes: list[tuple[int, int, int]] = []
        self.net = _create(options, max(1, len(labels)))
        own = self.net.pretrained_cfg if options.published else {}
        self.input_size = options.input_size or own.get("input_size", (3, size, size))[-1]
        self.published = options.published
        for word in ("mean", "std") if self.published else ():
            numbers = torch.tensor(own[word]).view(1, 3, 1, 1)
            self.register_buffer(word, numbers, persistent=False)
        head = found.get(f"{self.net.pretrained_cfg.get('classifier')}.bias")
        if head is not None and len(head) != len(labels):
            labels = tuple(f"class_{i}" for i in range(len(head)))
            self.net.reset_classifier(len(labels))
        self.classes = tuple(labels)
        self.dim = max(1, len(self.classes))
        if path:
            fit_weights(self.net, found, source=path)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, dim) of (N, 3, H, W) in [-1, 1]."""
        images = resize(images, self.input_size)
        if self.published:
            images = ((images + 1.0) / 2.0 - self.mean) / self.std
        return self.net(images)

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        return self(images)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return no maps: their sizes are not the same in all of timm's networks."""
        return []


def _create(options: TimmOptions, outputs: int) -> nn.Module:
    name, arguments = (options.model, {}) if options.model else SMALL
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise RecipeError(
            f"timm has no model '{name}'",
            hint=f"near it are: {', '.join(near)}" if near else "see timm.list_models()",
        )
    try:
        return timm.create_model(
            name, pretrained=False, num_classes=outputs, **{**arguments, **options.arguments}
        )
    except TypeError as error:
        raise RecipeError(f"timm's model '{name}': {error}", hint="check `arguments`") from error
