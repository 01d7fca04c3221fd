"""What the frozen audio encoder gives of speech: features at the frames' times, and summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2vkit.data.arrays import Halves, flush, new_array
from s2vkit.data.store import ClipStore
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import align, speech_steps
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.interfaces.seed import rng_of
from s2vkit.speech.changes import vary
from s2vkit.speech.level import normalize_speech

Progress = Callable[[int, int], None]
_SILENCE = 6.0  # s before a varied clip, at most
_SILENT = 0.3  # share of the varied clips that begin with silence


@torch.inference_mode()
def encode_speech(
    store: ClipStore,
    encoder: AudioEncoder,
    out: Path,
    *,
    device: torch.device,
    mode: str,
    shift: float,
    progress: Progress,
    batch: int = 16,
) -> None:
    """Encode the speech of every clip: `features` (all frames, D) at frame times and `summary` (clips, E)."""
    features = Halves(out / "features.npy", (_count_frames(store), encoder.dim))
    summaries = new_array(out / "summary.npy", (len(store.clips), encoder.summary_dim))
    by_length = sorted(range(len(store.clips)), key=lambda i: store.clips[i].samples)
    for start in range(0, len(by_length), batch):
        clips = by_length[start : start + batch]
        speech, voices = _prepare([store.speech(i, encoder.sample_rate) for i in clips], encoder)
        steps, summary = _encode(encoder, speech, device)
        if sum(map(len, voices)) < sum(map(len, speech)):
            summary = _encode(encoder, voices, device)[1]
        for row, i in enumerate(clips):
            record = store.clips[i]
            place = {"mode": mode, "shift": shift}
            aligned = align(steps[row], encoder.rate, store.index.fps, record.frames, **place)  # type: ignore[arg-type]
            features[record.frame : record.frame + record.frames] = aligned[0].float().cpu().numpy()
            summaries[i] = summary[row].float().cpu()
        progress(start + len(clips), len(store.clips))
    features.flush()
    flush(summaries)


@torch.inference_mode()
def encode_variants(
    store: ClipStore,
    encoder: AudioEncoder,
    out: Path,
    *,
    device: torch.device,
    mode: str,
    shift: float,
    variants: int,
    generator: torch.Generator,
    progress: Progress,
) -> None:
    """Encode `features` (variants, all frames, D): training clips as other recordings of them might sound.

    Some begin with silence, of which nothing is kept. They are the same for one seed.
    """
    features = Halves(out / "features.npy", (variants, _count_frames(store), encoder.dim))
    random = rng_of(generator)
    clips = store.split("train")
    for done, i in enumerate(clips, 1):
        record = store.clips[i]
        speech = store.speech(i, encoder.sample_rate)
        versions, leads = [], []
        for _ in range(variants):
            seconds = random.uniform(0.2, _SILENCE) if random.random() < _SILENT else 0.0
            leads.append(seconds)
            silence = np.zeros(round(seconds * encoder.sample_rate), np.float32)
            versions.append(vary(np.concatenate([silence, speech]), encoder.sample_rate, random))
        steps, _ = _encode(encoder, _prepare(versions, encoder)[0], device)
        for row, lead in enumerate(leads):
            place = {"mode": mode, "shift": shift + lead}
            aligned = align(steps[row], encoder.rate, store.index.fps, record.frames, **place)  # type: ignore[arg-type]
            span = slice(record.frame, record.frame + record.frames)
            features[row, span] = aligned[0].float().cpu().numpy()
        progress(done, len(clips))
    features.flush()


@torch.inference_mode()
def encode_segments(
    store: ClipStore,
    encoder: AudioEncoder,
    out: Path,
    *,
    device: torch.device,
    segments: int,
    generator: torch.Generator,
    progress: Progress,
    share_varied: float = 0.0,
) -> None:
    """Encode `segments` (clips, segments, E): summaries of random segments of each training clip.

    A share of them is varied as recordings are. They are the same for one seed, and let students
    learn from more than one summary a clip.
    """
    segment_summaries = Halves(out / "segments.npy", (len(store.clips), segments, encoder.summary_dim))
    clips, rate = store.split("train"), encoder.sample_rate
    random = rng_of(generator) if share_varied else None
    for done, i in enumerate(clips, 1):
        speech = store.speech(i, rate)
        pieces = [_segment(speech, generator) for _ in range(segments)]
        if random is not None:
            varied = random.random(segments) < share_varied
            pieces = [vary(p, rate, random) if v else p for p, v in zip(pieces, varied, strict=True)]
        _, voices = _prepare(pieces, encoder)
        segment_summaries[i] = _encode(encoder, voices, device)[1].float().cpu().numpy()
        progress(done, len(clips))
    segment_summaries.flush()


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


def _segment(speech: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Cut out between a third and nine tenths of a clip."""
    share, place = torch.rand(2, generator=generator).tolist()
    length = max(1, int(len(speech) * (0.33 + 0.57 * share)))
    start = int((len(speech) - length) * place)
    return speech[start : start + length]


def _count_frames(store: ClipStore) -> int:
    return sum(clip.frames for clip in store.clips)
