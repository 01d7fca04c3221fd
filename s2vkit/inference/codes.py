"""The mean code of each label of a model: what a person or an emotion is asked for by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from s2vkit.errors import RunFolderError

LabelCodes = Mapping[str, Mapping[str, Tensor]]  # side -> label -> (dim,)

MOST = 512  # labels of a side; of more, those with the most clips
_PREFIX = "code."


def mean_codes(codes: Mapping[str, Tensor], labels: Mapping[str, Sequence[str]]) -> LabelCodes:
    """Average the codes of clips, side -> (N, dim), by the clips' labels, side -> N; "" is none."""
    found: dict[str, dict[str, Tensor]] = {}
    for side, of_clips in codes.items():
        own = labels.get(side, ())
        common = [label for label, _ in Counter(filter(None, own)).most_common(MOST)]
        found[side] = {
            label: of_clips[[i for i, one in enumerate(own) if one == label]].float().mean(0)
            for label in sorted(common)
        }
    return found


def to_tensors(codes: LabelCodes) -> dict[str, Tensor]:
    """Name each code for the file of weights: code.SIDE/LABEL."""
    return {
        f"{_PREFIX}{side}/{label}": code.contiguous()
        for side, of_labels in codes.items()
        for label, code in of_labels.items()
    }


def from_tensors(tensors: Mapping[str, Tensor], sizes: Mapping[str, int], path: Path) -> LabelCodes:
    """Find the codes in a file of weights. Raises RunFolderError if one has another size."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, code in tensors.items():
        if not key.startswith(_PREFIX):
            continue
        side, _, label = key.removeprefix(_PREFIX).partition("/")
        if tuple(code.shape) != (sizes.get(side),):
            raise RunFolderError(
                f"{path}: the code of {side} '{label}' has the shape {tuple(code.shape)}, "
                f"not ({sizes.get(side)},)",
                hint="copy the model again, or delete it and run its recipe again",
            )
        found.setdefault(side, {})[label] = code.float()
    return found
