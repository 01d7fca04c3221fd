"""Making the batch of a step: what a stage needs, drawn, read and put on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.arrays import Arrays
from s2vkit.data.frozen import pad_speech
from s2vkit.data.sampling import BatchSampler, SampleIndices
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.audio_windows import at_peak, cut_sounds
from s2vkit.interfaces.batch import Batch
from s2vkit.interfaces.pixels import to_images
from s2vkit.interfaces.seed import generator
from s2vkit.interfaces.stage import Stage


@dataclass
class Sources:
    """Everything a batch can be made from."""

    store: ClipStore
    rate: int | None = None  # Hz, of the speech in batches; as stored if absent
    speech: Arrays | None = None  # features, summary
    faces: Mapping[str, Arrays] = field(default_factory=dict)  # side -> targets, maps


class Batches:
    """Gives the batch of any step; the same for the same seed, stage and step."""

    def __init__(
        self,
        sources: Sources,
        stage: Stage,
        name: str,
        *,
        seed: int,
        device: torch.device,
        split: str = "train",
    ) -> None:
        self.sources, self.stage, self.device = sources, stage, device
        self.fresh = partial(generator, seed, "draw", name)
        self.drawer = BatchSampler(
            sources.store,
            sources.store.split(split),
            batch=stage.options.batch,
            frames=stage.frames,
            make_generator=self.fresh,
            same_speaker=stage.same_speaker,
            balanced=stage.options.sampling == "balanced",
            gap=stage.gap,
            window=stage.window,
        )
        self.labels = self._label_table()

    def _label_table(self) -> dict[str, np.ndarray]:
        index = self.sources.store.index
        tables = {}
        for label, names in index.labels.items():
            place = {name: i for i, name in enumerate(names)}
            tables[label] = np.array([place.get(c.labels.get(label, ""), -1) for c in index.clips])
        return tables

    def __call__(self, step: int) -> Batch:
        """Make the batch of a step."""
        return self._make(self.drawer.draw(step), step)

    def held_out(self) -> Batch | None:
        """Make one batch of clips of the split val, for `Stage.validate`."""
        return self._spread("val", self.stage.held_out)

    def heard(self) -> Batch | None:
        """Make one batch of training clips, for `Stage.finish`."""
        return self._spread("train", self.stage.finish_with)

    def _spread(self, split: str, most: int) -> Batch | None:
        """Make a batch of at most `most` clips of a split, always the same; None: there is none.

        Whole clips are heard, all views averaged, frames spread over the clip.
        """
        store = self.sources.store
        found = [i for i, clip in enumerate(store.clips) if clip.split == split]
        if not found:
            return None
        count = min(most, len(found))
        clips = np.array([found[i * len(found) // count] for i in range(count)])
        lengths = np.array([store.clips[i].frames for i in clips])[:, None]
        shares = (np.arange(self.stage.frames) + 0.5) / self.stage.frames
        frames = (lengths * shares).astype(int)
        return self._make(SampleIndices(clips, frames, (frames + self.stage.gap) % lengths), None)

    def _make(self, drawn: SampleIndices, step: int | None) -> Batch:
        store, needs = self.sources.store, self.stage.needs
        clips = Batch(names=[store.clips[i].name for i in drawn.clips], window=self.stage.window)
        clips.labels = self._labels(drawn)
        if "speech" in needs:
            speech, lengths = pad_speech([store.speech(i, self.sources.rate) for i in drawn.clips])
            clips.speech, clips.lengths = self._put(speech), self._put(lengths)
        if "frames" in needs:
            frames = np.stack([store.frames(i, drawn.frames[row]) for row, i in _rows(drawn)])
            clips.frames = to_images(self._put(torch.from_numpy(frames)))
            clips.times = self._put(torch.from_numpy(drawn.frames))
        if "stills" in needs:
            clips.stills = to_images(self._put(torch.from_numpy(self._stills(drawn, step))))
        if "sounds" in needs:
            clips.sounds = self._put(self._sounds(drawn))
        self._add_speech(clips, drawn, step)
        self._add_faces(clips, drawn, step)
        return clips

    def _stills(self, drawn: SampleIndices, step: int | None) -> np.ndarray:
        """Take the first frame of another clip of each speaker, another one each step."""
        store = self.sources.store
        if step is None:
            return np.stack([store.still(i) for i in drawn.clips])
        chance = torch.rand(len(drawn.clips), generator=self.fresh("stills", step)).tolist()
        others = [store.others(i) for i in drawn.clips]
        chosen = [held[int(part * len(held))] for part, held in zip(chance, others, strict=True)]
        return np.stack([store.frames(i, np.zeros(1, int))[0] for i in chosen])

    def _sounds(self, drawn: SampleIndices) -> Tensor:
        """Cut raw speech at each run of frames and at `lead` frames before: (B, R, L+W, S)."""
        store, stage = self.sources.store, self.stage
        rate = self.sources.rate or store.index.sample_rate
        runs = drawn.frames.reshape(len(drawn.clips), -1, stage.window)
        before = runs[:, :, :1] + np.arange(-stage.lead, 0)
        frames = torch.from_numpy(np.concatenate([before, runs], 2))
        return torch.stack(
            [
                cut_sounds(
                    at_peak(torch.from_numpy(store.speech(clip, rate))),
                    rate,
                    store.index.fps,
                    frames[row],
                    stage.sound,
                )
                for row, clip in _rows(drawn)
            ]
        )

    def _labels(self, drawn: SampleIndices) -> dict[str, Tensor]:
        store = self.sources.store
        found = {k: torch.from_numpy(v[drawn.clips]) for k, v in self.labels.items()}
        for name, values in store.truths.items():
            if np.issubdtype(values.dtype, np.number):
                first = np.array([store.clips[i].frame for i in drawn.clips])[:, None]
                found[name] = torch.from_numpy(values[first + drawn.frames].astype(np.float32))
        return {k: self._put(v) for k, v in found.items()}

    def _add_speech(self, clips: Batch, drawn: SampleIndices, step: int | None) -> None:
        cache, needs = self.sources.speech, self.stage.needs
        if cache is None:
            return
        first = np.array([self.sources.store.clips[i].frame for i in drawn.clips])[:, None]
        if "features" in needs:
            clips.features = self._put_float(cache["features"][first + drawn.frames])
        if "around" in needs:
            clips.around = self._put_float(cache["features"][self._around(drawn)])
        if "mismatched" in needs:
            clips.mismatched = self._put_float(cache["features"][first + drawn.others])
        if needs & {"summary", "codes"}:
            clips.summary = self._put(torch.from_numpy(self._summaries(cache, drawn, step)))

    def _around(self, drawn: SampleIndices) -> np.ndarray:
        """Find the neighbourhoods (B, V, 2R+1) of the drawn frames, held at a clip's ends."""
        clips = [self.sources.store.clips[i] for i in drawn.clips]
        first = np.array([clip.frame for clip in clips])[:, None, None]
        last = np.array([clip.frames - 1 for clip in clips])[:, None, None]
        at = drawn.frames[:, :, None] + np.arange(-self.stage.reach, self.stage.reach + 1)
        places: np.ndarray = first + np.clip(at, 0, last)
        return places

    def _summaries(self, cache: Arrays, drawn: SampleIndices, step: int | None) -> np.ndarray:
        """Take each clip's summary, or that of one of its stretches, anew each step."""
        whole = np.array(cache["summary"][drawn.clips])
        if self.stage.stretches and step is not None:
            rows = torch.randint(
                self.stage.stretches + 1, (len(whole),), generator=self.fresh("stretch", step)
            ).numpy()
            for row in np.flatnonzero(rows):
                whole[row] = cache["stretches"][drawn.clips[row], rows[row] - 1]
        return whole

    def _add_faces(self, clips: Batch, drawn: SampleIndices, step: int | None) -> None:
        for side, cache in self.sources.faces.items():
            if "targets" in self.stage.needs:
                held = cache["targets"]
                chosen = self._views(held.shape[1], side, step)
                rows = torch.from_numpy(held[drawn.clips][:, chosen])
                clips.targets[side] = self._put(rows.mean(1))  # Eq. 1
            if "maps" in self.stage.needs and side == "identity":
                maps = [self._put_float(m[drawn.clips]) for m in cache.named("maps")]
                clips.maps = [m.contiguous(memory_format=torch.channels_last) for m in maps]

    def _views(self, held: int, side: str, step: int | None) -> np.ndarray:
        """Choose K of the M views kept (Eq. 1), anew each step."""
        if step is None:
            return np.arange(held)
        wanted = self.stage.chosen.get(side, held)
        return torch.randperm(held, generator=self.fresh("views", side, step))[:wanted].numpy()

    def _put_float(self, kept: np.ndarray) -> Tensor:
        """Put on the device as float32 what may be kept as float16."""
        return self._put(torch.from_numpy(kept)).float()

    def _put(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)


def _rows(drawn: SampleIndices) -> list[tuple[int, int]]:
    return list(enumerate(drawn.clips.tolist()))
