"""Log-mel speech around runs of frames, as a field of a batch."""

from __future__ import annotations

from collections.abc import Callable
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
        fps = source.store.index.fps
        kinds = {"log_mel_runs": sample.frames, "mismatched_log_mel_runs": sample.indices.others}
        spectra = [
            log_mel(source.store, clip, source.sample_rate, self.n_mels) for clip in sample.clips.tolist()
        ]
        return {
            key: torch.stack(
                [
                    self.cut(spectrum, at[:: self.window], fps)
                    for spectrum, at in zip(spectra, frames, strict=True)
                ]
            )
            for key, frames in kinds.items()
        }

    def cut(self, spectrum: Tensor, starts: np.ndarray, fps: float) -> Tensor:
        """Cut a spectrum (n_mels, A) around runs that begin at `starts` (R,): (R, n_mels, S)."""
        first = torch.from_numpy(np.round(starts * RATE / fps)).long() - round(self.context * RATE)
        at = first[:, None] + torch.arange(self.steps(fps))
        return spectrum[:, at.clamp(0, spectrum.shape[1] - 1)].transpose(0, 1)

    def steps(self, fps: float) -> int:
        """Count the steps of a run and its context."""
        return round(self.window * RATE / fps) + 2 * round(self.context * RATE)

    def fake(self, sizes: BatchSizes, noise: Callable[..., Tensor]) -> dict[str, Any]:
        """Fake spectra."""
        steps = self.steps(sizes.graph.data_spec.fps)
        shape = (sizes.clips, sizes.frames // self.window, self.n_mels, steps)
        return {"log_mel_runs": noise(*shape), "mismatched_log_mel_runs": noise(*shape)}


@lru_cache(maxsize=_CLIPS)
def log_mel(store: Any, clip: int, rate: int, n_mels: int) -> Tensor:
    """Return the normalised log-mel spectrum of a clip's speech (n_mels, A), 100 steps a second."""
    return spectrum_of(torch.from_numpy(store.speech(clip, rate)), rate, n_mels)


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
