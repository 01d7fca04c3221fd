"""The contract of a discriminator: it scores real and generated frames, or identity maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from s2vkit.interfaces.batch import Batch, GeneratorOutput
from s2vkit.interfaces.fields import BatchField, IdentityMaps

Inputs = tuple[Tensor | list[Tensor], ...]


class Discriminator(nn.Module):
    """Base of discriminators. Built as `Discriminator(options, size=, features=, map_shapes=)`.

    It takes its own inputs from a batch and from what was generated; the real side is a
    `GeneratorOutput` too, of the batch's frames and the identity teacher's maps. Its first
    input is what is generated, the others (speech features, reference images) are conditions.
    """

    fields: tuple[BatchField, ...] = ()
    """What it needs in the batch besides what is generated: conditions, and the real side's maps."""
    runs: bool = False  # whether it scores runs of consecutive frames, see `windows`
    run_length: int = 0  # frames of each run that it scores, of which the windows are multiples; 0: any

    def input_names(self) -> tuple[str, ...]:
        """Name what it takes: identity_maps, frames or windows first, then its conditions."""
        fields = [field.name for field in self.fields if field.name not in ("identity_maps", "mismatched")]
        maps = any(isinstance(field, IdentityMaps) for field in self.fields)
        return ("identity_maps" if maps else "windows" if self.runs else "frames", *fields)

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return what is scored (N, ...): the same number of items for each clip, clip by clip."""
        raise NotImplementedError

    def mismatched(self, batch: Batch) -> Inputs | None:
        """Return real frames under wrong conditions, which count as fake (Eq. 6); None: not used."""
        return None

    def layers(self, *inputs: Tensor | list[Tensor]) -> list[Tensor]:
        """Return the activations of layers [(N, ...)], for feature matching; by default none."""
        return []

    def embed(self, *inputs: Tensor | list[Tensor]) -> tuple[Tensor, Tensor] | None:
        """Return embeddings of length 1 whose nearness it scores, of frames (N, D) and of their condition
        (M, D), each side by itself; None: it has none."""
        return None

    def compare(self, frames: Tensor, condition: Tensor) -> Tensor:
        """Score embeddings (N, D) of frames with as many of conditions: (N, 1)."""
        raise NotImplementedError

    def score_kinds(self, real: Inputs, fake: Inputs, mismatched: Inputs | None) -> tuple[Tensor, ...]:
        """Score each kind (N, ...): in one pass, or kind by kind where there is batch norm.

        In the generator's phase fakes are scored alone; so that batch norm treats them the same in
        both phases, no other kind is in their batch here either.
        """
        kinds = [real, fake] if mismatched is None else [real, fake, mismatched]
        if any(isinstance(module, _BatchNorm) for module in self.modules()):
            return tuple(self(*kind) for kind in kinds)
        scores: tuple[Tensor, ...] = self(*join(*kinds)).chunk(len(kinds))
        return scores


def join(*kinds: Inputs) -> Inputs:
    """Concatenate inputs of several kinds along their first dimension."""
    joined: list[Tensor | list[Tensor]] = []
    for parts in zip(*kinds, strict=True):
        lists = [part for part in parts if isinstance(part, list)]
        if lists:
            joined.append([torch.cat(maps) for maps in zip(*lists, strict=True)])
        else:
            joined.append(torch.cat([part for part in parts if isinstance(part, Tensor)]))
    return tuple(joined)


def detached(inputs: Inputs) -> Inputs:
    """Return inputs without their history, so that no gradient reaches the generator."""
    return tuple([t.detach() for t in part] if isinstance(part, list) else part.detach() for part in inputs)


def windows(batch: Batch, values: Tensor) -> Tensor:
    """Divide (B, V, ...) into the runs of consecutive frames that the batch has: (M, W, ...)."""
    runs: Tensor = values.unflatten(1, (-1, batch.window)).flatten(0, 1)  # type: ignore[no-untyped-call]
    return runs
