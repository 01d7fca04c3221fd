"""Training a sync evaluator in the run: each window of lips is to be found in its clip's speech."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit import Batch, Frames, Graph, Slot, Speech, Stage, SyncEvaluator, current_part, draw_rows
from s2vkit_syncnet import SyncEvaluatorStageOptions
from s2vkit_syncnet.retime import fit_rate, resample


@dataclass
class Compared:
    """The distances of every window of lips to every window of speech, clip by clip."""

    distances: Tensor  # (B, N, N), rows are lips
    scale: Tensor  # what turns distances into logits


class TrainSyncEvaluator(Stage):
    """Multi-way matching on real clips: in-sync windows against all others of the same clip.

    Cross-entropy of the distances, by lips and by speech. It uses nothing but real frames and their
    own speech.
    """

    options: SyncEvaluatorStageOptions
    precise = True

    def __init__(self, options: SyncEvaluatorStageOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        evaluator = graph.sync_evaluator
        rate = evaluator.fps if evaluator is not None else graph.data_spec.fps
        self.frames = round((options.windows + 5) * graph.data_spec.fps / rate)
        self.fields = (Frames(self.frames, self.frames), Speech())

    def idle(self) -> str:
        """Explain that there is no evaluator to train, or that its weights came from a file."""
        evaluator = self.graph.sync_evaluator
        if evaluator is None:
            return "the recipe has no sync evaluator"
        return "the sync evaluator's weights came from a file" if evaluator.pretrained else ""

    def optimizers(self) -> dict[str, Slot]:
        """Move the evaluator, and the scale of its distances."""
        return {"sync_evaluator": self.options.optimizer, "scale": self.options.optimizer}

    def averages(self) -> dict[str, float]:
        """Average the evaluator, if asked to."""
        return {"sync_evaluator": self.options.average}

    def extras(self) -> dict[str, nn.Module]:
        """Build the scale, which only training needs."""
        self.scale = _Scale()
        return {"scale": self.scale}

    def shared_forward(self, batch: Batch) -> Compared:
        """Compare windows of lips and speech of every clip."""
        evaluator = self.graph.sync_evaluator
        assert evaluator is not None
        frames = vary_frames(batch["frames"], self.options)
        speech = vary_speech(self._speech(batch, evaluator), self.options)
        lips, sounds = evaluator(fit_rate(frames, self.graph.data_spec.fps, evaluator.fps), speech)
        distances = (lips.float().unsqueeze(2) - sounds.float().unsqueeze(1)).norm(dim=-1)
        return Compared(distances, self.scale())

    def loss(self, batch: Batch, shared: Compared) -> dict[str, Tensor]:
        """Return the cross-entropy of finding the speech of lips, and the lips of speech."""
        logits = -shared.distances * shared.scale
        right = torch.arange(logits.shape[1], device=logits.device).repeat(len(logits))
        by_lips = F.cross_entropy(logits.flatten(0, 1), right)
        by_speech = F.cross_entropy(logits.mT.flatten(0, 1), right)
        return {"match": (by_lips + by_speech) / 2}

    def extra_metrics(self, batch: Batch, shared: Compared) -> dict[str, Tensor]:
        """Return how often the nearest speech is the right one, and how often to within a frame."""
        nearest = shared.distances.argmin(2)
        apart = (nearest - torch.arange(nearest.shape[1], device=nearest.device)).abs()
        return {"exact": (apart == 0).float().mean(), "within_one": (apart <= 1).float().mean()}

    def _speech(self, clips: Batch, evaluator: SyncEvaluator) -> Tensor:
        """Cut out the speech of the drawn frames: (B, S) at the evaluator's rate."""
        rate, fps = self.graph.encoder.sample_rate, self.graph.data_spec.fps
        speech = clips["speech"]
        first = (clips["times"][:, 0] * rate / fps).round().long()
        length = round(self.frames * rate / fps)
        at = first.unsqueeze(1) + torch.arange(length, device=speech.device)
        padded = F.pad(speech, (0, max(0, int(at.max()) + 1 - speech.shape[1])))
        return resample(padded.gather(1, at), rate, evaluator.sample_rate)


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        return self.log.exp()


def vary_frames(frames: Tensor, options: SyncEvaluatorStageOptions) -> Tensor:
    """Mirror, shift, tint and roughen clips (B, V, 3, H, W), all frames of a clip alike."""
    part, varied = current_part(), []
    whole = len(frames) * part.world
    own = range(whole)[part.rows(whole)]
    for place in range(whole):
        if place in own:
            varied.append(_vary_clip(frames[place - own.start], options))
        else:  # of another process, but the draws of a clip follow those of all before it
            _vary_clip(frames[0], options)
    return torch.stack(varied).clamp(-1, 1)


def _vary_clip(clip: Tensor, options: SyncEvaluatorStageOptions) -> Tensor:
    flip, brightness, contrast, grain = torch.rand(4).tolist()
    clip = clip.flip(-1) if options.flip and flip < 0.5 else clip
    clip = _shift(clip, round(options.shift * clip.shape[-1]))
    clip = clip * (1 + options.colour * (2 * contrast - 1))
    clip = clip + options.colour * (2 * brightness - 1)
    return clip + options.noise * grain * torch.randn_like(clip)


def vary_speech(speech: Tensor, options: SyncEvaluatorStageOptions) -> Tensor:
    """Change the level of speech (B, S)."""
    level = (2 * draw_rows(lambda clips: torch.rand(clips, 1), len(speech)) - 1) * options.gain
    return (speech * 10 ** (level.to(speech.device) / 20)).clamp(-1, 1)


def _shift(clip: Tensor, max_shift: int) -> Tensor:
    if not max_shift:
        return clip
    height, width = clip.shape[-2:]
    dx, dy = torch.randint(2 * max_shift + 1, (2,)).tolist()
    padded = F.pad(clip, (max_shift,) * 4, mode="replicate")
    return padded[..., dy : dy + height, dx : dx + width]
