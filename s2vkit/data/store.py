"""The prepared corpus: a few flat arrays and an index, read at random through memory maps.

A folder holds `index.json` (clips, labels, splits, sizes), `frames.npy` (all frames, uint8
RGB), `speech.npy` (all samples, float32) and `truth.npz` (known truth for each frame).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.errors import InputError

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """One clip of the corpus: where its frames and samples lie, and what is known of it."""

    name: str
    labels: dict[str, str]
    split: str
    frame: int  # first frame
    frames: int
    sample: int  # first sample
    samples: int


@dataclass(frozen=True)
class Index:
    """What is in a corpus."""

    size: int
    fps: float
    sample_rate: int
    labels: dict[str, tuple[str, ...]]
    clips: list[Record]
    set_aside: dict[str, str]  # name -> reason

    def dump(self) -> dict[str, Any]:
        """Give plain data."""
        return {"format": FORMAT, **asdict(self)}


def load_index(folder: Path) -> Index:
    """Read the index of a corpus. Raises InputError where there is none, or of another format."""
    path = folder / "index.json"
    try:
        data = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{folder}: not a prepared corpus: {error}") from error
    if data.pop("format", None) != FORMAT:
        raise InputError(
            f"{folder}: a corpus of another format", hint="delete the folder; it is made again"
        )
    data["clips"] = [Record(**clip) for clip in data["clips"]]
    data["labels"] = {k: tuple(v) for k, v in data["labels"].items()}
    return Index(**data)


class ClipStore:
    """A prepared corpus, open for reading; cheap to open, safe to share between processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = load_index(folder)
        self._frames = np.load(folder / "frames.npy", mmap_mode="r")
        self._speech = np.load(folder / "speech.npy", mmap_mode="r")
        with np.load(folder / "truth.npz") as held:
            self.truths: dict[str, np.ndarray] = {k: held[k] for k in held.files}

    @property
    def clips(self) -> list[Record]:
        """All clips, in the corpus's order."""
        return self.index.clips

    def split(self, name: str) -> list[int]:
        """List the clips of a split. Raises InputError where it is empty."""
        found = [i for i, clip in enumerate(self.clips) if clip.split == name]
        if not found:
            raise InputError(f"{self.folder}: the corpus has no clip in split '{name}'")
        return found

    def frames(self, clip: int, at: np.ndarray | slice | None = None) -> np.ndarray:
        """Read frames of a clip, all or those at `at`: (V, H, W, 3) uint8."""
        record = self.clips[clip]
        held = self._frames[record.frame : record.frame + record.frames]
        return np.array(held if at is None else held[at])

    def speech(self, clip: int) -> np.ndarray:
        """Read the speech of a clip: (S,) float32."""
        record = self.clips[clip]
        return np.array(self._speech[record.sample : record.sample + record.samples])

    def truth(self, clip: int) -> dict[str, np.ndarray]:
        """Read the known truth of a clip: name -> (V,). For metrics only."""
        record = self.clips[clip]
        return {k: v[record.frame : record.frame + record.frames] for k, v in self.truths.items()}
