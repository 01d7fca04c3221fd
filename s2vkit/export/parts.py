"""The functions that a trained model is exported as: tensors in, tensors out, no memory of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from s2vkit.errors import InputError
from s2vkit.interfaces.audio_encoder import SpeechStep
from s2vkit.interfaces.batch import Conditioning
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.inference_graph import InferenceGraph

PIECE = 0.02  # s of speech that an exported encoder takes at once
UNKNOWN = 1 << 40  # samples: the length of an utterance that goes on
FRAMES = 8  # of the example that the generator is exported with
STUDENT = "student."


@dataclass(frozen=True)
class Part:
    """A function of the model, with an example of its inputs."""

    name: str  # encoder, student.SIDE or generator
    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]
    by_frame: tuple[str, ...] = ()  # inputs (1, V, ...) of any number V of frames


def parts_of(graph: InferenceGraph) -> list[Part]:
    """Take a model apart: encoder, students, generator. Raises InputError if one cannot be exported."""
    assert graph.generator is not None
    if graph.generator.audio_samples or graph.generator.warmup_frames:
        raise InputError(
            "the generator of this model takes raw speech or remembers frames, which cannot be exported",
            hint="export one that draws each frame from speech features, as frame_decoder does",
        )
    encoder, step = graph.encoder, speech_step(graph)
    summary = torch.zeros(1, encoder.summary_dim)
    students = [
        Part(f"{STUDENT}{side}", student, {"summary": summary}, ("code",))
        for side, student in graph.students.items()
    ]
    return [_encoder(step), *students, _generator(graph, graph.generator)]


class Flat(nn.Module):
    """A part's module, whatever its signature, with all its inputs in a row."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Call it."""
        outputs: Tensor | tuple[Tensor, ...] = self.module(*inputs)
        return outputs


def speech_step(graph: InferenceGraph) -> SpeechStep:
    """Return the encoder's stream as a function. Raises InputError if it has none."""
    step = graph.encoder.step(max(1, round(PIECE * graph.encoder.rate)))
    if step is None:
        raise InputError(
            "the audio encoder of this model cannot be exported: it has no stream as a function of pieces",
            hint="train one that has, as cpc does, or give yours the method `step`",
        )
    return step.eval()


def _encoder(step: SpeechStep) -> Part:
    speech, total = torch.zeros(1, step.samples), torch.tensor([UNKNOWN])
    state = dict(zip(step.names, step.begin(), strict=True))
    after = tuple(f"next_{name}" for name in step.names)
    inputs = {"speech": speech, "total": total, **state}
    return Part("encoder", step, inputs, ("features", "summary", *after))


def _generator(graph: InferenceGraph, generator: Generator) -> Part:
    dim, size = graph.encoder.dim, generator.size
    inputs = {"features": torch.zeros(1, FRAMES, dim)}
    if generator.context_radius:
        inputs["context"] = torch.zeros(1, FRAMES, 2 * generator.context_radius + 1, dim)
    if generator.takes_times:
        inputs["times"] = torch.arange(FRAMES)[None]
    by_frame = tuple(inputs)
    if generator.takes_reference_image:
        inputs["image"] = torch.zeros(1, 3, size, size)
    inputs.update({side: torch.zeros(1, student.dim) for side, student in graph.students.items()})
    module = _Frames(generator, tuple(inputs), tuple(graph.students)).eval()
    return Part("generator", module, inputs, ("frames",), by_frame)


class _Frames(nn.Module):
    """A generator whose conditioning comes as tensors in a row."""

    def __init__(self, generator: Generator, names: tuple[str, ...], sides: tuple[str, ...]) -> None:
        super().__init__()
        self.generator, self.names, self.sides = generator, names, sides

    def forward(self, *inputs: Tensor) -> Tensor:
        """Draw (1, V, 3, size, size) in [-1, 1]."""
        given = dict(zip(self.names, inputs, strict=True))
        codes = {side: given[side] for side in self.sides}
        conditioning = Conditioning(given["features"], codes, given.get("context"), given.get("image"))
        conditioning.times = given.get("times")
        frames: Tensor = self.generator(conditioning).frames
        return frames
