"""A corpus of shards, open for reading at random: a frame costs one read and one JPEG."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from s2vkit.data.arrays import damaged, open_array
from s2vkit.data.shards.coding import from_flac, from_jpeg
from s2vkit.data.store import ClipStore, Index, load_index
from s2vkit.errors import InputError

SHARDS = "shards"
_OPEN = 128  # shards held open at once


def shard_name(number: int) -> str:
    """Name the file of a shard in its corpus."""
    return f"{SHARDS}/{number:06d}.tar"


class ShardStore(ClipStore):
    """Reads clips out of shards as a ClipStore reads them out of flat arrays.

    A window decodes its own frames and no others. Cheap to open; each process that gets one
    opens the shards for itself.
    """

    def __init__(self, folder: Path, index: Index | None = None) -> None:
        self.folder = folder
        stored = load_index(folder)
        self.index = index or stored
        self._stored = stored.clips  # of which the clips of `index` are parts, or all
        self.truths = {}
        self._places = open_array(folder / "frames_at.npy")  # (all frames, 2) offset, size
        self._sounds = open_array(folder / "clips_at.npy")  # (clips, 3) shard, offset, size
        self._shards = _Shards(folder)
        self._check()
        starts = [clip.frame for clip in self._stored]
        self._whole = [bisect_right(starts, clip.frame) - 1 for clip in self.clips]

    def _check(self) -> None:
        frames = sum(clip.frames for clip in self._stored)
        wanted = ((frames, 2), (len(self._stored), 3))
        if (self._places.shape, self._sounds.shape) != wanted:
            raise damaged(self.folder / "index.json", "it does not match frames_at and clips_at")

    def frames(self, clip: int, at: np.ndarray | slice | None = None) -> np.ndarray:
        """Read frames of a clip, all or those at `at`: (V, H, W, 3) uint8."""
        record = self.clips[clip]
        places = self._places[record.frame : record.frame + record.frames]
        wanted = places if at is None else places[at]
        shard = int(self._sounds[self._whole[clip], 0])
        out = np.empty((len(wanted), self.index.size, self.index.size, 3), np.uint8)
        for row, (offset, size) in enumerate(wanted.tolist()):
            out[row] = self._decode(from_jpeg, shard, offset, size)
        return out

    def _speech_of(self, clip: int) -> np.ndarray:
        whole, record = self._stored[self._whole[clip]], self.clips[clip]
        shard, offset, size = self._sounds[self._whole[clip]].tolist()
        speech = self._decode(from_flac, shard, offset, size)
        speech = np.pad(speech, (0, max(0, whole.samples - len(speech))))
        return speech[record.sample - whole.sample :][: record.samples]

    def _decode(self, decode: Any, shard: int, offset: int, size: int) -> np.ndarray:
        try:
            decoded: np.ndarray = decode(self._shards.read(shard, offset, size))
        except (InputError, OSError) as error:
            raise damaged(self.folder / shard_name(shard), error) from error
        return decoded


class _Shards:
    """The shards of a corpus, the last used ones held open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[int, int] = OrderedDict()

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """Read bytes of a shard."""
        return os.pread(self._descriptor(shard), size, offset)

    def _descriptor(self, shard: int) -> int:
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]
        while len(self._open) >= _OPEN:
            os.close(self._open.popitem(last=False)[1])
        self._open[shard] = os.open(self.folder / shard_name(shard), os.O_RDONLY)
        return self._open[shard]

    def __del__(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
