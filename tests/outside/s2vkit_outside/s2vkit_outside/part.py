"""A small face teacher: two convolutions, an embedding, and both maps on the way."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu

from s2vkit import Teacher
from s2vkit_outside import TinyOutsideOptions


class TinyOutside(Teacher):
    """Looks at faces of any size; it starts untrained, so a recipe must train it on labels."""

    gives = "embedding"
    pretrained = False

    def __init__(self, options: TinyOutsideOptions, *, size: int, labels: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.dim = options.dim
        self.classes = labels
        half = (size + 1) // 2
        quarter = (half + 1) // 2
        self.map_shapes = [(16, quarter, quarter), (8, half, half)]
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.embed = nn.Linear(16, options.dim)
        self.tell = nn.Linear(options.dim, max(1, len(labels)))

    def forward(self, images: Tensor) -> Tensor:
        """Look at (N, 3, H, W) images in [-1, 1]: (N, dim)."""
        return self.embed(self.maps(images)[0].mean((2, 3)))

    def classify(self, images: Tensor) -> Tensor:
        """Return logits (N, classes), or (N, 1) where there are no classes."""
        return self.tell(silu(self(images)))

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return the maps of `map_shapes`, small to large."""
        large = silu(self.first(images))
        return [silu(self.second(large)), large]
