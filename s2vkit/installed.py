"""Files that other installed packages carry: found without importing them, and checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from s2vkit.checkpoints import Carrier
from s2vkit.errors import ResourceError


def find_carried(carriers: Sequence[Carrier]) -> Path | None:
    """Find the file of the first of these packages that is installed and has it.

    Raises ResourceError if the file is another one than is known.
    """
    for carrier in carriers:
        path = _locate(carrier)
        if path is not None:
            _check(path, carrier)
            return path
    return None


def is_carried(carriers: Sequence[Carrier]) -> bool:
    """Return whether one of these packages is installed and has its file, whatever is in it."""
    return any(_locate(carrier) is not None for carrier in carriers)


def _locate(carrier: Carrier) -> Path | None:
    spec = find_spec(carrier.module)
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = (Path(folder) / carrier.file for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _check(path: Path, carrier: Carrier) -> None:
    if carrier.sha256 and _sha256(path, path.stat().st_mtime_ns) != carrier.sha256:
        raise ResourceError(
            f"{path}: not the file that is known of the package {carrier.distribution}: its SHA-256 differs",
            hint=f"install it again: pip install --no-deps --force-reinstall {carrier.requirement}",
        )


@cache
def _sha256(path: Path, modified: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
