"""Adversarial composition: the generator against the discriminators (section 2.2, Eqs. 4-10)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from s2vkit import (
    Batch,
    Discriminator,
    GeneratorOutput,
    Graph,
    Inputs,
    Phase,
    Slot,
    Stage,
    Threshold,
    detached,
)
from s2vkit_stages.accuracy import accuracies, by_clip, collapse_thresholds
from s2vkit_stages.adversarial_options import AdversarialOptions
from s2vkit_stages.balance import balanced
from s2vkit_stages.held_out import examine
from s2vkit_stages.requirements import check_mouths, check_shares, check_window, fields_of, used_modules
from s2vkit_stages.terms import make_terms

_SEEN = (128, 40)  # clips, and frames of each, in which a generator sees how heads are held and mouths move


@dataclass
class Shared:
    """What the phases of a step share: both sides of the comparison, and the scores."""

    real: GeneratorOutput
    generated: GeneratorOutput
    scores: dict[str, tuple[Tensor, ...]] = field(default_factory=dict)  # real, fake, mismatched


class Adversarial(Stage):
    """First the discriminators learn, then the generator, on the same frames; it sees speech alone."""

    options: AdversarialOptions
    held_out, held_out_runs = 64, 4  # their frames are generated at once

    def __init__(self, options: AdversarialOptions, *, graph: Graph) -> None:
        if options.discriminators:
            taking_part = {name: graph.discriminators[name] for name in options.discriminators}
            graph = replace(graph, discriminators=taking_part)
        self.options, self.graph = options, graph
        self.sample_pictures, self.validate_every = options.samples, options.validate_every
        self.validation = options.validation
        if graph.generator is not None and graph.generator.sees_frames:
            self.finish_with, self.finish_runs = _SEEN[0], max(1, _SEEN[1] // options.window)
            self.finish_consecutive = True
        self.discriminators: dict[str, Discriminator] = graph.discriminators
        self.fields, self.uses = fields_of(options, graph), used_modules(options, graph)
        check_window(options, graph)
        check_mouths(graph)
        self.adversarial_loss = graph.make(options.losses.adversarial)
        weight = options.losses.adversarial.options.weight
        self.weights = {name: weight * options.weights.get(name, 1.0) for name in self.discriminators}
        self.terms = make_terms(options.losses, graph)
        self.frame_terms = check_shares(options, graph, self.terms)
        self.progress_metrics = tuple(f"discriminator_accuracy.{name}" for name in self.discriminators)

    def optimizers(self) -> dict[str, Slot]:
        """Train the generator and the discriminators, each with its own optimizer."""
        names = {"generator": "generator", **{name: f"discriminator.{name}" for name in self.discriminators}}
        return {names[key]: slot for key, slot in self.options.optimizers.items() if key in names}

    def averages(self) -> dict[str, float]:
        """Average the generator, if asked to."""
        return {"generator": self.options.average}

    def thresholds(self) -> list[Threshold]:
        """Warn where a discriminator collapses."""
        return collapse_thresholds(self.options.collapse, self.adversarial_loss, self.discriminators)

    def phases(self) -> list[Phase]:
        """First the discriminators, then the generator."""
        names = tuple(f"discriminator.{name}" for name in self.discriminators)
        first = [Phase("discriminators", names, self.discriminator_loss)] if names else []
        return [*first, Phase("generator", ("generator",), self.generator_loss)]

    def shared_forward(self, batch: Batch) -> Shared:
        """Generate F(c_t, nu, mu) and the inflated identity maps, once for both phases."""
        assert self.graph.generator is not None
        with torch.no_grad():
            conditioning = self.graph.condition_batch(batch)
        real = GeneratorOutput(batch["frames"], batch.identity_maps)
        return Shared(real, self.graph.generator(conditioning))

    def discriminator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Return l_adv of each discriminator: Eq. 4, Eq. 5, and with mismatched pairs Eq. 6."""
        found = {}
        for name, discriminator in self.discriminators.items():
            real = discriminator.inputs(batch, shared.real)
            fake = detached(discriminator.inputs(batch, shared.generated))
            kinds = discriminator.score_kinds(real, fake, discriminator.mismatched(batch))
            scores = [by_clip(batch, kind) for kind in kinds]
            shared.scores[name] = tuple(kind.detach() for kind in scores)
            found[f"D.{name}"] = self.adversarial_loss.discriminator(*scores)
            penalty = self.adversarial_loss.penalty(discriminator, real, fake)
            if penalty is not None:
                found[f"P.{name}"] = penalty
        return found

    def generator_loss(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Return L_2 of Eq. 10: the adversarial terms of Eq. 7, similarity (Eq. 8), gradient (Eq. 9)."""
        terms = ((name, term(batch, shared.real, shared.generated)) for name, term in self.terms.items())
        found = {f"G.{name}": value for name, value in terms if value is not None}
        of_frames = [found[f"G.{name}"] for name in self.frame_terms]
        for name, discriminator in self.discriminators.items():
            fake: Inputs = discriminator.inputs(batch, shared.generated)
            loss = self.adversarial_loss.generator(by_clip(batch, discriminator(*fake)))
            if name in self.options.shares:
                loss = balanced(loss, of_frames, shared.generated.frames, self.options.shares[name])
            found[f"G.{name}"] = self.weights[name] * loss
        return found

    def extra_metrics(self, batch: Batch, shared: Shared) -> dict[str, Tensor]:
        """Return mean scores, and how often each discriminator is right."""
        return accuracies(self.adversarial_loss, shared.scores)

    def finish(self, clips: Batch) -> None:
        """Let the generator remember how the people of training hold their heads."""
        assert self.graph.generator is not None
        self.graph.generator.remember(self.graph.condition_batch(clips), clips.labels.get("identity"))

    def validate(self, clips: Batch) -> dict[str, Tensor]:
        """Return the AUC of matched and mismatched pairs, and the correlation of identity maps."""
        return examine(self.graph, self.adversarial_loss, clips)
