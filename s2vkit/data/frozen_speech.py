"""What the frozen audio encoder gives of speech: features at the frames' times, and summaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from s2vkit.ahead import ahead
from s2vkit.data.array_writers import ArrayWriter
from s2vkit.data.clip_reader import ClipReader
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import align, speech_steps
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.settings import Alignment
from s2vkit.speech.changes import vary
from s2vkit.speech.level import normalize_speech

Progress = Callable[[int, int], None]
_Prepared = TypeVar("_Prepared")
_SILENCE = 6.0  # s before a varied clip, at most
_SILENT = 0.3  # share of the varied clips that begin with silence
_SEEDS = 2**53  # whole numbers that a float64 holds
_AHEAD = 2  # clips whose speech is varied and brought to one level while another is encoded


@torch.inference_mode()
def encode_speech(
    store: ClipReader,
    encoder: AudioEncoder,
    out: ArrayWriter,
    *,
    device: torch.device,
    alignment: Alignment,
    progress: Progress,
    batch: int = 16,
) -> None:
    """Encode the speech of every clip: `features` (all frames, D) at frame times and `summary` (clips, E)."""
    features = out.halves("features", (_count_frames(store), encoder.dim))
    summaries = out.floats("summary", (len(store.clips), encoder.summary_dim))
    by_length = sorted(range(len(store.clips)), key=lambda i: store.clips[i].samples)
    for start in range(0, len(by_length), batch):
        clips = by_length[start : start + batch]
        speech, voices = _prepare([store.speech(i, encoder.sample_rate) for i in clips], encoder)
        steps, summary = _encode(encoder, speech, device)
        if sum(map(len, voices)) < sum(map(len, speech)):
            summary = _summarize(encoder, voices, device)
        for row, i in enumerate(clips):
            record = store.clips[i]
            features[record.frame : record.frame + record.frames] = _align(
                steps[row], encoder, store.index.fps, record.frames, alignment
            )
            summaries[i] = summary[row].float().cpu()
        progress(start + len(clips), len(store.clips))
    out.flush()


@torch.inference_mode()
def encode_variants(
    store: ClipReader,
    encoder: AudioEncoder,
    out: ArrayWriter,
    *,
    device: torch.device,
    alignment: Alignment,
    picks: np.ndarray,
    progress: Progress,
) -> None:
    """Encode `features` (variants, all frames, D): training clips as other recordings of them might sound.

    Some begin with silence, of which nothing is kept. `picks` are those of `pick_variants`.
    """
    features = out.halves("features", (picks.shape[1], _count_frames(store), encoder.dim))

    def versions(clip: tuple[int, np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
        varied = [_vary(clip[1], encoder.sample_rate, int(seed)) for seed in picks[clip[0]]]
        return _prepare([speech for speech, _ in varied], encoder)[0], [lead for _, lead in varied]

    for (i, _), prepared in _training_speech(store, encoder, versions, progress):
        speech, leads = prepared()
        steps, _ = _encode(encoder, speech, device)
        record = store.clips[i]
        for row, lead in enumerate(leads):
            later = alignment.model_copy(update={"shift": alignment.shift + lead})
            features[row, record.frame : record.frame + record.frames] = _align(
                steps[row], encoder, store.index.fps, record.frames, later
            )
    out.flush()


def _training_speech(
    store: ClipReader,
    encoder: AudioEncoder,
    prepare: Callable[[tuple[int, np.ndarray]], _Prepared],
    progress: Progress,
) -> Iterator[tuple[tuple[int, np.ndarray], Callable[[], _Prepared]]]:
    """Give the training clips with their speech, and what `prepare` made of it in a thread."""
    clips = [i for i, clip in enumerate(store.clips) if clip.split == "train"]
    heard = ((i, store.speech(i, encoder.sample_rate)) for i in clips)
    for done, found in enumerate(ahead(prepare, heard, _AHEAD), 1):
        yield found
        progress(done, len(clips))


def pick_variants(store: ClipReader, variants: int, generator: torch.Generator) -> np.ndarray:
    """Draw the seed of each variant of each clip: (clips, variants)."""
    return torch.randint(_SEEDS, (len(store.clips), variants), generator=generator).numpy()


def _vary(speech: np.ndarray, rate: int, seed: int) -> tuple[np.ndarray, float]:
    """Vary a clip; some come after silence, of so many seconds."""
    random = np.random.default_rng(seed)
    seconds = float(random.uniform(0.2, _SILENCE)) if random.random() < _SILENT else 0.0
    silence = np.zeros(round(seconds * rate), np.float32)
    return vary(np.concatenate([silence, speech]), rate, random), seconds


@torch.inference_mode()
def encode_segments(
    store: ClipReader,
    encoder: AudioEncoder,
    out: ArrayWriter,
    *,
    device: torch.device,
    picks: np.ndarray,
    progress: Progress,
) -> None:
    """Encode `segments` (clips, segments, E): summaries of segments of each training clip.

    `picks` are those of `pick_segments`. They let students learn from more than one summary a clip.
    """
    segment_summaries = out.halves("segments", (*picks.shape[:2], encoder.summary_dim))

    def voices(clip: tuple[int, np.ndarray]) -> list[np.ndarray]:
        pieces = [_segment(clip[1], encoder.sample_rate, *pick) for pick in picks[clip[0]].tolist()]
        return _prepare(pieces, encoder)[1]

    for (i, _), prepared in _training_speech(store, encoder, voices, progress):
        segment_summaries[i] = _summarize(encoder, prepared(), device).float().cpu().numpy()
    out.flush()


def pick_segments(
    store: ClipReader,
    segments: int,
    generator: torch.Generator,
    share_varied: float = 0.0,
    shortest: float = 0.0,
) -> np.ndarray:
    """Pick random segments of each training clip: (clips, segments, 3).

    Its length as a part of the clip's, its place as a part of what is left, and the seed by which it
    is varied as recordings are, or -1. With `shortest` s, its length is from that to the clip's, evenly
    by its logarithm; else a third to nine tenths of the clip.
    """
    picks = np.full((len(store.clips), segments, 3), -1.0)
    for i, clip in enumerate(store.clips):
        if clip.split == "train":
            picks[i, :, :2] = [torch.rand(2, generator=generator).tolist() for _ in range(segments)]
            least = min(1.0, shortest * store.index.sample_rate / max(1, clip.samples))
            share = picks[i, :, 0]
            picks[i, :, 0] = least ** (1 - share) if shortest else 0.33 + 0.57 * share
            if share_varied:
                varied = torch.rand(segments, generator=generator).numpy() < share_varied
                seeds = torch.randint(_SEEDS, (segments,), generator=generator).numpy()
                picks[i, :, 2] = np.where(varied, seeds, -1)
    return picks


def _segment(speech: np.ndarray, rate: int, share: float, place: float, seed: float) -> np.ndarray:
    """Cut a share of a clip out at a place, and vary it."""
    length = max(1, int(len(speech) * share))
    start = int((len(speech) - length) * place)
    piece = speech[start : start + length]
    return piece if seed < 0 else vary(piece, rate, np.random.default_rng(int(seed)))


def _align(steps: Tensor, encoder: AudioEncoder, fps: float, frames: int, alignment: Alignment) -> np.ndarray:
    """Lay steps (1, A, D) on frames: (V, D)."""
    mode, shift = alignment.mode, alignment.shift
    aligned = align(steps, encoder.rate, fps, frames, mode=mode, shift=shift)
    found: np.ndarray = aligned[0].float().cpu().numpy()
    return found


def _prepare(clips: list[np.ndarray], encoder: AudioEncoder) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Bring clips to the encoder's level: the clips, and where there is voice in each."""
    if encoder.level is None:
        return clips, clips
    both = [normalize_speech(clip, encoder.sample_rate, encoder.level) for clip in clips]
    return [speech for speech, _ in both], [voice for _, voice in both]


def _encode(
    encoder: AudioEncoder, clips: Sequence[np.ndarray], device: torch.device
) -> tuple[list[Tensor], Tensor]:
    """Encode clips (S,): of each its own steps (1, A, D), and the summaries (B, E)."""
    speech, lengths = pad_speech(list(clips))
    steps, summary = encoder(speech.to(device), lengths.to(device))
    counts = speech_steps(lengths, encoder.sample_rate, encoder.rate, steps.shape[1]).tolist()
    return [one[None, : int(count)] for one, count in zip(steps, counts, strict=True)], summary


def _summarize(encoder: AudioEncoder, clips: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Summarize clips (S,): (B, E)."""
    speech, lengths = pad_speech(list(clips))
    return encoder.summarize(speech.to(device), lengths.to(device))


def _count_frames(store: ClipReader) -> int:
    return sum(clip.frames for clip in store.clips)
