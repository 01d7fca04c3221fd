"""Any teacher on either side and any encoder: each recipe validates, builds and takes a step.

Every encoder meets every teacher of either side, and every identity teacher every emotion teacher;
not every three of them meet. The networks that look and hear are built once for each side and shared
by all recipes; students, generator and discriminators are built for each.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers_toy import REGISTRY, load_toy
from s2vkit_discriminators.log_mel import LogMelRuns, spectrum_of
from test_contracts import TINY
from torch import Tensor

from s2vkit.build import Builder, data_spec_of
from s2vkit.device import choose
from s2vkit.engine.trainer import Trainer
from s2vkit.errors import RecipeError, ResourceError
from s2vkit.interfaces.batch import Batch, align, speech_steps
from s2vkit.interfaces.fields.clips import pad_speech
from s2vkit.interfaces.pixels import to_images
from s2vkit.recipe.load import load_recipe
from s2vkit.settings import Compute

ENCODERS, TEACHERS = REGISTRY.names("audio_encoder"), REGISTRY.names("teacher")
MAPLESS = [t for t in TEACHERS if "maps" not in REGISTRY.get("teacher", t).gives]
BATCH, FRAMES = 2, 2


def flattened(module: torch.nn.Module) -> Tensor:
    """All weights of a module in one row."""
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def tiny(kind: str, name: str) -> dict[str, Any]:
    return {"use": name, **TINY[kind, name][0]}


@dataclass
class Shared:
    """The corpus' first clips, and what each network made of them, once."""

    folder: Any
    parts: dict[tuple[str, str], Any] = field(default_factory=dict)
    made: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        loaded = load_toy(self.folder)
        self.base = loaded.data
        self.dataset = Builder(loaded.recipe, REGISTRY).dataset()
        self.world = data_spec_of(self.dataset)
        self.clips = [self.dataset.load(i) for i in (0, 9)]
        self.policy = choose(Compute(device="cpu", precision="fp32", threads=1))

    def load(self, encoder: str, identity: str, emotion: str, **more: Any) -> Any:
        """Write the recipe of a swap, and check it as `s2vkit validate` does."""
        teachers = {"identity": tiny("teacher", identity), "emotion": tiny("teacher", emotion)}
        said = {"audio_encoder": tiny("audio_encoder", encoder), "teachers": teachers, **more}
        path = self.folder / "swap.yaml"
        path.write_text(yaml.dump(self.base | said, Dumper=yaml.CSafeDumper))
        return load_recipe(path, (), REGISTRY).recipe

    def images(self) -> Tensor:
        """The first frame of each clip, as teachers get them."""
        return torch.cat([to_images(torch.from_numpy(c.frames[:1])) for c in self.clips])

    def heard(self, name: str, encoder: Any) -> tuple[Tensor, Tensor]:
        """Hear the clips: features at frame times (B, FRAMES, D), and summaries."""
        if ("encoder", name) not in self.made:
            speech, lengths = pad_speech([clip.speech for clip in self.clips])
            with torch.no_grad():
                features, summary = encoder.eval()(speech, lengths)
            steps = int(speech_steps(lengths, 16000, encoder.rate, features.shape[1]).min())
            at_frames = align(features[:, :steps], encoder.rate, self.world.fps, 20)
            self.made["encoder", name] = at_frames[:, :FRAMES], summary
        return self.made["encoder", name]

    def seen(self, side: str, name: str, teacher: Any) -> tuple[Tensor, list[Tensor]]:
        """Look at the clips: targets (B, dim), and maps."""
        if (side, name) not in self.made:
            with torch.no_grad():
                teacher.eval()
                found = teacher(self.images()), teacher.maps(self.images())
            self.made[side, name] = found
        return self.made[side, name]


class SharingBuilder(Builder):
    """Builds a graph whose teachers and encoder are those already built for another recipe."""

    def __init__(self, recipe: Any, shared: Shared) -> None:
        super().__init__(recipe, REGISTRY)
        self.shared = shared

    def part(self, name: str, slot: Any, **sizes: Any) -> Any:
        if name.split(".")[0] not in ("encoder", "teacher"):
            return super().part(name, slot, **sizes)
        held = self.shared.parts
        if (name, slot.use) not in held:
            held[name, slot.use] = super().part(name, slot, **sizes)
        return held[name, slot.use]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return Shared(tmp_path_factory.mktemp("swaps"))


@pytest.fixture(scope="module", params=ENCODERS)
def encoder(request):
    return request.param


@pytest.fixture(scope="module")
def lacking(shared):
    """Teachers that cannot be built here for want of a package, and why."""
    found = {}
    for name in TEACHERS:
        try:
            SharingBuilder(shared.load("logmel", "vggface", name), shared).graph(shared.world)
        except ResourceError as error:
            found[name] = str(error)
    return found


def emotion_teacher(encoder: str, identity: str, teachers: list[str]) -> str:
    """Return the teacher of the other side: of a Latin square, in which every two meet once."""
    return teachers[(ENCODERS.index(encoder) + teachers.index(identity)) % len(teachers)]


@pytest.mark.parametrize("identity", TEACHERS)
def test_every_teacher_and_encoder_goes_with_every_other(shared, lacking, encoder, identity):
    """One test a pair of identity teacher and encoder."""
    if identity in lacking:
        pytest.skip(lacking[identity])
    more = {} if identity not in MAPLESS else without_maps(shared)
    emotion = emotion_teacher(encoder, identity, sorted(set(TEACHERS) - set(lacking)))
    recipe = shared.load(encoder, identity, emotion, **more)
    builder = SharingBuilder(recipe, shared)
    graph = builder.graph(shared.world)
    clips = clips_of(shared, recipe, graph)
    stages = builder.stages(graph, shared.policy.device)
    distilled = step(shared, builder, graph, "distill", stages, clips)
    sides = {name.split(".")[0] for name in distilled} - {"lr", "gradient_norm"}
    assert sides == {"identity", "emotion"}, (encoder, identity, emotion)
    composed = step(shared, builder, graph, "compose", stages, clips)
    assert ("D.identity" in composed) == (identity not in MAPLESS)
    assert {"D.frame", "D.sync", "G.similarity"} <= set(composed)


def without_maps(shared: Shared) -> dict[str, Any]:
    """Leave out the discriminator that compares maps, and its optimizer."""
    players = {k: v for k, v in shared.base["discriminators"].items() if k != "identity"}
    compose = dict(shared.base["stages"]["compose"])
    compose["optimizers"] = {k: v for k, v in compose["optimizers"].items() if k != "identity"}
    return {"discriminators": players, "stages": shared.base["stages"] | {"compose": compose}}


def clips_of(shared: Shared, recipe: Any, graph: Any) -> Batch:
    """Put together what the stages need, from what was heard and seen."""
    features, summary = shared.heard(recipe.audio_encoder.use, graph.encoder)
    assert features.shape == (BATCH, FRAMES, graph.encoder.dim)
    targets, maps = {}, []
    for side, teacher in graph.teachers.items():
        name = recipe.teachers[side].use
        targets[f"targets.{side}"], held = shared.seen(f"teacher.{side}", name, teacher)
        maps = held if side == "identity" else maps
    frames = torch.stack([to_images(torch.from_numpy(c.frames[:FRAMES])) for c in shared.clips])
    runs, times = LogMelRuns(), np.tile(np.arange(FRAMES), (len(shared.clips), 1))
    heard = [spectrum_of(torch.from_numpy(c.speech), 16000, runs.n_mels).numpy() for c in shared.clips]
    spectra = runs.cut(heard, times, shared.world.fps)
    return Batch(
        ["one", "two"],
        data={
            "frames": frames,
            "features": features,
            "mismatched": features.flip(1),
            "log_mel_runs": spectra,
            "mismatched_log_mel_runs": spectra.flip(1),
            "summary": summary,
            "reference_images": frames[:, 0],
            "identity_maps": maps,
            **targets,
        },
    )


def step(shared: Shared, builder: Any, graph: Any, name: str, stages: Any, clips: Batch) -> dict[str, float]:
    """Take one step of a stage: its figures, all of them numbers; what it trains has moved."""
    trainer = Trainer(
        stages[name],
        name,
        graph,
        lambda step: clips,
        policy=shared.policy,
        seed=1,
        make_optimizer=builder.make,
    )
    before = {key: flattened(m) for key, m in trainer.trained.items()}
    figures = {key: float(value) for key, value in trainer.step(0).items()}
    assert all(abs(value) < float("inf") for value in figures.values()), figures
    for key, module in trainer.trained.items():
        assert not torch.equal(before[key], flattened(module)), key
    return figures


def test_a_layer_that_rounding_leaves_dead_fails_no_swap(shared):
    """On one processor or another some ReLU of a tiny network is dead from the start."""
    recipe = shared.load("logmel", "vggface", "senet50")
    builder = SharingBuilder(recipe, shared)
    graph = builder.graph(shared.world)
    dead, norm = graph.students["identity"].layers[1:3]
    torch.nn.init.constant_(norm.bias, -100.0)  # so that the ReLU after it lets nothing through
    stages = builder.stages(graph, shared.policy.device)
    before = dead.weight.detach().clone()
    step(shared, builder, graph, "distill", stages, clips_of(shared, recipe, graph))
    assert torch.equal(dead.weight, before)


@pytest.mark.parametrize("identity", MAPLESS)
def test_a_teacher_without_maps_says_what_the_discriminator_needs(shared, identity):
    with pytest.raises(RecipeError) as error:
        shared.load("logmel", identity, "senet50")
    text = str(error.value)
    assert f"'identity_maps' compares the identity teacher's maps, but '{identity}' gives" in text
    for name in set(TEACHERS) - set(MAPLESS):
        assert name in text.split("teachers that fit:")[1]
    assert "discriminators: {identity: null}" in text


def test_every_two_meet():
    assert len(ENCODERS) >= len(TEACHERS) >= 6
    met = [(e, i, emotion_teacher(e, i, TEACHERS)) for e, i in itertools.product(ENCODERS, TEACHERS)]
    for first, second in itertools.combinations(range(3), 2):
        sides = (ENCODERS, TEACHERS, TEACHERS)
        pairs = {(one[first], one[second]) for one in met}
        assert pairs == set(itertools.product(sides[first], sides[second]))
