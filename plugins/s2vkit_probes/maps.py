"""A code as a map: its two first principal axes."""

from __future__ import annotations

import torch

from s2vkit import Probe, ProbeData, Score
from s2vkit_probes import CodeMapOptions


class CodeMap(Probe):
    """Lays held-out codes on the two axes along which they differ most (PCA).

    A linear view: what is apart here is apart; what lies together may still differ along
    another axis. The value says how much of the variance the two axes hold.
    """

    def __init__(self, options: CodeMapOptions) -> None:
        self.options = options
        self.sides = (options.of,)

    def probe(self, train: ProbeData, test: ProbeData) -> Score:
        """Return the share of variance; details hold the points and the labels of their clips."""
        total = len(test.names)
        count = min(total, self.options.clips)
        chosen = [i * total // count for i in range(count)]
        codes = test.codes[self.options.of][chosen].double()
        codes = codes - codes.mean(0)
        places, sizes, _ = torch.linalg.svd(codes, full_matrices=False)
        places = places[:, :2] * sizes[:2]
        sign = torch.sign(places.gather(0, places.abs().argmax(0, keepdim=True)))
        places = places * torch.where(sign == 0, torch.ones_like(sign), sign)
        variance = sizes.square()
        labels = {
            name: [values[i] for i in chosen]
            for name, values in test.labels.items()
            if name in ("identity", "emotion")
        }
        points = [[float(f"{v:.4g}") for v in point] for point in places.tolist()]
        names = [test.names[i] for i in chosen]
        drawn = {"of": self.options.of, "points": points, "clips": names}
        return Score(
            value=float(variance[:2].sum() / variance.sum().clamp(min=1e-300)),
            on_real=None,
            chance=None,
            n=count,
            definition=f"share of the variance of held-out {self.options.of} codes that the two "
            "axes of the map hold (PCA)",
            details={"map": {**drawn, "labels": labels}},
        )
