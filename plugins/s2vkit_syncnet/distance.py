"""SyncNet's distances over shifts, and what is read off them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import InputError, Outcome
from s2vkit_syncnet import SyncOptions
from s2vkit_syncnet.retime import fit_rate, resample

_EPS = 1e-6  # of torch's pairwise_distance, by which SyncNet measures


@dataclass(frozen=True)
class Reading:
    """What the distances of one clip say."""

    offset: int  # frames of 40 ms by which the speech leads the lips
    confidence: float  # median of the distances less the least
    distance: float  # the least
    in_sync: float  # median less the distance at no shift


def distances(lips: Tensor, sounds: Tensor, search: int, ends: str) -> Tensor:
    """Return the mean distance (2 * search + 1,) of lips (N, E) to speech (N, E), by shift.

    Place k stands for a shift by k - search: lips of window i beside speech of window
    i + k - search. Beyond the ends the speech is zeros, as syncnet_python has it, or such
    windows are left out of the mean ("overlap").
    """
    count = len(lips)
    padded = F.pad(sounds, (0, 0, search, search))
    found = []
    for k in range(2 * search + 1):
        each = F.pairwise_distance(lips, padded[k : k + count], eps=_EPS)
        if ends == "overlap":
            each = each[max(0, search - k) : max(0, min(count, count + search - k))]
        found.append(each.mean() if len(each) else each.new_tensor(float("inf")))
    return torch.stack(found)


def read(found: Tensor) -> Reading:
    """Read offset, confidence and distance off the distances over shifts."""
    search = len(found) // 2
    usable = found[found.isfinite()]
    minimum, place = found.min(0)
    return Reading(
        search - int(place),
        float(usable.median() - minimum),
        float(minimum),
        float(usable.median() - found[search]),
    )


@torch.no_grad()
def sync_embeddings(outcome: Outcome, which: str) -> tuple[Tensor, Tensor]:
    """Embed the generated or the real frames of a clip, and its speech, by the sync evaluator.

    Returns (N, E) each, on the CPU; kept with the clip, so that several metrics ask once.
    """
    key = f"sync.{which}"
    if key not in outcome.shared:
        evaluator = outcome.sync_evaluator
        if evaluator is None or outcome.speech is None:
            raise InputError(
                f"clip '{outcome.name}': there is no sync evaluator, or no speech for it",
                hint="name one as the recipe's `sync_evaluator`, or leave out what needs it",
            )
        frames = getattr(outcome, which)
        place = next(evaluator.parameters(), frames).device
        speech = resample(outcome.speech.float(), outcome.sample_rate, evaluator.sample_rate)
        retimed = fit_rate(frames, outcome.fps, evaluator.fps).to(place)
        lips, sounds = evaluator(retimed.unsqueeze(0), speech.to(place).unsqueeze(0))
        outcome.shared[key] = lips[0].float().cpu(), sounds[0].float().cpu()
    found: tuple[Tensor, Tensor] = outcome.shared[key]
    return found


def ends_of(options: SyncOptions, evaluator: Any) -> str:
    """Return what becomes of windows beyond a clip's ends: "zeros" or "overlap"."""
    by_evaluator = "zeros" if evaluator.pretrained else "overlap"
    return by_evaluator if options.ends == "auto" else options.ends


def network_of(evaluator: Any) -> str:
    """Describe the evaluator used."""
    if evaluator.pretrained:
        return f"the evaluator, {type(evaluator).__name__}, has its weights from a file"
    return (
        f"the evaluator, {type(evaluator).__name__}, was trained in this run on real clips of its training "
        "split: figures do not compare with those of the published network"
    )
