"""Checking a file of weights against what a component publishes, and converting it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from s2vkit import __version__
from s2vkit.checkpoints import Checkpoint, Comparison, compare
from s2vkit.errors import InputError
from s2vkit.files import naming_full_disk, replacing, sha256_of, write_json
from s2vkit.interfaces.weights import Weights, open_weights, refuse_damage
from s2vkit.registry import Entry


@dataclass(frozen=True)
class Checked:
    """A file, and the published checkpoint of a component that it is nearest to."""

    entry: Entry
    checkpoint: Checkpoint
    comparison: Comparison
    weights: Weights
    path: Path


def check_weights(entry: Entry, path: Path) -> Checked:
    """Compare a file with every checkpoint of a component: the one it is nearest to.

    Raises InputError if the file cannot be read, or holds numbers that are not finite.
    """
    found: list[Checked] = []
    for checkpoint in entry.checkpoints:
        weights = _read(checkpoint, path)
        shapes = {k: tuple(v.shape) for k, v in weights.tensors.items()}
        comparison = compare(
            checkpoint.shapes(), shapes, may_lack=checkpoint.may_lack, may_hold=checkpoint.may_hold
        )
        found.append(Checked(entry, checkpoint, comparison, weights, path))
        if comparison.fits:
            break
    best = min(found, key=lambda one: one.comparison.wrong)
    refuse_damage(best.weights.tensors, source=str(path))
    return best


def _read(checkpoint: Checkpoint, path: Path) -> Weights:
    if not checkpoint.reader:
        return open_weights(path)
    module, _, attr = checkpoint.reader.partition(":")
    read: Weights = getattr(import_module(module), attr)(path)
    return read


def convert_weights(checked: Checked, output: Path) -> None:
    """Write the weights of a file that fits as safetensors, and beside it what they are.

    The tensors stay as they are, under the manifest's names. Each of the two files appears
    whole or not at all. Raises InputError if the output cannot be written.
    """
    if output.suffix != ".safetensors":
        raise InputError(f"{output}: the output must be named .safetensors")
    if output.exists() and output.samefile(checked.path):
        raise InputError(f"{output}: is the file itself; name another output")
    tensors = {k: _own(v) for k, v in checked.weights.tensors.items()}
    with naming_full_disk(output.parent):
        try:
            with replacing(output) as part:
                save_file(tensors, part)
            write_json(output.with_suffix(".json"), provenance(checked, len(tensors)))
        except OSError as error:
            raise InputError(f"{output}: cannot be written: {error.strerror or error}") from error


def _own(tensor: Tensor) -> Tensor:
    """Return a tensor memory of its own, as safetensors wants it."""
    return tensor.detach().clone().contiguous()


def provenance(checked: Checked, tensors: int) -> dict[str, Any]:
    """Describe where the weights are from: plain data."""
    checkpoint = checked.checkpoint
    return {
        "format": 1,
        "component": f"{checked.entry.kind} {checked.entry.name}",
        "owner": checked.entry.owner,
        "file": checked.path.name,
        "sha256": sha256_of(checked.path),
        "tensors": tensors,
        "published_as": checkpoint.file,
        "source": checkpoint.source,
        "licence": checkpoint.licence,
        "options": dict(checkpoint.options),
        "config": _plain(checked.weights.config),
        "converted_by": f"s2vkit {__version__}",
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
