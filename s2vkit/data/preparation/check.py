"""Checking that a dataset keeps its contract, before its clips are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from s2vkit.errors import InputError, PluginError
from s2vkit.interfaces.dataset import ClipFiles, Dataset, RawClip

SPLITS = ("train", "val", "test")


def check_clips(clips: list[ClipFiles], dataset: Dataset) -> None:
    """Check that clips have names of their own, known splits and known labels.

    Raises InputError if there is no clip, PluginError if the dataset breaks its word.
    """
    if not clips:
        raise InputError("the dataset has no clip", hint="check `data:` in the recipe")
    wrong = [*_double(clips), *_unknown(clips, dataset)]
    if wrong:
        raise PluginError(
            f"dataset {type(dataset).__name__}: {wrong[0]} ({len(wrong)} such problems)",
            hint="this is a bug of the dataset's plugin",
        )


def _double(clips: list[ClipFiles]) -> Iterator[str]:
    counts = Counter(clip.name for clip in clips)
    yield from (f"{n} clips are named '{name}'" for name, n in counts.items() if n > 1)


def _unknown(clips: list[ClipFiles], dataset: Dataset) -> Iterator[str]:
    known = {label: set(names) for label, names in dataset.labels.items()}
    for clip in clips:
        if clip.split not in SPLITS:
            yield f"clip '{clip.name}' is in split '{clip.split}', not one of {', '.join(SPLITS)}"
        for label, value in clip.labels.items():
            if label in known and value not in known[label]:
                yield f"clip '{clip.name}' has the unknown {label} '{value}'"


def check_clip(clip: RawClip, dataset: Dataset) -> None:
    """Check that a loaded clip has the shapes and ranges promised; raises InputError."""
    frames, speech, size = clip.frames, clip.speech, dataset.size
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (size, size, 3):
        raise InputError(f"frames are {frames.dtype} {frames.shape}, not uint8 (V, {size}, {size}, 3)")
    if not len(frames):
        raise InputError("it has no frame")
    if speech.ndim != 1 or not len(speech) or not np.isfinite(speech).all():
        raise InputError(f"speech {speech.shape} is not one filled row of finite samples")
    for name, values in clip.truth.items():
        if values.shape[:1] != (len(frames),):
            raise InputError(f"truth '{name}' is {values.shape}, not one row for each frame")
