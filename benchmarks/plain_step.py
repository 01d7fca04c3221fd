"""The training step of composition as one writes it first: what ours is compared with.

Float32, images as they come, everything live: the encoder hears, the students and the identity
teacher look in every step; the identity branch, its maps and the teacher's are computed for
every frame; every discriminator is called once for each kind of thing it sees. The networks,
losses and optimizers are those of the recipe.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit.build import Builder
from s2vkit.interfaces.batch import Batch, align
from s2vkit.interfaces.graph import Graph


class PlainStep:
    """One step of Eqs. 4 to 10 in plain PyTorch."""

    def __init__(self, builder: Builder, graph: Graph, device: torch.device) -> None:
        self.graph, self.device = graph, device
        for name, module in graph.modules().items():
            trained = name == "generator" or name.startswith("discriminator.")
            module.to(device).to(memory_format=torch.contiguous_format)
            module.train(trained).requires_grad_(trained)
        options = next(s.options for s in builder.recipe.stages.values() if s.use == "adversarial")
        self.adversarial_loss = builder.make(options.losses.adversarial)
        slots = (options.losses.similarity, options.losses.gradient)
        self.terms = [(slot.options.weight, builder.make(slot)) for slot in slots if slot]
        networks: dict[str, Any] = {"generator": graph.generator, **graph.discriminators}
        self.optimizers = {
            name: builder.make(slot, networks[name].parameters()) for name, slot in options.optimizers.items()
        }
        self.fps = graph.data_spec.fps

    def __call__(self, clips: Batch, speech: Tensor, lengths: Tensor) -> None:
        """Do one step on a batch of frames and the speech of its clips."""
        times = clips["frames"].shape[1]
        with torch.no_grad():
            heard, summary = self.graph.encoder(speech, lengths)
            whole = align(heard, self.graph.encoder.rate, self.fps, 2 * times)
            features, wrong = whole[:, :times].flatten(0, 1), whole[:, times:].flatten(0, 1)
            codes = {name: student(summary) for name, student in self.graph.students.items()}
            real = clips["frames"].flatten(0, 1)
            maps = self.graph.teachers["identity"].maps(real)
        each = {name: code.repeat_interleave(times, 0) for name, code in codes.items()}
        fake, inflated = draw(self.graph.generator, features, each["identity"], each["emotion"])
        self._discriminators(real, fake.detach(), maps, [m.detach() for m in inflated], features, wrong)
        self._generator(real, fake, inflated, features)

    def _discriminators(
        self,
        real: Tensor,
        fake: Tensor,
        maps: list[Tensor],
        inflated: list[Tensor],
        features: Tensor,
        wrong: Tensor,
    ) -> None:
        loss = self.adversarial_loss.discriminator
        networks: dict[str, Any] = self.graph.discriminators
        for name, network in networks.items():
            if name == "identity":
                value = loss(identity_scores(network, maps), identity_scores(network, inflated))
            elif name == "frame":
                value = loss(patch(network, real), patch(network, fake))
            else:
                scores = [
                    sync(network, *pair) for pair in ((real, features), (fake, features), (real, wrong))
                ]
                value = loss(*scores)
            self._move(name, value)

    def _generator(self, real: Tensor, fake: Tensor, inflated: list[Tensor], features: Tensor) -> None:
        networks: dict[str, Any] = self.graph.discriminators
        loss = sum(weight * term(fake, real) for weight, term in self.terms)
        loss = loss + self.adversarial_loss.generator(identity_scores(networks["identity"], inflated))
        loss = loss + self.adversarial_loss.generator(patch(networks["frame"], fake))
        loss = loss + self.adversarial_loss.generator(sync(networks["sync"], fake, features))
        self._move("generator", loss)

    def _move(self, name: str, loss: Tensor) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()


def draw(generator: Any, features: Tensor, identity: Tensor, emotion: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Run the frame decoder literally, with codes (N, ...) of every frame."""
    branch = generator.branch
    x, maps = start(branch.stem, branch.rescaled(identity)), []
    for block, finish in zip(branch.blocks, branch.aligns, strict=True):
        x = block(x)
        maps.append(F.relu(finish(x)))
    x = start(generator.stem, torch.cat([features, emotion], 1))
    for block, joined in zip(generator.blocks, generator.joined, strict=True):
        x = torch.cat([x, *(maps[m] for m in joined)], 1)
        x = F.relu(block.norm(block.up.conv(x)))
        x = block.second(F.relu(block.first(x)))
        x = x if block.last else F.relu(x)
    return torch.tanh(x), maps


def start(layer: Any, vector: Tensor) -> Tensor:
    """Inflate a vector to a small map."""
    return F.relu(layer.norm(layer.linear(vector).unflatten(1, layer.shape)))


def identity_scores(discriminator: Any, maps: list[Tensor]) -> Tensor:
    """Score identity maps."""
    unit = [m * (m.square().mean((1, 2, 3), keepdim=True) + 1e-6).rsqrt() for m in maps]
    scores = [head(m).flatten(1) for head, m in zip(discriminator.heads, unit, strict=True)]
    return torch.cat(scores, 1)


def patch(discriminator: Any, images: Tensor) -> Tensor:
    """Score frames."""
    scores: Tensor = plain(discriminator.score, plain(discriminator.trunk, images))
    return scores


def sync(discriminator: Any, images: Tensor, features: Tensor) -> Tensor:
    """Score frames with features."""
    seen = F.leaky_relu(discriminator.image(plain(discriminator.trunk, images).flatten(1)), 0.2)
    heard = F.leaky_relu(discriminator.speech(features), 0.2)
    scores: Tensor = discriminator.score(torch.cat([seen, heard, seen * heard], 1))
    return scores


def plain(module: nn.Module, x: Tensor) -> Tensor:
    """Call a module."""
    called: Tensor = module(x)
    return called
