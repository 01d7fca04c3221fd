"""The scores of discriminators: how often they are right, and when that is a collapse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from s2vkit import AdversarialLoss, Batch, Threshold
from s2vkit_stages.adversarial_options import CollapseOptions

KINDS = ("real", "fake", "mismatched")


def by_clip(batch: Batch, scores: Tensor) -> Tensor:
    """Divide scores (B*T, ...) by clip: (B, T, ...), in float32."""
    return scores.float().unflatten(0, (len(batch.names), -1))


def accuracies(loss: AdversarialLoss, scores: Mapping[str, tuple[Tensor, ...]]) -> dict[str, Tensor]:
    """Return `score.NAME.KIND`, the mean score, and `accuracy.NAME.KIND`, the share judged rightly.

    `discriminator_accuracy.NAME` is the mean of that over real and fake (the mean of the kinds of
    fake): 0.5 where it cannot tell them apart, as at the equilibrium of an adversarial training.
    """
    found = {}
    for name, kinds in scores.items():
        right = {}
        for kind, values in zip(KINDS, kinds, strict=False):
            found[f"score.{name}.{kind}"] = values.mean()
            real = loss.looks_real(values)
            if real is not None:
                share = real.float().mean()
                right[kind] = share if kind == "real" else 1 - share
                found[f"accuracy.{name}.{kind}"] = right[kind]
        if right:
            fakes = torch.stack([value for kind, value in right.items() if kind != "real"]).mean()
            found[f"discriminator_accuracy.{name}"] = (right["real"] + fakes) / 2
    return found


def collapse_thresholds(
    options: CollapseOptions, loss: AdversarialLoss, names: Iterable[str]
) -> list[Threshold]:
    """Bound the accuracy of each discriminator; a loss without a boundary has none to bound."""
    if options.action == "ignore" or loss.looks_real(torch.zeros(1)) is None:
        return []
    return [
        Threshold(
            f"discriminator_accuracy.{name}",
            options.min_accuracy,
            options.max_accuracy,
            options.steps,
            f"discriminator '{name}' has collapsed (above {options.max_accuracy} the generator learns "
            f"little from it, below {options.min_accuracy} it takes fakes for real)",
            stops=options.action == "stop",
        )
        for name in names
    ]
