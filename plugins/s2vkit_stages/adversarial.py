"""Adversarial composition: the generator draws, the discriminators evaluator."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from s2vkit import Batch, Discriminator, GeneratorOutput, Graph, Limit, RecipeError, Slot, Stage, Turn
from s2vkit_stages import AdversarialOptions

Seen = tuple[Tensor | list[Tensor], ...]


@dataclass
class Shared:
    """What both turns of a step need: the made frames, and the scores for the log."""

    made: GeneratorOutput
    scores: dict[str, Tensor] = field(default_factory=dict)


class Adversarial(Stage):
    """Eqs. 4-10: first the discriminators learn, then the generator, on the same made frames.

    The students and the encoder stay as they are; the generator sees speech alone.
    """

    options: AdversarialOptions

    def __init__(self, options: AdversarialOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        self.frames, self.gap, self.window = options.frames, options.gap, options.window
        self.pictures = options.samples
        self.players: dict[str, Discriminator] = graph.discriminators
        self.perceptual = options.losses.perceptual.weight
        self.matching = options.losses.feature_matching.weight
        self.reach = graph.reach
        self.sound = int(getattr(graph.generator, "sound_samples", 0))
        self.lead = int(getattr(graph.generator, "lead", 0))
        needs = {"frames", "features", "codes", *graph.wants}
        needs |= {"around"} if self.reach else set()
        needs |= {"stills"} if options.losses.still else set()
        self.needs = frozenset(needs | self._wanted())
        self._check_window()
        self.game = graph.make(options.losses.adversarial)
        self.game_weight = options.losses.adversarial.options.weight
        slots = {"similarity": options.losses.similarity, "gradient": options.losses.gradient}
        slots.update(options.losses.extra)
        self.terms = {name: (slot.options.weight, graph.make(slot)) for name, slot in slots.items() if slot}
        still = options.losses.still
        self.still = (still.options.weight, graph.make(still)) if still else None
        self.balanced = hasattr(self.game, "looks_real")
        self.shown = tuple(f"balance.{name}" for name in self.players)

    def _wanted(self) -> set[str]:
        needs = {"features": "mismatched", "identity_maps": "maps", "stills": "stills"}
        found = {
            need
            for want, need in needs.items()
            if any(want in player.wants for player in self.players.values())
        }
        if self.perceptual:
            if not getattr(self.graph.teachers.get("identity"), "map_shapes", []):
                raise RecipeError(
                    "stage 'adversarial': the perceptual term has no teacher's maps to compare",
                    hint="name an identity teacher that gives maps, or leave the term out",
                )
            found.add("maps")  # so that this stage depends on the teacher
        return found

    def _check_window(self) -> None:
        """Raise RecipeError where runs of frames are wanted but not drawn."""
        if self.frames % self.window:
            raise RecipeError(
                f"stage 'adversarial': {self.frames} frames are no whole number of windows of {self.window}",
                hint="make `frames` a multiple of `window`",
            )
        for name, player in self.players.items():
            if "windows" in player.wants and self.window == 1:
                raise RecipeError(
                    f"discriminator '{name}' looks at runs of frames, but single ones are drawn",
                    hint="give the adversarial stage e.g. `window: 5` and `frames: 5`",
                )

    def limits(self) -> list[Limit]:
        """Bound each discriminator's share of right answers."""
        rule = self.options.collapse
        if rule.then == "ignore" or not self.balanced:
            return []
        return [
            Limit(
                f"balance.{name}",
                rule.lost,
                rule.won,
                rule.steps,
                f"discriminator '{name}' has collapsed (share of right answers; above {rule.won} "
                f"it has won, below {rule.lost} it guesses)",
                stops=rule.then == "stop",
            )
            for name in self.players
        ]

    def optimizers(self) -> dict[str, Slot]:
        """Move the generator and every discriminator, each by its own optimizer."""
        found = {}
        for key, slot in self.options.optimizers.items():
            if key == "generator" or key in self.players:
                found[key if key == "generator" else f"discriminator.{key}"] = slot
        return found

    def averages(self) -> dict[str, float]:
        """Average the generator, if asked to."""
        return {"generator": self.options.average}

    def turns(self) -> list[Turn]:
        """First the discriminators, then the generator."""
        players = tuple(f"discriminator.{name}" for name in self.players)
        first = [Turn("discriminators", players)] if players else []
        return [*first, Turn("generator", ("generator",))]

    def prepare(self, clips: Batch) -> Shared:
        """Draw the batch once; both turns use it."""
        with torch.no_grad():
            codes = self.graph.condition(clips.need("features"), clips.need("summary"), clips.around)
        assert self.graph.generator is not None
        codes.sounds = clips.sounds
        if "stills" in self.graph.wants:
            codes.stills = clips.need("stills")
        return Shared(self.graph.generator(codes))

    def losses(self, turn: str, clips: Batch, shared: Shared) -> dict[str, Tensor]:
        """Give the terms of one side of the game."""
        if turn == "generator":
            return self._draw(clips, shared)
        found = {}
        for name, player in self.players.items():
            real = self._real(player, clips)
            fake = _detach(self._made(player, clips, shared.made))
            found[f"D.{name}"] = self._evaluator(name, player, (real, fake), clips, shared)
            charge = getattr(self.game, "penalty", None)
            charged = charge(player.forward, real, fake) if charge else None
            if charged is not None:
                found[f"P.{name}"] = charged
        return found

    def watch(self, clips: Batch, shared: Shared) -> dict[str, Tensor]:
        """Give the balance of the game, of what is real, made and mismatched.

        `score.NAME.KIND` is the mean score, `accuracy.NAME.KIND` the share that is told right,
        `balance.NAME` the mean of that over real things and fakes: 0.5 is guessing.
        """
        return shared.scores

    def _evaluator(
        self, name: str, player: Discriminator, seen: tuple[Seen, Seen], clips: Batch, shared: Shared
    ) -> Tensor:
        wrong = self._wrong(player, clips) if "features" in player.wants else None
        scores = [s.float() for s in _score_together(player, *seen, wrong)]
        right = {}
        for what, score in zip(("real", "made", "mismatched"), scores, strict=False):
            shared.scores[f"score.{name}.{what}"] = score.detach().mean()
            if self.balanced:
                share = self.game.looks_real(score.detach()).float().mean()
                right[what] = share if what == "real" else 1 - share
                shared.scores[f"accuracy.{name}.{what}"] = right[what]
        if right:
            fakes = torch.stack([v for k, v in right.items() if k != "real"]).mean()
            shared.scores[f"balance.{name}"] = (right["real"] + fakes) / 2
        return self.game.discriminator(*scores)

    def _draw(self, clips: Batch, shared: Shared) -> dict[str, Tensor]:
        found = {}
        for name, player in self.players.items():
            weight = self.game_weight * self.options.weights.get(name, 1.0)
            score = player(*self._made(player, clips, shared.made)).float()
            found[f"G.{name}"] = weight * self.game.generator(score)
        made = shared.made.frames.flatten(0, 1).float()
        true = clips.need("frames").flatten(0, 1)
        for name, (weight, loss) in self.terms.items():
            found[f"G.{name}"] = weight * loss(made, true)
        if self.still and shared.made.still is not None:
            weight, loss = self.still
            found["G.still"] = weight * loss(shared.made.still.float(), clips.need("stills"))
        if self.perceptual:
            look = self.graph.teachers["identity"].maps
            with torch.no_grad():
                seen = look(true)
            found["G.perceptual"] = self.perceptual * _apart(look(made), seen)
        if self.matching:
            found["G.feature_matching"] = self.matching * self._match(clips, shared)
        return found

    def _match(self, clips: Batch, shared: Shared) -> Tensor:
        """Compare the layers of every discriminator that shows them (Wang et al. 2018)."""
        terms = [shared.made.frames.new_zeros(())]
        for player in self.players.values():
            layers = getattr(player, "layers", None)
            if layers is not None:
                with torch.no_grad():
                    real = layers(*self._real(player, clips))
                terms.append(_apart(layers(*self._made(player, clips, shared.made)), real))
        return torch.stack(terms).sum()

    def _real(self, player: Discriminator, clips: Batch) -> Seen:
        return self._seen(player, clips.need("frames"), clips, clips.maps)

    def _made(self, player: Discriminator, clips: Batch, made: GeneratorOutput) -> Seen:
        return self._seen(player, made.frames, clips, made.identity_maps)

    def _wrong(self, player: Discriminator, clips: Batch) -> Tensor:
        return self._cut(player, clips.need("mismatched"))

    def _cut(self, player: Discriminator, values: Tensor) -> Tensor:
        """Cut (B, V, ...) into single frames (N, ...), or into windows (M, W, ...)."""
        if "windows" in player.wants:
            return values.unflatten(1, (-1, self.window)).flatten(0, 1)
        return values.flatten(0, 1)

    def _seen(self, player: Discriminator, frames: Tensor, clips: Batch, maps: list[Tensor]) -> Seen:
        def give(want: str) -> Tensor | list[Tensor]:
            if want == "identity_maps":
                return maps
            if want == "features":
                return self._cut(player, clips.need("features"))
            if want == "stills":
                return clips.need("stills").repeat_interleave(frames.shape[1], 0)
            return self._cut(player, frames)

        return tuple(give(want) for want in player.wants)


def _apart(made: list[Tensor], true: list[Tensor]) -> Tensor:
    """Give the mean absolute difference of maps, each in units of the true one's, over maps."""
    parts = [
        (m.float() - t.float()).abs().mean() / t.float().abs().mean().clamp(min=1e-6)
        for m, t in zip(made, true, strict=True)
    ]
    return torch.stack(parts).mean()


def _detach(seen: Seen) -> Seen:
    return tuple([t.detach() for t in s] if isinstance(s, list) else s.detach() for s in seen)


def _score_together(
    player: Discriminator, real: Seen, fake: Seen, wrong: Tensor | None
) -> tuple[Tensor, ...]:
    """Score all kinds in one call, so that all go through the very same network.

    `wrong` are features (N, D) that the real frames are shown with once more.
    """
    if wrong is None:
        return player(*_join(real, fake)).chunk(2)
    if not getattr(player, "pairs", False):
        return player(*_join(real, fake, (real[0], wrong))).chunk(3)
    frames, features = _join(real, fake)
    count = torch.arange(2 * len(wrong), device=wrong.device)
    which = torch.cat([count, count[: len(wrong)]])
    return player(frames, torch.cat([features, wrong]), which).chunk(3)


def _join(*groups: Seen) -> Seen:
    joined: list[Tensor | list[Tensor]] = []
    for parts in zip(*groups, strict=True):
        if isinstance(parts[0], list):
            joined.append([torch.cat(maps) for maps in zip(*parts, strict=True)])
        else:
            joined.append(torch.cat(list(parts)))
    return tuple(joined)
