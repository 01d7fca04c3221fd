"""Fields that are read from the clips themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from s2vkit.interfaces.audio_windows import at_peak, cut_speech
from s2vkit.interfaces.fields.base import (
    BatchField,
    BatchSizes,
    BatchSource,
    ClipSample,
    Value,
    channels_last,
)
from s2vkit.options import Reference
from s2vkit.speech.changes import vary
from s2vkit.speech.level import normalize_speech

FAKE_SECONDS = 2.5  # of speech in a made-up clip


@dataclass(frozen=True)
class Frames(BatchField):
    """`frames` (B, V, 3, H, W) in [-1, 1] and `times` (B, V), their numbers in their clips.

    V is `n`; they are sampled in runs of `window` consecutive ones. They are loaded as bytes, see `Batch`.
    """

    n: int = 1
    window: int = 1

    def sampling(self) -> dict[str, int]:
        """Ask for frames in runs."""
        return {"frames": self.n, "window": self.window}

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the sampled frames."""
        pairs = zip(sample.clips.tolist(), sample.frames, strict=True)
        frames = np.stack([source.store.frames(clip, at) for clip, at in pairs])
        return {"frames": torch.from_numpy(frames), "times": torch.from_numpy(sample.frames)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake frames."""
        size = sizes.graph.data_spec.size
        frames = channels_last(noise(sizes.clips, sizes.frames, 3, size, size))
        return {"frames": frames, "times": torch.arange(sizes.frames).expand(sizes.clips, -1)}


@dataclass(frozen=True)
class Speech(BatchField):
    """`speech` (B, S) of clips at the encoder's rate and level, zero padded, and `lengths` (B,).

    With `seconds`, of a part of each clip that is so long, another one each step; the share `vary`
    of them sounds as another recording might.
    """

    seconds: float = 0.0
    vary: float = 0.0

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read and pad the speech."""
        clips = [source.store.speech(clip, source.sample_rate) for clip in sample.clips.tolist()]
        if sample.step is not None and (self.seconds or self.vary):
            random = sample.generator("speech", sample.step)
            seeds = sample.draw(lambda count: torch.randint(2**62, (count,), generator=random)).tolist()
            pairs = zip(clips, seeds, strict=True)
            clips = [self._change(clip, source.sample_rate, seed) for clip, seed in pairs]
        if source.level is not None:
            clips = [normalize_speech(clip, source.sample_rate, source.level)[0] for clip in clips]
        speech, lengths = pad_speech(clips)
        return {"speech": speech, "lengths": lengths}

    def _change(self, speech: np.ndarray, rate: int, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        length = round(self.seconds * rate) or len(speech)
        first = random.integers(max(1, len(speech) - length + 1))
        speech = speech[first : first + length]
        return vary(speech, rate, random) if random.random() < self.vary else speech

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake speech of `FAKE_SECONDS`."""
        samples = int(FAKE_SECONDS * sizes.graph.encoder.sample_rate)
        return {"speech": noise(sizes.clips, samples), "lengths": torch.full((sizes.clips,), samples)}


@dataclass(frozen=True)
class ReferenceImages(BatchField):
    """`reference_images` (B, 3, H, W): the first frame of each clip, or of another of its speaker.

    Of other clips another one is taken each step.
    """

    reference: Reference = "other_clip"

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Read the first frame of a clip of each speaker."""
        store, clips = source.store, sample.clips.tolist()
        if sample.step is None or self.reference == "first_frame":
            images = np.stack([store.still(clip, self.reference) for clip in clips])
        else:
            stream = sample.generator("stills", sample.step)  # a stream's name: part of the seed
            random = sample.draw(lambda count: torch.rand(count, generator=stream)).tolist()
            others = [store.others(clip) for clip in clips]
            chosen = [among[int(part * len(among))] for part, among in zip(random, others, strict=True)]
            images = np.stack([store.frames(clip, np.zeros(1, int))[0] for clip in chosen])
        return {"reference_images": torch.from_numpy(images)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake images."""
        size = sizes.graph.data_spec.size
        return {"reference_images": channels_last(noise(sizes.clips, 3, size, size))}


@dataclass(frozen=True)
class AudioWindows(BatchField):
    """`audio_windows` (B, R, L+W, S): `samples` of raw speech at each frame of R runs of W frames.

    Before each run there are those of L = `warmup` frames, from which a recurrent network
    warms up.
    """

    samples: int = 0
    warmup: int = 0

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Value]:
        """Cut the speech of each clip, at its peak level, around its frames."""
        runs = sample.frames.reshape(len(sample.clips), -1, sample.window)
        before = runs[:, :, :1] + np.arange(-self.warmup, 0)
        frames = torch.from_numpy(np.concatenate([before, runs], 2))
        rate, fps = source.sample_rate, source.store.index.fps
        speech = [torch.from_numpy(source.store.speech(clip, rate)) for clip in sample.clips.tolist()]
        windows = [
            cut_speech(at_peak(one), rate, fps, at, self.samples)
            for one, at in zip(speech, frames, strict=True)
        ]
        return {"audio_windows": torch.stack(windows)}

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Value]:
        """Return fake speech."""
        runs = sizes.frames // sizes.window
        return {"audio_windows": noise(sizes.clips, runs, self.warmup + sizes.window, self.samples)}


def pad_speech(clips: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Pad speech of several lengths with zeros: (B, S) and lengths (B,)."""
    lengths = torch.tensor([len(clip) for clip in clips])
    padded = torch.zeros(len(clips), int(lengths.max()))
    for row, clip in enumerate(clips):
        padded[row, : len(clip)] = torch.from_numpy(clip)
    return padded, lengths
