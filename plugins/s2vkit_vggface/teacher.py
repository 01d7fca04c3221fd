"""VGG-Face as a teacher; its layers bear the names of `vgg_face_dag.pth`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Teacher, fit_weights, read_weights
from s2vkit.nn import resize, scale_width
from s2vkit_vggface import VggFaceOptions

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
HIDDEN = 4096
RGB_MEAN = (129.186279296875, 104.76238250732422, 93.59396362304688)  # of [0, 255], no division


class VggFace(Teacher):
    """VGG16 with the embedding fc7 and the maps conv5_3, conv4_3, conv3_3 (after their ReLU).

    The embedding is of faces resized to the input size; the maps are of the images as they
    come, so that their sizes are 1/16, 1/8 and 1/4 of the generator's.
    """

    has_head = True

    gives = "embedding"

    def __init__(self, options: VggFaceOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = options.checkpoint
        found = read_weights(path) if path else {}
        self.tap = options.tap
        self.dropout = options.dropout
        self.input_size = options.input_size or (224 if path else size)
        self.pretrained = path is not None
        self.classes = _classes(found["fc8.bias"].shape[0]) if "fc8.bias" in found else tuple(labels)
        self.dim = scale_width(HIDDEN, options.width)
        channels = [scale_width(c, options.width) for c, _ in BLOCKS]
        self.map_shapes = [(channels[i], size >> i, size >> i) for i in (4, 3, 2)]
        self._build(channels, device="meta" if path else None)
        if path:
            self.to_empty(device="cpu")
            fit_weights(self, found, source=path)
        else:
            self._initialise()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).view(1, 3, 1, 1), persistent=False)

    def _build(self, channels: list[int], device: str | None) -> None:
        before = 3
        for block, (wide, (_, count)) in enumerate(zip(channels, BLOCKS, strict=True), start=1):
            for i in range(1, count + 1):
                conv = nn.Conv2d(before, wide, 3, padding=1, device=device)
                self.add_module(f"conv{block}_{i}", conv)
                before = wide
        self.fc6 = nn.Linear(before * (self.input_size // 32) ** 2, self.dim, device=device)
        self.fc7 = nn.Linear(self.dim, self.dim, device=device)
        self.fc8 = nn.Linear(self.dim, max(1, len(self.classes)), device=device)

    def _initialise(self) -> None:
        for layer in self.children():
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.conv1_1.weight.div_(64.0)  # the input is about 64 times too large to start from
            self.fc8.weight.mul_(0.1)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) in [-1, 1]: (N, dim)."""
        return self._embed(images, self.tap)

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        return self.fc8(self._drop(self._embed(images, "fc7")))

    def head(self, codes: Tensor) -> Tensor:
        """Name codes (N, dim) by fc8: logits (N, len(classes))."""
        return self.fc8(F.relu(codes))  # a student's code may have either sign, fc7 has one

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return conv5_3, conv4_3 and conv3_3 of images (N, 3, size, size), small to large."""
        return self._trunk(images)[:1:-1]

    def _embed(self, images: Tensor, tap: str) -> Tensor:
        top = F.max_pool2d(self._trunk(resize(images, self.input_size))[-1], 2)
        x = self.fc7(self._drop(F.relu(self.fc6(top.flatten(1)))))
        return F.relu(x) if tap == "fc7" else x

    def _trunk(self, images: Tensor) -> list[Tensor]:
        """Return the last convolution of every block, after its ReLU."""
        x = (images + 1.0) * 127.5 - self.mean
        found: list[Tensor] = []
        for block, (_, count) in enumerate(BLOCKS, start=1):
            x = F.max_pool2d(x, 2) if found else x
            for i in range(1, count + 1):
                x = F.relu(self.get_submodule(f"conv{block}_{i}")(x))
            found.append(x)
        return found

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


def _classes(count: int) -> tuple[str, ...]:
    return tuple(f"class_{i}" for i in range(count))
