"""Shards: tar files of clips as WebDataset reads them, and where each frame lies in them.

A clip `KEY` is the run of members `KEY.json`, `KEY.flac`, `KEY.000000.jpg`, `KEY.000001.jpg`
and so on. A shard is the blobs of its clips, one behind the other, and the end of a tar file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.shards.coding import to_flac, to_jpeg

_BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * _BLOCK)
"""What ends a tar file."""


@dataclass(frozen=True)
class Placed:
    """A clip in a blob or a shard: its bytes, and where its speech and frames lie in them."""

    key: str
    start: int  # first byte of the clip's members
    end: int  # first byte behind them
    speech: tuple[int, int]  # offset and size of the FLAC
    frames: list[tuple[int, int]]  # offset and size of each JPEG
    samples: int  # of the speech
    content: str  # SHA-256 of the clip's bytes

    def moved(self, by: int) -> Placed:
        """Return it as it lies `by` bytes further back."""
        frames = [(at + by, size) for at, size in self.frames]
        at, size = self.speech
        return Placed(
            self.key, self.start + by, self.end + by, (at + by, size), frames, self.samples, self.content
        )


def placed(data: dict[str, Any]) -> Placed:
    """Read back what JSON made of a `Placed`."""
    frames = [(int(at), int(size)) for at, size in data["frames"]]
    return Placed(**{**data, "speech": tuple(data["speech"]), "frames": frames})


def pack(
    key: str, frames: np.ndarray, speech: np.ndarray, rate: int, about: dict[str, Any], quality: int
) -> tuple[bytes, Placed]:
    """Encode a clip as the bytes of its members, and say what lies where.

    `frames` uint8 (V, H, W, 3), `speech` float32 (S,) at `rate` Hz. The same clip gives the
    same bytes.
    """
    buffer = io.BytesIO()
    header = json.dumps(about, ensure_ascii=False, sort_keys=True).encode()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        _add(out, f"{key}.json", header)
        sound = _add(out, f"{key}.flac", to_flac(speech, rate))
        pictures = [
            _add(out, f"{key}.{number:06d}.jpg", to_jpeg(frame, quality))
            for number, frame in enumerate(frames)
        ]
        end = out.offset
    blob = buffer.getvalue()[:end]
    content = hashlib.sha256(blob).hexdigest()
    return blob, Placed(key, 0, end, sound, pictures, len(speech), content)


def _add(out: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    out.addfile(member, io.BytesIO(data))
    padded = -(-len(data) // _BLOCK) * _BLOCK
    return out.offset - padded, len(data)


def join(parts: list[tuple[Path, list[Placed]]], out: Path) -> list[Placed]:
    """Write a shard of the clips named, copied from files that hold their bytes."""
    laid, at = [], 0
    with out.open("wb") as file:
        for path, clips in (part for part in parts if part[1]):
            with path.open("rb") as source:
                for clip in clips:
                    source.seek(clip.start)
                    file.write(source.read(clip.end - clip.start))
                    laid.append(clip.moved(at - clip.start))
                    at += clip.end - clip.start
        file.write(END)
    return laid
