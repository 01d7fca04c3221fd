"""What a model generates: frames, their rate, and the speech they show."""

from __future__ import annotations

import tempfile
import warnings
from base64 import b64encode
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from s2vkit.inference.marking import marker_of
from s2vkit.media.video import VideoWriter


@dataclass(frozen=True, eq=False)
class Video:
    """A generated clip; in a notebook it shows itself as a player."""

    frames: np.ndarray  # (V, size, size, 3) uint8
    fps: float
    speech: np.ndarray  # (S,) float32, as it was given
    sample_rate: int  # Hz
    model: Path | None = None  # the folder of the model that generated it

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def seconds(self) -> float:
        """The length of the pictures."""
        return len(self.frames) / self.fps

    def save(self, path: str | PathLike[str], *, mark: bool = True) -> Path:
        """Write the clip with its speech, by the ending of its name; what is there is replaced.

        It is watermarked and signed as generated, unless `mark` is false; a warning says what
        cannot be done.
        """
        path = Path(path)
        marking = marker_of(self.model) if mark and self.model is not None else None
        for note in marking.notes if marking else ():
            warnings.warn(note, stacklevel=2)
        height, width = self.frames.shape[1:3]
        with VideoWriter(path, (width, height), self.fps, self.speech, self.sample_rate, marking) as video:
            video.write(self.frames)
        return path

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            data = b64encode(self.save(Path(folder) / "video.mp4").read_bytes()).decode()
        return f'<video controls loop width="256" src="data:video/mp4;base64,{data}"></video>'
