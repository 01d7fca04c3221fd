"""Checks of audio encoders and students."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.interfaces.batch import speech_steps
from s2vkit.interfaces.student import Student
from s2vkit.testing.checking import Subject, noise, place

_SECONDS = (1.0, 0.613, 0.25)


def check_audio_encoder(subject: Subject) -> None:
    """Check sizes, rate, that padding changes nothing, and gradients where it trains."""
    encoder = subject.build()
    subject.require_contract(encoder, AudioEncoder)
    subject.require_attributes(
        encoder, sample_rate=int, dim=int, summary_dim=int, rate=(int, float), causal=bool, pretrained=bool
    )
    rate = encoder.sample_rate
    speech = noise(len(_SECONDS), rate, scale=0.1)  # noise, not silence, past the ends too
    lengths = place(torch.tensor([round(s * rate) for s in _SECONDS]))
    encoder.eval()
    with torch.no_grad():
        features, summary = encoder(speech, lengths)
        steps = features.shape[1] if features.dim() == 3 else 0
        subject.require_tensor("features", features, (len(_SECONDS), steps, encoder.dim))
        subject.require_tensor("summary", summary, (len(_SECONDS), encoder.summary_dim))
        wanted = encoder.rate  # of one second
        subject.require(abs(steps - wanted) <= 2, f"{steps} steps in 1 s, its rate is {wanted}")
        _check_padding(subject, encoder, speech, lengths, (features, summary))
        again = encoder(speech, lengths)
        subject.require_equal("in eval, the same speech gave other features", features, again[0])
        _check_stream(subject, encoder, speech[:1])
        if encoder.pretrainable:
            z = encoder.encode(speech[:1])
            subject.require_tensor("context", encoder.context(z), z.shape)
    if not encoder.pretrained:
        encoder.train()
        subject.require_gradients("training", encoder, *encoder(speech, lengths))


def _check_padding(
    subject: Subject, encoder: Any, speech: Tensor, lengths: Tensor, batch: tuple[Tensor, Tensor]
) -> None:
    steps = speech_steps(lengths, encoder.sample_rate, encoder.rate, batch[0].shape[1])
    for row, length in enumerate(lengths.tolist()):
        alone, summary = encoder(speech[row : row + 1, :length], lengths[row : row + 1])
        n = min(int(steps[row]), alone.shape[1])
        problem = f"a clip of {length} samples has other {{}} in a batch of longer ones than alone"
        subject.require_equal(problem.format("features"), batch[0][row, :n], alone[0, :n])
        subject.require_equal(problem.format("summary"), batch[1][row], summary[0])


def _check_stream(subject: Subject, encoder: Any, speech: Tensor) -> None:
    stream = encoder.stream()
    if stream is None:
        return
    whole, its = encoder(speech, place(torch.tensor([speech.shape[1]])))
    pieces, first = [], 0
    for length in (1, 159, 0, 3333, 161, speech.shape[1]):
        pieces.append(stream.encode(speech[:, first : first + length]))
        first += length
    rest, summary = stream.finish()
    streamed = torch.cat([*pieces, rest], 1)
    subject.require_equal("in pieces, speech has other features than at once", streamed, whole)
    subject.require_equal("in pieces, speech has another summary", summary, its)


def check_student(subject: Subject) -> None:
    """Check its size and gradients."""
    student = subject.build(inputs=20, dim=6)
    subject.require_contract(student, Student)
    subject.require_attributes(student, dim=int)
    subject.require(student.dim == 6, f"its dim is {student.dim}, it was built for 6")
    summary = noise(4, 20)
    student.train()
    code = student(summary)
    subject.require_tensor("the code", code, (4, 6))
    subject.require_gradients("training", student, code)
    if (last := student.last_layer()) is not None:
        code = last(student.eval().features(summary))
        subject.require_equal("its last_layer does not make its code", code, student(summary))
    student.eval()
    with torch.no_grad():
        problem = "in eval, a code depends on the batch it is in"
        subject.require_equal(problem, student(summary)[:1], student(summary[:1]))
