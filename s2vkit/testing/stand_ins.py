"""Parts that stand in for a recipe's while a stage or a metric is checked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import Batch, Conditioning, GeneratorOutput
from s2vkit.interfaces.discriminator import Discriminator, Inputs
from s2vkit.interfaces.fields import BatchField, BatchSizes, Features, IdentityMaps, Mismatched, sampling_of
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.graph import Graph
from s2vkit.interfaces.landmarks import GROUPS, Landmarks
from s2vkit.interfaces.specs import DataSpec
from s2vkit.interfaces.stage import Stage
from s2vkit.interfaces.student import Student
from s2vkit.interfaces.sync_evaluator import SyncEvaluator
from s2vkit.interfaces.teacher import Teacher
from s2vkit.testing.checking import SIZE, noise, place, seeded

FEATURES, SUMMARY, IDENTITY, EMOTION = 16, 24, 10, 6
MAPS = [(8, 4, 4), (8, 8, 8), (4, 16, 16)]
LABELS = {"identity": ("ann", "bob", "cas"), "emotion": ("anger", "neutral")}
RATE = 16000
POINTS = 68  # of a face, as in the markup of 300-W


class Ear(AudioEncoder):
    """An audio encoder that can be pre-trained."""

    sample_rate, rate, dim, summary_dim = RATE, 100.0, FEATURES, SUMMARY
    causal, pretrainable = True, True

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, FEATURES, 160, 160)
        self.mix = nn.Linear(FEATURES, FEATURES)
        self.head = nn.Linear(FEATURES, SUMMARY)

    def encode(self, speech: Tensor) -> Tensor:
        """Encode (B, S) as (B, A, FEATURES)."""
        features: Tensor = self.conv(speech.unsqueeze(1)).transpose(1, 2)
        return features

    def context(self, z: Tensor) -> Tensor:
        """Mix (B, A, FEATURES)."""
        return torch.tanh(self.mix(z))

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode (B, S)."""
        c = self.context(self.encode(speech))
        return c, self.head(c.mean(1))


class Eye(Teacher):
    """A teacher or evaluator, with maps for the identity's."""

    pretrained = False

    def __init__(self, dim: int, classes: tuple[str, ...], gives: str) -> None:
        super().__init__()
        self.dim, self.classes, self.gives = dim, classes, gives
        self.map_shapes = list(MAPS)
        self.see = nn.Linear(3 * 16, dim)
        self.name = nn.Linear(dim, max(1, len(classes)))

    def forward(self, images: Tensor) -> Tensor:
        """Embed (N, 3, H, W)."""
        return torch.tanh(self.see(F.adaptive_avg_pool2d(images, 4).flatten(1)))

    def classify(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.name(self(images))
        return logits

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return maps: copies of the images, made small."""
        grey = images.mean(1, keepdim=True)
        return [F.adaptive_avg_pool2d(grey, (h, w)).expand(-1, c, -1, -1) for c, h, w in MAPS]


class Mind(Student):
    """A student."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layer = nn.Linear(SUMMARY, dim)

    def forward(self, summary: Tensor) -> Tensor:
        """Map (B, SUMMARY) to (B, dim)."""
        code: Tensor = self.layer(summary)
        return code


class Hand(Generator):
    """A generator."""

    size, hearing_size = SIZE, 4

    def __init__(self) -> None:
        super().__init__()
        self.hearing = nn.Linear(FEATURES, self.hearing_size)
        self.draw = nn.Linear(FEATURES + IDENTITY + EMOTION, 3 * 16)
        self.inflate = nn.ModuleList(nn.Linear(IDENTITY, c) for c, _, _ in MAPS)

    def forward(self, codes: Conditioning) -> GeneratorOutput:
        """Draw the codes as coarse frames."""
        sides = torch.cat([codes.codes["identity"], codes.codes["emotion"]], 1).unsqueeze(1)
        all_codes = torch.cat([codes.features, sides.expand(-1, codes.features.shape[1], -1)], 2)
        coarse = torch.tanh(self.draw(all_codes)).unflatten(2, (3, 4, 4))
        frames = coarse.repeat_interleave(SIZE // 4, 3).repeat_interleave(SIZE // 4, 4)
        maps = [
            layer(codes.codes["identity"])[:, :, None, None].expand(-1, -1, h, w)
            for layer, (_, h, w) in zip(self.inflate, MAPS, strict=True)
        ]
        return GeneratorOutput(frames, maps)

    def hear(self, conditioning: Conditioning) -> Tensor:
        """Hear the mouth."""
        assert self.hearing is not None
        heard: Tensor = self.hearing(conditioning.features)
        return heard


class Witness(SyncEvaluator):
    """A sync evaluator."""

    fps, sample_rate, dim = 25.0, RATE, 4

    def __init__(self) -> None:
        super().__init__()
        self.see, self.hear = nn.Linear(5, self.dim), nn.Linear(5, self.dim)

    def forward(self, frames: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """Embed (B, V, 3, H, W) and (B, S)."""
        count = min(frames.shape[1], speech.shape[1] // 640)
        if count < 5:
            empty = frames.new_zeros(len(frames), 0, self.dim)
            return empty, empty
        bright = frames[:, :count].mean((2, 3, 4)).unfold(1, 5, 1)
        loud = speech[:, : count * 640].unflatten(1, (count, 640)).abs().mean(2)
        return self.see(bright), self.hear(loud.unfold(1, 5, 1))


class Pointer(Landmarks):
    """Finds the points of a face where its brightness says; those of the groups come first."""

    groups = {name: (place, place + 1) for place, name in enumerate(GROUPS)}
    pretrained = False

    def __init__(self) -> None:
        super().__init__()
        self.moved = nn.Parameter(torch.zeros(POINTS, 3))

    def forward(self, frames: Tensor) -> Tensor:
        """Find points in (N, 3, H, W)."""
        place = frames.device
        along = torch.linspace(0, 1, POINTS, device=place) * SIZE * (POINTS - 1) / len(GROUPS)
        spread = along[:, None] * torch.tensor([1.0, 0.5, 0.0], device=place)
        by = 20 * frames.mean((1, 2, 3))[:, None, None] * torch.arange(3, device=place)
        return spread + by + self.moved


class StandInDiscriminator(Discriminator):
    """A discriminator of the inputs it is given."""

    def __init__(self, wants: tuple[str, ...]) -> None:
        super().__init__()
        self.wants = wants
        conditions: dict[str, tuple[BatchField, ...]] = {
            "identity_maps": (IdentityMaps(),),
            "features": (Features(), Mismatched()),
        }
        self.fields = tuple(field for want in wants for field in conditions.get(want, ()))
        self.score = nn.LazyLinear(1)
        given: dict[str, Any] = {
            "frames": torch.zeros(1, 3, SIZE, SIZE),
            "features": torch.zeros(1, FEATURES),
            "identity_maps": [torch.zeros(1, *shape) for shape in MAPS],
        }
        self(*(given[want] for want in wants))

    def inputs(self, batch: Batch, output: GeneratorOutput) -> Inputs:
        """Return the inputs it needs."""
        if "identity_maps" in self.wants:
            return (output.identity_maps,)
        return output.frames.flatten(0, 1), *self._conditions(batch, batch.get("features"))

    def mismatched(self, batch: Batch) -> Inputs | None:
        """Return real frames with speech of another time, if it wants speech."""
        if "features" not in self.wants:
            return None
        return batch["frames"].flatten(0, 1), *self._conditions(batch, batch.get("mismatched"))

    def _conditions(self, batch: Batch, features: Tensor | None) -> Inputs:
        return (features.flatten(0, 1),) if features is not None and "features" in self.wants else ()

    def forward(self, *inputs: Tensor | list[Tensor]) -> Tensor:
        """Score any inputs."""
        flat = [t for s in inputs for t in (s if isinstance(s, list) else [s])]
        scores: Tensor = self.score(torch.cat([t.flatten(1) for t in flat], 1))
        return scores


def stand_in_graph(make: Callable[..., Any]) -> Graph:
    """Make a graph of stand-ins.

    Its discriminators are identity, frame and sync, its evaluators identity, emotion, mouth_aperture,
    shut, and second ones of the first two, identity_2 and emotion_2.
    """
    with seeded():
        eyes: dict[str, Teacher] = {
            "identity": Eye(IDENTITY, LABELS["identity"], "embedding"),
            "emotion": Eye(EMOTION, LABELS["emotion"], "logits"),
            "mouth_aperture": Eye(4, (), "logits"),
            "eyelid_closure": Eye(4, (), "logits"),
        }
        discriminators: dict[str, Discriminator] = {
            "identity": StandInDiscriminator(("identity_maps",)),
            "frame": StandInDiscriminator(("frames",)),
            "sync": StandInDiscriminator(("frames", "features")),
        }
        evaluators: dict[str, Teacher] = {name: Eye(4, eye.classes, "logits") for name, eye in eyes.items()}
        for name in ("identity", "emotion"):
            evaluators[f"{name}_2"] = Eye(4, eyes[name].classes, "logits")
        del eyes["mouth_aperture"], eyes["eyelid_closure"]
        graph = Graph(
            DataSpec(SIZE, 25.0, RATE, LABELS),
            Ear(),
            {"identity": Mind(IDENTITY), "emotion": Mind(EMOTION)},
            Hand(),
            make=make,
            teachers=eyes,
            discriminators=discriminators,
            evaluators=evaluators,
            sync_evaluator=Witness(),
            landmarks=Pointer(),
        )
    for module in graph.modules().values():
        place(module)
    return graph


def stand_in_clips(stage: Stage) -> Batch:
    """Return a fake batch that holds what a stage needs, from its fields."""
    sampling, seeds = sampling_of(stage.fields), count(1)
    sizes = BatchSizes(2, sampling.frames, sampling.window, stand_in_graph(lambda slot: None))
    batch = Batch(["one", "two"], window=sampling.window)
    for field in stage.fields:
        batch.data.update(field.fake(sizes, lambda *shape: noise(*shape, seed=next(seeds))))
    batch.labels = {name: torch.tensor([0, 1]) for name in LABELS}
    for name in ("mouth_aperture", "eyelid_closure"):
        batch.labels[name] = noise(2, sampling.frames).abs()
    return place(batch)
