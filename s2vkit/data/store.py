"""The prepared corpus: a few flat arrays and an index, read at random through memory maps.

A folder holds `index.json` (clips, labels, splits, sizes), `frames.npy` (all frames, uint8
RGB), `speech.npy` (all samples, float32) and `truth.npz` (known truth for each frame).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from s2vkit.data.arrays import damaged, open_array
from s2vkit.errors import InputError
from s2vkit.files import read_json
from s2vkit.options import Reference

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
    rejected: dict[str, str]  # name -> reason
    content: str = ""  # hash of all frames and samples; empty if a corpus has none

    def dump(self) -> dict[str, Any]:
        """Return plain data."""
        return {"format": FORMAT, **asdict(self)}


def load_index(folder: Path) -> Index:
    """Read the index of a corpus. Raises InputError if there is none, or of another format."""
    path = folder / "index.json"
    data = read_json(path)
    if not isinstance(data, dict):
        raise damaged(path, "not a prepared corpus: no readable index")
    if data.pop("format", None) != FORMAT:
        raise InputError(
            f"{folder}: a corpus of another format", hint="delete the folder and prepare it again"
        )
    try:
        data["clips"] = [Record(**clip) for clip in data["clips"]]
        data["labels"] = {k: tuple(v) for k, v in data["labels"].items()}
        return Index(**data)
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(path, f"{type(error).__name__}: {error}") from error


def _load_truths(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            return {k: arrays[k] for k in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise damaged(path, error) from error


def _is_lacking(values: np.ndarray) -> bool:
    if np.issubdtype(values.dtype, np.floating):
        return bool(np.isnan(values).all())
    return values.dtype.kind == "U" and not values.any()


class ClipStore:
    """A prepared corpus, open for reading; cheap to open, safe to share between processes."""

    def __init__(self, folder: Path, index: Index | None = None) -> None:
        """Open a corpus; `index` takes the place of its own, with the labels and splits of a run."""
        self.folder = folder
        self.index = index or load_index(folder)
        self._frames = open_array(folder / "frames.npy")
        self._speech = open_array(folder / "speech.npy")
        self.truths = _load_truths(folder / "truth.npz")

    def __reduce__(self) -> tuple[type[ClipStore], tuple[Path, Index]]:
        return type(self), (self.folder, self.index)  # a pickled memory map would be a copy

    @property
    def clips(self) -> list[Record]:
        """All clips, in the corpus's order."""
        return self.index.clips

    def split(self, name: str) -> list[int]:
        """List the clips of a split. Raises InputError if it is empty."""
        found = [i for i, clip in enumerate(self.clips) if clip.split == name]
        if not found:
            raise InputError(f"{self.folder}: the corpus has no clip in split '{name}'")
        return found

    def frames(self, clip: int, at: np.ndarray | slice | None = None) -> np.ndarray:
        """Read frames of a clip, all or those at `at`: (V, H, W, 3) uint8."""
        record = self.clips[clip]
        frames = self._frames[record.frame : record.frame + record.frames]
        return np.array(frames if at is None else frames[at])

    def others(self, clip: int) -> list[int]:
        """List other clips of the same speaker: of the training split, or else of any.

        Raises InputError if there is none.
        """
        record = self.clips[clip]
        speaker = record.labels.get("identity", "")
        found = [i for i in self._clips_of_speaker.get(speaker, []) if i != clip] if speaker else []
        of_train = [i for i in found if self.clips[i].split == "train"]
        if not of_train and (not found or record.split == "train"):
            raise InputError(
                f"clip '{record.name}': there is no other clip of its speaker to take a reference image from",
                hint="a generator or discriminator that takes reference images needs a corpus with labels of "
                "identity and at least two clips of every speaker",
            )
        return of_train or found

    def still(self, clip: int, reference: Reference = "other_clip") -> np.ndarray:
        """Read the first frame of a clip, or of another of its speaker: (H, W, 3) uint8."""
        others = [clip] if reference == "first_frame" else self.others(clip)
        image: np.ndarray = self.frames(others[clip % len(others)], np.zeros(1, int))[0]
        return image

    @cached_property
    def _clips_of_speaker(self) -> dict[str, list[int]]:
        groups: dict[str, list[int]] = {}
        for i, record in enumerate(self.clips):
            groups.setdefault(record.labels.get("identity", ""), []).append(i)
        return groups

    def speech(self, clip: int, rate: int | None = None) -> np.ndarray:
        """Read the speech of a clip: (S,) float32, at `rate` Hz or as it is stored."""
        speech, stored_rate = self._speech_of(clip), self.index.sample_rate
        if rate in (None, stored_rate):
            return speech
        from s2vkit.media import resample  # brings FFmpeg in, which few corpora need here

        return resample(speech, stored_rate, rate or stored_rate)

    def _speech_of(self, clip: int) -> np.ndarray:
        record = self.clips[clip]
        return np.array(self._speech[record.sample : record.sample + record.samples])

    def truth(self, clip: int) -> dict[str, np.ndarray]:
        """Read the known truth of a clip: name -> (V, ...), without what it lacks."""
        record = self.clips[clip]
        found = {k: v[record.frame : record.frame + record.frames] for k, v in self.truths.items()}
        return {name: values for name, values in found.items() if not _is_lacking(values)}

    def lacking(self) -> dict[str, int]:
        """Count the clips that lack a truth which others have."""
        counts = {k: sum(k not in self.truth(i) for i in range(len(self.clips))) for k in self.truths}
        return {name: count for name, count in counts.items() if count}
