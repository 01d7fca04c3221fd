"""What is measured of held-out clips while students, discriminators and the generator learn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import AdversarialLoss, Batch, Discriminator, GeneratorOutput, Graph


def agreement(code: Tensor, target: Tensor, labels: Tensor | None, places: list[int]) -> dict[str, Tensor]:
    """Compare what logits (B, C) name with what the teacher's name, and with the labels (B,).

    `places` gives each label's class of the teacher, -1 where it knows none.
    """
    named = code.argmax(1)
    found = {"as_teacher": (named == target.argmax(1)).float().mean()}
    if labels is not None and places:
        wanted = torch.tensor([*places, -1], device=labels.device)[labels.long()]
        known = wanted >= 0
        if known.any():
            found["accuracy"] = (named == wanted)[known].float().mean()
    return found


def retrieval(code: Tensor, target: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
    """Look for the face nearest to each code, both (B, dim), by cosine.

    Right is any face with the clip's own label, or without labels the clip's own.
    """
    nearest = (F.normalize(code, dim=1) @ F.normalize(target, dim=1).mT).argmax(1)
    own = torch.arange(len(code), device=code.device) if labels is None else labels
    return {"retrieval": (own[nearest] == own).float().mean()}


def examine(graph: Graph, loss: AdversarialLoss, clips: Batch) -> dict[str, Tensor]:
    """Measure the discriminators that see mismatched pairs, and the inflated identity maps."""
    found = {}
    for name, discriminator in graph.discriminators.items():
        auc = auc_of_pairs(discriminator, loss, clips)
        if auc is not None:
            found[f"{name}.auc"] = auc
    if clips.identity_maps and graph.generator is not None:
        inflated = graph.generator(graph.condition_batch(clips)).identity_maps
        if inflated:
            found["identity_maps.correlation"] = map_correlation(inflated, clips.identity_maps).mean()
    return found


def auc_of_pairs(discriminator: Discriminator, loss: AdversarialLoss, clips: Batch) -> Tensor | None:
    """Return how often a matched real pair scores as more real than a mismatched one; None: it has none."""
    mismatched = discriminator.mismatched(clips)
    if mismatched is None:
        return None
    real = discriminator.inputs(clips, GeneratorOutput(clips["frames"], clips.identity_maps))
    scores = [discriminator(*kind).float().flatten(1).mean(1) for kind in (real, mismatched)]
    matched, other = (one if higher_is_real(loss) else -one for one in scores)
    wins = matched[:, None] - other
    return (wins > 0).float().mean() + 0.5 * (wins == 0).float().mean()


def higher_is_real(loss: AdversarialLoss) -> bool:
    """Tell which way the scores of an adversarial loss go."""
    low, high = torch.zeros(1, 1), torch.ones(1, 1)
    return bool(loss.discriminator(high, low) < loss.discriminator(low, high))


def map_correlation(maps: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Correlate maps [(B, C, h, w)] with others over the places of each channel: (B,), means over channels.

    A channel that does not vary in the wanted map is left out; one that does not vary in the
    other counts as 0.
    """
    each = [_channels(m.float(), w.float()) for m, w in zip(maps, wanted, strict=True)]
    values, known = (torch.cat(parts, 1) for parts in zip(*each, strict=True))
    return (values * known).sum(1) / known.sum(1).clamp(min=1)


def _channels(maps: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    a = maps.flatten(2) - maps.flatten(2).mean(2, keepdim=True)
    b = wanted.flatten(2) - wanted.flatten(2).mean(2, keepdim=True)
    sizes = a.norm(dim=2) * b.norm(dim=2)
    r = torch.where(sizes > 1e-8, (a * b).sum(2) / sizes.clamp(min=1e-8), 0.0)
    return r, (b.norm(dim=2) > 1e-6).float()
