"""LPIPS, version 0.1: distances of normalised features, weighed by linear layers."""

from __future__ import annotations

from statistics import fmean

import torch
from torch import Tensor, nn
from torchvision.models import alexnet, vgg16

from s2vkit import Metric, Outcome, Score, fit_weights, read_weights
from s2vkit_perceptual import LpipsOptions

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TAPS = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}  # ReLUs of `features`
_CHANNELS = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}
_CHUNK = 8
_EPS = 1e-10


class Lpips(Metric):
    """The perceptual distance of each made frame to its true one, a mean over frames and clips."""

    def __init__(self, options: LpipsOptions) -> None:
        self.options = options
        self.net = Distance(options).eval().requires_grad_(False)
        self.names: list[str] = []
        self.values: list[float] = []

    @torch.no_grad()
    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        self.net.to(outcome.generated.device)
        frames = min(len(outcome.generated), len(outcome.real))
        pairs = zip(
            outcome.generated[:frames].split(_CHUNK), outcome.real[:frames].split(_CHUNK), strict=True
        )
        found = torch.cat([self.net(m.float(), t.float()) for m, t in pairs])
        self.names.append(outcome.name)
        self.values.append(float(found.mean()))

    def compute(self) -> Score:
        """Return the mean over clips."""
        return Score(
            value=fmean(self.values) if self.values else float("nan"),
            on_real=0.0,
            chance=None,
            n=len(self.values),
            definition=f"LPIPS version 0.1, {self.options.net}, on RGB in [-1, 1] at the size of "
            "the frames; mean over frames, then over clips; on real: by definition",
            clips=dict(zip(self.names, self.values, strict=True)),
        )


class Distance(nn.Module):
    """The network of LPIPS; raises InputError if a file does not fit."""

    def __init__(self, options: LpipsOptions) -> None:
        super().__init__()
        build = alexnet if options.net == "alex" else vgg16
        self.features = build(weights=None).features
        self.taps = _TAPS[options.net]
        tensors = read_weights(options.backbone)
        kept = {k.removeprefix("features."): v for k, v in tensors.items() if "features." in k}
        fit_weights(self.features, kept, source=options.backbone)
        self.heads = nn.ModuleList(nn.Conv2d(c, 1, 1, bias=False) for c in _CHANNELS[options.net])
        heads = {_plain(k): v for k, v in read_weights(options.heads).items()}
        fit_weights(self.heads, heads, source=options.heads)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.register_buffer("shift", torch.tensor(_SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(1, 3, 1, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Compare (N, 3, H, W) in [-1, 1]: (N,)."""
        pairs = zip(self._embed(one), self._embed(other), self.heads, strict=True)
        parts = [head((a - b).square()).mean((1, 2, 3)) for a, b, head in pairs]
        return torch.stack(parts).sum(0)

    def _embed(self, images: Tensor) -> list[Tensor]:
        x, found = (images - self.shift) / self.scale, []
        for place, layer in enumerate(self.features):
            x = layer(x)
            if place in self.taps:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + _EPS))
            if place == self.taps[-1]:
                break
        return found


def _plain(key: str) -> str:
    """Turn `lin0.model.1.weight` (or `lins.0.model.1.weight`) into `0.weight`."""
    digits = key.removeprefix("lins.").removeprefix("lin").split(".")[0]
    return f"{digits}.weight"
