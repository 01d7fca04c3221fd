"""The split of a run: which clips it trains on, and which it holds out."""

from __future__ import annotations

from pathlib import Path

from s2vkit.data.store import ClipStore
from s2vkit.files import read_json, write_json

FILE = "split.json"


def write_split(folder: Path, store: ClipStore) -> None:
    """Keep in a run's folder the split of each clip by its name."""
    split = {clip.name: clip.split for clip in store.clips}
    if read_json(folder / FILE) != split:
        write_json(folder / FILE, split)
