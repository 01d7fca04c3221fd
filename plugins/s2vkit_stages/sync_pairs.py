"""Pre-training a synchrony discriminator on real pairs, so that it knows lips before it meets fakes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import Batch, Discriminator, Frames, GeneratorOutput, Graph, RecipeError, Slot, Stage, gather_rows
from s2vkit_stages import SyncPairsOptions
from s2vkit_stages.accuracy import by_clip
from s2vkit_stages.held_out import auc_of_pairs
from s2vkit_stages.requirements import check_run_length, with_gap


@dataclass
class Pairs:
    """The scores of matched and mismatched real pairs, and embeddings where there are any."""

    matched: Tensor
    mismatched: Tensor
    embedded: tuple[Tensor, Tensor, Tensor] | None = None  # (M, D): runs, their speech, the mismatched one


class SyncPairs(Stage):
    """Teaches D_sync what is in step: other times of the same clip, and other clips, are not.

    The lip-sync expert of Prajwal et al. 2020. Embeddings learn by InfoNCE; the scores learn
    by the terms of Eq. 6 that need no generated frames, as functions of the embeddings as they
    are. Where there are no embeddings, the whole discriminator learns by its scores. Nothing but
    real pairs is seen.
    """

    options: SyncPairsOptions
    held_out_runs = 4

    def __init__(self, options: SyncPairsOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        self.adversarial_loss = graph.make(options.adversarial)
        self.validate_every = options.validate_every
        self.discriminator: Discriminator | None = graph.discriminators.get(options.of)
        if self.discriminator is not None:
            check_run_length(options.of, self.discriminator, options.window)
            given = [with_gap(field, options.gap) for field in self.discriminator.fields]
            if not any("gap" in field.sampling() for field in given):
                raise RecipeError(
                    f"discriminator '{options.of}' sees no mismatched pairs that it could be pre-trained on",
                    hint="name one of synchrony (`sync_expert`, `speech_sync`), or leave the stage out",
                )
            self.fields = (Frames(options.runs * options.window, options.window), *given)

    def idle(self) -> str:
        """Report that the discriminator is not there."""
        return "" if self.discriminator else f"the recipe has no discriminator '{self.options.of}'"

    def optimizers(self) -> dict[str, Slot]:
        """Move the discriminator."""
        return {f"discriminator.{self.options.of}": self.options.optimizer}

    def shared_forward(self, batch: Batch) -> Pairs:
        """Score real pairs, and embed them where the discriminator compares embeddings."""
        discriminator = self.discriminator
        assert discriminator is not None
        real = discriminator.inputs(batch, GeneratorOutput(batch["frames"], batch.identity_maps))
        wrong = discriminator.mismatched(batch)
        assert wrong is not None
        if len(real) == 2 and isinstance(real[1], Tensor) and isinstance(wrong[1], Tensor):
            embedded = discriminator.embed(real[0], torch.cat([real[1], wrong[1]]))
            if embedded is not None:
                frames, (speech, other) = embedded[0], embedded[1].chunk(2)
                seen, heard = frames.detach(), embedded[1].detach()  # InfoNCE alone moves the embeddings
                matched, mismatched = discriminator.compare(torch.cat([seen, seen]), heard).chunk(2)
                return Pairs(matched, mismatched, (frames, speech, other))
        return Pairs(*discriminator.score_kinds(real, wrong, None))

    def loss(self, batch: Batch, shared: Pairs) -> dict[str, Tensor]:
        """Return InfoNCE of the embeddings, and the loss of the scores."""
        scores = [by_clip(batch, one) for one in (shared.matched, shared.mismatched)]
        found = {"scores": self.adversarial_loss.discriminator(*scores)}
        if self.options.contrast and shared.embedded is not None:
            found["contrast"] = self.options.contrast * self._contrast(batch, shared)
        return found

    def _contrast(self, batch: Batch, shared: Pairs) -> Tensor:
        """Find the speech of each run among that of all runs and its own mismatch, and the reverse."""
        assert shared.embedded is not None
        frames, speech, other = (gather_rows(one.float()) for one in shared.embedded)
        near = self.near(gather_rows(batch["times"]), len(frames))
        logits = (frames @ speech.mT).masked_fill(near, -torch.inf)
        own = (frames * other).sum(1, keepdim=True)
        right = torch.arange(len(logits), device=logits.device)
        by_frames = F.cross_entropy(torch.cat([logits, own], 1) / self.options.temperature, right)
        return (by_frames + F.cross_entropy(logits.mT / self.options.temperature, right)) / 2

    def near(self, times: Tensor, count: int) -> Tensor:
        """Report which of M = `count` pairs are of one clip and too near to be told apart: (M, M)."""
        per_clip = count // len(times)  # a pair a run, or more where the discriminator scores shorter ones
        starts = times[:, :: times.shape[1] // per_clip].flatten()
        clips = torch.arange(len(times), device=starts.device).repeat_interleave(per_clip)
        near = (starts[:, None] - starts).abs() < self.options.gap
        same = (clips[:, None] == clips) & near
        return same & ~torch.eye(len(starts), dtype=torch.bool, device=starts.device)

    def extra_metrics(self, batch: Batch, shared: Pairs) -> dict[str, Tensor]:
        """Return the mean scores of both kinds."""
        return {"score.matched": shared.matched.mean(), "score.mismatched": shared.mismatched.mean()}

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Return the AUC of held-out pairs: a mismatched one is of another time of the same clip."""
        assert self.discriminator is not None
        auc = auc_of_pairs(self.discriminator, self.adversarial_loss, clips)
        return {} if auc is None else {"auc": auc}
