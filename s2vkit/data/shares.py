"""What frozen networks give of a corpus, computed by several processes, each of its share of the clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2vkit.data.arrays import Arrays, flush, new_array, open_array
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.data_parallel import Part
from s2vkit.interfaces.fields import FrozenFeatures

_OF_FRAMES = "features"  # the array that has a row for each frame; all others have one for each clip


def share_of(clips: int, part: Part) -> np.ndarray:
    """Name the clips of a process: every `world`-th, so that all have some of each speaker and length."""
    return np.arange(part.rank, clips, part.world)


def merge_shares(
    features: FrozenFeatures, store: ClipStore, shares: Sequence[tuple[np.ndarray, Path]], out: Path
) -> None:
    """Make one folder of arrays from those of all processes: of each the clips and its folder.

    An array is float16 where it is in every share, else float32. Processes write files of their own, as
    those of several machines must not write into the same one; each goes once it is merged.
    """
    parts = [(clips, folder) for clips, folder in shares if len(clips)]
    for name in Arrays(parts[0][1]).names():
        files = [folder / f"{name}.npy" for _, folder in parts]
        arrays = [open_array(file) for file in files]
        axis = 1 if features.what == "variants" else 0
        shape = list(arrays[0].shape)
        shape[axis] = sum(clip.frames for clip in store.clips) if name == _OF_FRAMES else len(store.clips)
        whole = new_array(out / f"{name}.npy", tuple(shape), np.result_type(*(one.dtype for one in arrays)))
        for (clips, _), array in zip(parts, arrays, strict=True):
            rows = _rows(store, clips) if name == _OF_FRAMES else clips
            whole[(slice(None),) * axis + (rows,)] = array
        flush(whole)
        for file in files:
            file.unlink()


def _rows(store: ClipStore, clips: np.ndarray) -> np.ndarray:
    """Number the frames of clips among those of all."""
    records = [store.clips[i] for i in clips]
    return np.concatenate([np.arange(one.frame, one.frame + one.frames) for one in records])
