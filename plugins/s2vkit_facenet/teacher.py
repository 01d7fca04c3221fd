"""facenet-pytorch's Inception-ResNet as a teacher. Its own download is never used."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from s2vkit import InputError, ResourceError, Teacher, fit_weights, weights_file
from s2vkit.nn import resize
from s2vkit_facenet import CHECKPOINTS, FaceNetOptions
from s2vkit_facenet.frozen_graph import open_facenet


class FaceNet(Teacher):
    """The 512-d embedding of length 1; no maps, since its convolutions have no padding."""

    gives = "embedding"
    dim = 512

    def __init__(self, options: FaceNetOptions, *, size: int, labels: tuple[str, ...]) -> None:
        super().__init__()
        path = weights_file(options.checkpoint, CHECKPOINTS)
        found = open_facenet(path).tensors if path else {}
        head = found.get("logits.bias")
        self.input_size = options.input_size
        self.pretrained = path is not None
        self.map_shapes: list[tuple[int, int, int]] = []
        known = 0 if head is None else len(head)
        self.classes = tuple(f"class_{i}" for i in range(known)) if path else tuple(labels)
        outputs = len(self.classes) if path else max(1, len(self.classes))
        self.net = _network()(
            pretrained=None, classify=outputs > 0, num_classes=outputs or None, dropout_prob=options.dropout
        )
        if path:
            fit_weights(self.net, found, source=path)

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W) in [-1, 1]: (N, 512) of length 1."""
        self.net.classify = False
        return self.net(self._prepare(images))

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, len(classes)), or (N, 1) where there are no classes."""
        if not hasattr(self.net, "logits"):
            raise InputError(
                "this file of facenet holds no classifier, so it can evaluate nothing",
                hint="use it as a teacher; as an evaluator leave `checkpoint` out, or take another",
            )
        self.net.classify = True
        return self.net(self._prepare(images))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return no maps."""
        return []

    def _prepare(self, images: Tensor) -> Tensor:
        images = resize(images, self.input_size)
        return images * (127.5 / 128.0)  # (x - 127.5) / 128 of RGB in 0-255


def _network() -> Any:
    try:
        from facenet_pytorch import InceptionResnetV1
    except ImportError as error:
        raise ResourceError(
            f"teacher 'facenet' needs facenet-pytorch: {error}", hint="pip install 's2vkit[faces]'"
        ) from error
    return InceptionResnetV1
