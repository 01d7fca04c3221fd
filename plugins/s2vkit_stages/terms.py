"""The terms of the generator's loss besides the adversarial ones: ordinary losses of real and generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from s2vkit import (
    Batch,
    Discriminator,
    GeneratorOutput,
    Graph,
    PairLoss,
    Teacher,
    mean_over_processes,
    means_over_processes,
)
from s2vkit_stages.adversarial_options import ComposeLosses


class Term(Protocol):
    """One weighted term."""

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor | None:
        """Return the weighted term, or None if there is nothing to compare."""
        ...


class FrameTerm:
    """A loss of generated and real frames (Eqs. 8 and 9)."""

    def __init__(self, weight: float, loss: PairLoss) -> None:
        self.weight, self.loss = weight, loss

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor:
        """Compare all frames (N, 3, H, W)."""
        return self.weight * self.loss(generated.frames.flatten(0, 1).float(), real.frames.flatten(0, 1))


class ReferenceTerm(FrameTerm):
    """A loss of the image that a generator draws for itself and one of the speaker."""

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor | None:
        """Compare one image a clip (B, 3, H, W), if the generator drew any."""
        if generated.reference_image is None:
            return None
        return self.weight * self.loss(generated.reference_image.float(), batch["reference_images"])


class PerceptualTerm:
    """The difference of the identity teacher's maps of generated and real frames."""

    def __init__(self, weight: float, teacher: Teacher) -> None:
        self.weight, self.teacher = weight, teacher

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor:
        """Compare the maps of all frames."""
        maps = self.teacher.maps(generated.frames.flatten(0, 1).float())
        with torch.no_grad():
            wanted = self.teacher.maps(real.frames.flatten(0, 1))
        return self.weight * relative_difference(maps, wanted)


class IdentityMapsTerm:
    """The squared difference of inflated identity maps and the teacher's."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor | None:
        """Average over maps and channels, each channel relative to its variance in the batch."""
        if not (generated.identity_maps and real.identity_maps):
            return None
        wanted = [maps.float() for maps in real.identity_maps]
        rows = zip(generated.identity_maps, wanted, _variances(wanted), strict=True)
        parts = [_per_variance(maps.float(), true, variance) for maps, true, variance in rows]
        return self.weight * torch.stack(parts).mean()


def _per_variance(maps: Tensor, wanted: Tensor, variance: Tensor) -> Tensor:
    error = (maps - wanted).square().mean((0, 2, 3))
    return (error / (variance + 0.01 * variance.mean() + 1e-12)).mean()


def _variances(maps: Sequence[Tensor]) -> list[Tensor]:
    """Return the variance of each channel of each map over the batch of all processes."""
    means = [one.mean((0, 2, 3)) for one in maps]
    apart = [(one - mean).square() for one, mean in zip(means, means_over_processes(means), strict=True)]
    within = [one.var((0, 2, 3), unbiased=False) for one in maps]
    return means_over_processes([a + b for a, b in zip(within, apart, strict=True)])


class FeatureMatchingTerm:
    """The difference of the layers of discriminators that show theirs (Wang et al. 2018)."""

    def __init__(self, weight: float, discriminators: Mapping[str, Discriminator]) -> None:
        self.weight, self.discriminators = weight, discriminators

    def __call__(self, batch: Batch, real: GeneratorOutput, generated: GeneratorOutput) -> Tensor:
        """Sum over discriminators."""
        terms = [generated.frames.new_zeros(())]
        for discriminator in self.discriminators.values():
            layers = discriminator.layers(*discriminator.inputs(batch, generated))
            if layers:
                with torch.no_grad():
                    wanted = discriminator.layers(*discriminator.inputs(batch, real))
                terms.append(relative_difference(layers, wanted))
        return self.weight * torch.stack(terms).sum()


def relative_difference(maps: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Return the mean absolute difference of maps, each relative to the mean of the wanted one."""
    parts = [
        (m.float() - w.float()).abs().mean() / mean_over_processes(w.float().abs().mean()).clamp(min=1e-6)
        for m, w in zip(maps, wanted, strict=True)
    ]
    return torch.stack(parts).mean()


def make_terms(losses: ComposeLosses, graph: Graph) -> dict[str, Term]:
    """Build the terms that a recipe has, by name."""
    slots = {"similarity": losses.similarity, "gradient": losses.gradient, **losses.extra}
    terms: dict[str, Term] = {
        name: FrameTerm(slot.options.weight, graph.make(slot)) for name, slot in slots.items() if slot
    }
    if losses.reference is not None:
        weight = losses.reference.options.weight
        terms["reference"] = ReferenceTerm(weight, graph.make(losses.reference))
    if losses.identity_maps.weight:
        terms["identity_maps"] = IdentityMapsTerm(losses.identity_maps.weight)
    if losses.perceptual.weight:
        terms["perceptual"] = PerceptualTerm(losses.perceptual.weight, graph.teachers["identity"])
    if losses.feature_matching.weight:
        terms["feature_matching"] = FeatureMatchingTerm(losses.feature_matching.weight, graph.discriminators)
    return terms
