"""Training face networks on labelled real faces."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from s2vkit import Clips, Graph, Slot, Stage, Teacher
from s2vkit_stages import ClassifyOptions


class Classify(Stage):
    """Trains the teachers or the judges of a graph, each on the label of its own name.

    A network with classes learns them by cross-entropy; one without regresses its label.
    Those whose weights came from a file are left alone.
    """

    needs = frozenset({"frames"})
    options: ClassifyOptions

    def __init__(self, options: ClassifyOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        group = graph.teachers if options.of == "teacher" else graph.judges
        self.group: dict[str, Teacher] = {k: v for k, v in group.items() if not v.pretrained}

    def idle(self) -> str:
        """Say that every network of the group has its weights from a file, or there is none."""
        return "" if self.group else f"no {self.options.of} needs training"

    def optimizers(self) -> dict[str, Slot]:
        """Move every network of the group."""
        return {f"{self.options.of}.{name}": self.options.optimizer for name in self.group}

    def prepare(self, clips: Clips) -> Tensor:
        """Vary the images (B * V, 3, H, W): small shifts and, for some, blur."""
        images = clips.need("frames").flatten(0, 1)
        if self.options.shift:
            images = _shift(images, self.options.shift)
        blurred = torch.rand(len(images)) < self.options.blur
        if blurred.any():
            sigma = float(torch.empty(1).uniform_(0.3, 1.5))
            images = images.clone()
            images[blurred] = gaussian_blur(images[blurred], [7, 7], [sigma, sigma])
        return images

    def losses(self, turn: str, clips: Clips, shared: Tensor) -> dict[str, Tensor]:
        """Give each network's error on its label."""
        return {name: self._error(name, clips, shared) for name in self.group}

    def _error(self, name: str, clips: Clips, images: Tensor) -> Tensor:
        network = self.group[name]
        given = network.classify(images)
        label = clips.labels[name]
        if not network.classes:
            return F.smooth_l1_loss(given.squeeze(1), label.flatten().float(), beta=0.1)
        names = self.graph.world.labels[name]
        place = torch.tensor([network.classes.index(n) for n in names], device=given.device)
        known = label >= 0  # clips without this label teach nothing of it
        wanted = torch.where(known, place[label], -100)
        wanted = wanted.repeat_interleave(len(images) // len(label))
        error = F.cross_entropy(given, wanted, ignore_index=-100, reduction="sum")
        return error / (wanted >= 0).sum().clamp(min=1)


def _shift(images: Tensor, most: int) -> Tensor:
    """Shift all images of a batch together by up to `most` pixels, edges repeated."""
    size = images.shape[-1]
    dx, dy = torch.randint(2 * most + 1, (2,)).tolist()
    padded = F.pad(images, (most,) * 4, mode="replicate")
    return padded[..., dy : dy + size, dx : dx + size]
