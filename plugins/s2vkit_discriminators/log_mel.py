"""Log-mel speech around runs of frames, as a field of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from s2vkit import BatchField, BatchSizes, BatchSource, ClipSample

RATE = 100  # steps a second
_FLOOR = 1e-5
_CLIPS = 1024  # whose spectra are kept in memory


@dataclass(frozen=True)
class LogMelRuns(BatchField):
    """`log_mel_runs` and `mismatched_log_mel_runs` (B, R, n_mels, S): speech of R runs of `window` frames.

    Each has the speech of its frames and of `context` seconds to either side; the mismatched ones are
    of the same clips, at least `gap` frames away. A clip's spectrum has mean 0 and deviation 1, so that
    the level of the recording does not matter; its ends are repeated.
    """

    window: int = 1
    n_mels: int = 40
    context: float = 0.1
    gap: int = 5

    def sampling(self) -> dict[str, int]:
        """Ask for times that are far enough away."""
        return {"gap": self.gap}

    def load(self, source: BatchSource, sample: ClipSample) -> dict[str, Any]:
        """Cut the spectra of the clips around their frames, and around the mismatched ones."""
        fps, window = source.store.index.fps, self.window
        both = np.concatenate([sample.frames[:, ::window], sample.indices.others[:, ::window]], 1)
        spectra = [
            log_mel(source.store, clip, source.sample_rate, self.n_mels) for clip in sample.clips.tolist()
        ]
        runs, mismatched = self.cut(spectra, both, fps).chunk(2, 1)
        return {"log_mel_runs": runs.contiguous(), "mismatched_log_mel_runs": mismatched.contiguous()}

    def cut(self, spectra: Sequence[np.ndarray], starts: np.ndarray, fps: float) -> Tensor:
        """Cut spectra (n_mels, A) around R runs of each, that begin at `starts` (B, R): (B, R, n_mels, S)."""
        first = np.round(starts * RATE / fps).astype(int) - round(self.context * RATE)
        last = np.array([spectrum.shape[1] - 1 for spectrum in spectra])[:, None, None]
        at = np.minimum(np.maximum(first[..., None] + np.arange(self.steps(fps)), 0), last)
        found = np.empty((*starts.shape, self.n_mels, at.shape[-1]), np.float32)
        for out, spectrum, steps in zip(found, spectra, at, strict=True):
            out[:] = spectrum[:, steps].swapaxes(0, 1)
        return torch.from_numpy(found)

    def steps(self, fps: float) -> int:
        """Count the steps of a run and its context."""
        return round(self.window * RATE / fps) + 2 * round(self.context * RATE)

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Any]:
        """Fake spectra."""
        steps = self.steps(sizes.graph.data_spec.fps)
        shape = (sizes.clips, sizes.frames // self.window, self.n_mels, steps)
        return {"log_mel_runs": noise(*shape), "mismatched_log_mel_runs": noise(*shape)}


@lru_cache(maxsize=_CLIPS)
def log_mel(store: Any, clip: int, rate: int, n_mels: int) -> np.ndarray:
    """Return the normalised log-mel spectrum of a clip's speech (n_mels, A), 100 steps a second."""
    found: np.ndarray = spectrum_of(torch.from_numpy(store.speech(clip, rate)), rate, n_mels).numpy()
    return found


def spectrum_of(speech: Tensor, rate: int, n_mels: int) -> Tensor:
    """Return the log-mel spectrum (n_mels, A) of speech (S,), of mean 0 and deviation 1."""
    found: Tensor = (_transform(rate, n_mels)(speech.float()) + _FLOOR).log()
    return (found - found.mean()) / found.std().clamp(min=1e-3)


@lru_cache(maxsize=8)
def _transform(rate: int, n_mels: int) -> MelSpectrogram:
    hop = rate // RATE
    return MelSpectrogram(
        rate, n_fft=512 * rate // 16000, win_length=hop * 5 // 2, hop_length=hop, n_mels=n_mels
    )
