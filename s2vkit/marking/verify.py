"""What a file of anyone's says of its origin: signed, altered, marked, or nothing that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from s2vkit.errors import InputError
from s2vkit.interfaces.watermark import Watermark
from s2vkit.marking.signing import Signature, can_sign, read_signature
from s2vkit.marking.watching import Found, find_watermark

State = Literal["signed", "marked", "unknown", "altered"]


@dataclass(frozen=True)
class Verdict:
    """What was found in one file."""

    path: Path
    state: State
    signature: Signature | None
    watermark: Found | None

    def plain(self) -> dict[str, Any]:
        """Return it as data that JSON takes."""
        found = self.watermark
        mark = None
        if found is not None:
            detection = found.detection
            mark = {
                "name": found.name,
                "payload": detection.payload,
                "seconds": [round(found.start, 3), round(found.end, 3)],
                "score": round(detection.score, 2),
                "threshold": round(detection.threshold, 2),
                "false_positives": detection.false_positives,
            }
        signature = asdict(self.signature) if self.signature else None
        return {"file": str(self.path), "state": self.state, "signature": signature, "watermark": mark}


def verify(path: Path, watermarks: Mapping[str, Watermark], roots: bytes, seconds: float) -> Verdict:
    """Read signature and watermark of a file; `roots` are the certificates trusted, in PEM.

    Raises InputError if there is no such file or it cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        signature = read_signature(path, roots) if can_sign() else None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    found = find_watermark(path, watermarks, seconds)
    return Verdict(path, _state(signature, found), signature, found)


def _state(signature: Signature | None, found: Found | None) -> State:
    if signature is not None:
        return "signed" if signature.valid else "altered"
    return "marked" if found else "unknown"
