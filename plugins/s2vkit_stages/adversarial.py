"""Adversarial composition: the generator draws, the discriminators judge."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from s2vkit import Clips, Discriminator, Graph, Made, Slot, Stage, Turn
from s2vkit_stages import AdversarialOptions

Seen = tuple[Tensor | list[Tensor], ...]


@dataclass
class Shared:
    """What both turns of a step need: the made frames, and the scores for the log."""

    made: Made
    scores: dict[str, Tensor] = field(default_factory=dict)


class Adversarial(Stage):
    """Eqs. 4-10: first the discriminators learn, then the generator, on the same made frames.

    The students and the encoder stay as they are; the generator sees speech alone.
    """

    options: AdversarialOptions

    def __init__(self, options: AdversarialOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        self.frames, self.gap = options.frames, options.gap
        self.players: dict[str, Discriminator] = graph.discriminators
        needs = {"frames", "features", "codes"}
        wanted = [player.wants for player in self.players.values()]
        needs |= {"mismatched"} if any("features" in w for w in wanted) else set()
        needs |= {"maps"} if any("identity_maps" in w for w in wanted) else set()
        self.needs = frozenset(needs)
        self.game = graph.make(options.losses.adversarial)
        self.game_weight = options.losses.adversarial.options.weight
        slots = {"similarity": options.losses.similarity, "gradient": options.losses.gradient}
        slots.update(options.losses.extra)
        self.terms = {
            name: (slot.options.weight, graph.make(slot)) for name, slot in slots.items() if slot
        }

    def optimizers(self) -> dict[str, Slot]:
        """Move the generator and every discriminator, each by its own optimizer."""
        found = {}
        for key, slot in self.options.optimizers.items():
            if key == "generator" or key in self.players:
                found[key if key == "generator" else f"discriminator.{key}"] = slot
        return found

    def averages(self) -> dict[str, float]:
        """Average the generator, if asked to."""
        return {"generator": self.options.average} if self.options.average else {}

    def turns(self) -> list[Turn]:
        """First the discriminators, then the generator."""
        players = tuple(f"discriminator.{name}" for name in self.players)
        first = [Turn("discriminators", players)] if players else []
        return [*first, Turn("generator", ("generator",))]

    def prepare(self, clips: Clips) -> Shared:
        """Draw the batch once; both turns use it."""
        with torch.no_grad():
            codes = self.graph.hear(clips.need("features"), clips.need("summary"))
        assert self.graph.generator is not None
        return Shared(self.graph.generator(codes))

    def losses(self, turn: str, clips: Clips, shared: Shared) -> dict[str, Tensor]:
        """Give the terms of one side of the game."""
        if turn == "discriminators":
            return {
                f"D.{name}": self._judge(name, player, clips, shared)
                for name, player in self.players.items()
            }
        return self._draw(clips, shared)

    def watch(self, clips: Clips, shared: Shared) -> dict[str, Tensor]:
        """Give the mean scores of what is real, made and mismatched: the balance of the game."""
        return shared.scores

    def _judge(self, name: str, player: Discriminator, clips: Clips, shared: Shared) -> Tensor:
        real = self._real(player, clips)
        fake = _detach(self._made(player, clips, shared.made))
        wrong = clips.need("mismatched").flatten(0, 1) if "features" in player.wants else None
        scores = [s.float() for s in _score_together(player, real, fake, wrong)]
        for what, score in zip(("real", "made", "mismatched"), scores, strict=False):
            shared.scores[f"score.{name}.{what}"] = score.detach().mean()
        return self.game.discriminator(*scores)

    def _draw(self, clips: Clips, shared: Shared) -> dict[str, Tensor]:
        found = {}
        for name, player in self.players.items():
            weight = self.game_weight * self.options.weights.get(name, 1.0)
            score = player(*self._made(player, clips, shared.made)).float()
            found[f"G.{name}"] = weight * self.game.generator(score)
        made = shared.made.frames.flatten(0, 1).float()
        true = clips.need("frames").flatten(0, 1)
        for name, (weight, loss) in self.terms.items():
            found[f"G.{name}"] = weight * loss(made, true)
        return found

    def _real(self, player: Discriminator, clips: Clips) -> Seen:
        frames, maps = clips.need("frames").flatten(0, 1), clips.maps
        return self._seen(player, frames, clips.need("features"), maps)

    def _made(self, player: Discriminator, clips: Clips, made: Made) -> Seen:
        frames = made.frames.flatten(0, 1)
        return self._seen(player, frames, clips.need("features"), made.identity_maps)

    @staticmethod
    def _seen(player: Discriminator, frames: Tensor, features: Tensor, maps: list[Tensor]) -> Seen:
        kinds: dict[str, Tensor | list[Tensor]] = {
            "frames": frames,
            "features": features.flatten(0, 1),
            "identity_maps": maps,
        }
        return tuple(kinds[want] for want in player.wants)


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
