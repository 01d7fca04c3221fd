"""Drawing: which clips and frames make up the batch of a step, as a function of seed and step."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from s2vkit.data.store import ClipStore
from s2vkit.interfaces.fields import SampleIndices

MakeGenerator = Callable[..., torch.Generator]


class BatchSampler:
    """Draws batches: every clip once an epoch, in an order that seed and epoch give.

    `same_speaker` fills each batch from one speaker; `balanced` draws every speaker equally
    often, and of each speaker every clip; `gap` is the least distance, in frames, of a
    mismatched time. `window` frames at a time are consecutive; where a clip is too short, its
    last frame is repeated. `make_generator(*names)` gives a fresh generator for names.
    """

    def __init__(
        self,
        store: ClipStore,
        clips: list[int],
        *,
        batch: int,
        frames: int,
        make_generator: MakeGenerator,
        same_speaker: bool = False,
        balanced: bool = False,
        gap: int = 5,
        window: int = 1,
    ) -> None:
        self.store, self.pool = store, clips
        self.batch, self.per_clip, self.gap = batch, frames // window, gap
        self.run = np.arange(window)
        self._generator = make_generator
        self.balanced = balanced and not same_speaker
        self._groups = self._by_speaker() if same_speaker or balanced else [clips]
        self._order = lru_cache(maxsize=4)(self._permute)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_order"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._order = lru_cache(maxsize=4)(self._permute)

    def _by_speaker(self) -> list[list[int]]:
        groups: dict[str, list[int]] = {}
        for i in self.pool:
            groups.setdefault(self.store.clips[i].labels.get("identity", ""), []).append(i)
        return list(groups.values())

    def _permute(self, group: int, epoch: int) -> np.ndarray:
        order = torch.randperm(len(self._groups[group]), generator=self._generator("order", group, epoch))
        shuffled: np.ndarray = np.asarray(self._groups[group])[order.numpy()]
        return shuffled

    def sample(self, step: int) -> SampleIndices:
        """Sample the batch of a step."""
        clips = self._balanced_clips(step) if self.balanced else self._clips(step)
        generator = self._generator("frames", step)
        counts = np.array([self.store.clips[i].frames for i in clips])
        places = np.maximum(counts - len(self.run) + 1, 1)  # where a run may begin
        frames = np.stack([self._pick(int(n), generator) for n in places])
        others = self._elsewhere(frames, places, generator)
        return SampleIndices(clips, self.lengthen(frames, counts), self.lengthen(others, counts))

    def lengthen(self, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Lengthen starts (B, R) to runs of frames (B, R * W), held at the end of a short clip."""
        runs = np.minimum(starts[:, :, None] + self.run, counts[:, None, None] - 1)
        flat: np.ndarray = runs.reshape(len(starts), -1)
        return flat

    def _clips(self, step: int) -> np.ndarray:
        group, turn = step % len(self._groups), step // len(self._groups)
        places = range(turn * self.batch, (turn + 1) * self.batch)
        return np.array([self._nth(group, place) for place in places])

    def _balanced_clips(self, step: int) -> np.ndarray:
        """Go through all speakers in a random order, one clip of each, and again."""
        count = len(self._groups)
        places = range(step * self.batch, (step + 1) * self.batch)
        rounds = {place // count for place in places}
        orders = {
            turn: torch.randperm(count, generator=self._generator("speakers", turn)).tolist()
            for turn in rounds
        }
        return np.array(
            [self._nth(orders[place // count][place % count], place // count) for place in places]
        )

    def _nth(self, group: int, place: int) -> int:
        """Return the clip that is drawn from a group as the n-th: each once an epoch."""
        size = len(self._groups[group])
        return int(self._order(group, place // size)[place % size])

    def _pick(self, count: int, generator: torch.Generator) -> np.ndarray:
        if count >= self.per_clip:
            return np.sort(torch.randperm(count, generator=generator)[: self.per_clip].numpy())
        return np.sort(torch.randint(count, (self.per_clip,), generator=generator).numpy())

    def _elsewhere(self, frames: np.ndarray, counts: np.ndarray, generator: torch.Generator) -> np.ndarray:
        """Move each time by at least `gap` frames, round the clip's end to its start."""
        gap = np.minimum(self.gap, counts // 2)[:, None]
        choices = np.maximum(counts[:, None] - 2 * gap, 0) + 1
        moved = (torch.rand(frames.shape, generator=generator).numpy() * choices).astype(int)
        elsewhere: np.ndarray = (frames + gap + moved) % counts[:, None]
        return elsewhere
