"""Running an exported model: its files in the place of encoder, students and generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from s2vkit.device import Policy
from s2vkit.errors import RunFolderError
from s2vkit.export.formats import FORMATS
from s2vkit.export.parts import STUDENT, UNKNOWN
from s2vkit.files import read_json
from s2vkit.inference.pipeline import InferencePipeline
from s2vkit.interfaces.audio_encoder import AudioEncoder, SpeechStream
from s2vkit.interfaces.batch import Conditioning, GeneratorOutput
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.inference_graph import InferenceGraph
from s2vkit.interfaces.specs import DataSpec
from s2vkit.interfaces.student import Student
from s2vkit.settings import Alignment

if TYPE_CHECKING:
    from s2vkit.export.formats import Call

MANIFEST = "export.json"
_TYPES = {"float32": torch.float32, "float64": torch.float64, "int64": torch.int64}


def open_exported(folder: Path) -> InferencePipeline:
    """Open the files of an export as a pipeline, which takes speech whole or in pieces.

    Raises RunFolderError if it is none, ResourceError if a package is missing that runs it.
    """
    facts = read_json(folder / MANIFEST)
    if not isinstance(facts, dict):
        raise RunFolderError(f"{folder}: no export: it has no readable {MANIFEST}")
    opener = FORMATS[facts["runtime"]].opener()
    calls = {name: opener(folder / file) for name, file in facts["files"].items()}
    data = DataSpec(facts["size"], facts["fps"], facts["sample_rate"], {})
    students: dict[str, Student] = {
        side: ExportedStudent(calls[f"{STUDENT}{side}"], facts["codes"][side]) for side in facts["codes"]
    }
    graph = InferenceGraph(
        data,
        ExportedEncoder(calls["encoder"], facts),
        students,
        ExportedGenerator(calls["generator"], facts, tuple(students)),
    )
    return InferencePipeline(graph, Alignment(**facts["alignment"]), Policy(torch.device("cpu")))


class ExportedEncoder(AudioEncoder):
    """An exported encoder."""

    causal = True

    def __init__(self, call: Call, facts: dict[str, Any]) -> None:
        super().__init__()
        self.call, self.facts = call, facts["encoder"]
        self.sample_rate, self.level = facts["sample_rate"], facts["level"]
        self.dim, self.summary_dim = self.facts["dim"], self.facts["summary_dim"]
        self.rate = self.facts["rate"]

    def stream(self) -> SpeechStream:
        """Begin an utterance."""
        return ExportedStream(self)

    def forward(self, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Encode one clip (1, S)."""
        stream = self.stream()
        first = stream.encode(speech[:, : int(lengths[0])])
        rest, summary = stream.finish()
        return torch.cat([first, rest], 1), summary


class ExportedStream:
    """A `SpeechStream` that an exported encoder carries in its inputs and outputs."""

    def __init__(self, encoder: ExportedEncoder) -> None:
        self.encoder, facts = encoder, encoder.facts
        self.samples: int = facts["samples"]
        self.state = [torch.zeros(one["shape"], dtype=_TYPES[one["type"]]) for one in facts["state"]]
        self.pending = torch.zeros(1, 0)
        self.taken = 0  # samples of the utterance so far
        self.late: int = facts["late"]  # steps to come that lie before the utterance
        self.steps = 0  # given so far
        self._summary = torch.zeros(1, encoder.summary_dim)

    def encode(self, speech: Tensor) -> Tensor:
        """Encode the next samples (1, S)."""
        self.taken += speech.shape[1]
        return self._push(speech, UNKNOWN)

    def summary(self) -> Tensor:
        """Return the summary so far."""
        return self._summary

    def finish(self) -> tuple[Tensor, Tensor]:
        """End the utterance: zeros are pushed until its last features have come."""
        facts = self.encoder.facts
        total = max(self.taken, facts["least"])
        wanted = int(total * self.encoder.rate / self.encoder.sample_rate) - self.steps
        found = [torch.zeros(1, 0, self.encoder.dim)]
        # Its summary is complete once its last samples are in and the late steps are out.
        while sum(piece.shape[1] for piece in found) < wanted or self.pending.shape[1]:
            found.append(self._push(torch.zeros(1, self.samples - self.pending.shape[1]), total))
        return torch.cat(found, 1)[:, :wanted], self._summary

    def _push(self, speech: Tensor, total: int) -> Tensor:
        self.pending = torch.cat([self.pending, speech], 1)
        found = [torch.zeros(1, 0, self.encoder.dim)]
        while self.pending.shape[1] >= self.samples:
            piece, self.pending = self.pending[:, : self.samples], self.pending[:, self.samples :]
            features, self._summary, *self.state = self.encoder.call(
                [piece.contiguous(), torch.tensor([total]), *self.state]
            )
            early = min(self.late, features.shape[1])
            self.late -= early
            found.append(features[:, early:])
        steps = torch.cat(found, 1)
        self.steps += steps.shape[1]
        return steps


class ExportedStudent(Student):
    """An exported student."""

    def __init__(self, call: Call, dim: int) -> None:
        super().__init__()
        self.call, self.dim = call, dim

    def forward(self, summary: Tensor) -> Tensor:
        """Map (1, inputs) to (1, dim)."""
        return self.call([summary])[0]


class ExportedGenerator(Generator):
    """An exported generator."""

    def __init__(self, call: Call, facts: dict[str, Any], sides: tuple[str, ...]) -> None:
        super().__init__()
        self.call, self.sides, self.size = call, sides, facts["size"]
        self.context_radius: int = facts["generator"]["context_radius"]
        self.takes_reference_image: bool = facts["generator"]["image"]
        self.takes_times: bool = facts["generator"].get("times", False)

    def forward(self, conditioning: Conditioning) -> GeneratorOutput:
        """Draw clips one after another: (B, V, 3, size, size)."""
        times = conditioning.times if self.takes_times else None
        times = None if times is None else times.expand(len(conditioning.features), -1)
        given = [conditioning.features, conditioning.context, times, conditioning.reference_images]
        given += [conditioning.codes[side] for side in self.sides]
        inputs = [one for one in given if one is not None]
        clips = [self.call([one[i : i + 1].contiguous() for one in inputs])[0] for i in range(len(inputs[0]))]
        return GeneratorOutput(torch.cat(clips))
