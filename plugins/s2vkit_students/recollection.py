"""A student that recalls: the code of a voice snaps to the nearest of the faces it has learnt."""

from __future__ import annotations

import torch
from torch import Tensor

from s2vkit import likeness
from s2vkit_students import RecollectionOptions
from s2vkit_students.students import Mlp


class Recollection(Mlp):
    """The MLP, and a memory of faces that its code attends to (our choice; not in the paper).

    While it is trained it is the MLP, and its code is compared with the teacher's. In the end the
    teacher's codes of the training clips become the memory, one a person where persons are known.
    From then on a voice's code is a mean of the memory, weighted by softmax(cosine / temperature)
    of directions taken from the mean one: one face for a voice like one of training, and a blend of
    the nearest for others. So a generator meets as many codes as there are people, and no others.

    What is compared is the face that the MLP hears in the voice or, `by: voice`, what a discriminant
    keeps of the voice, with the mean of that of each person.
    """

    remembers = True
    memory: Tensor
    voices: Tensor
    count: Tensor

    def __init__(self, options: RecollectionOptions, *, inputs: int, dim: int) -> None:
        super().__init__(options, inputs=inputs, dim=dim)
        self.temperature, self.by_voice = options.temperature, options.by == "voice"
        self.register_buffer("memory", torch.zeros(options.slots, dim))
        if self.by_voice:
            self.register_buffer("voices", torch.zeros(options.slots, self.discriminant.axes.shape[1]))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def remember(self, targets: Tensor, people: Tensor | None, summaries: Tensor) -> None:
        """Store the teacher's codes (N, dim) of training clips, as means by person (N,) where known.

        By voice, also what was heard in their summaries (N, S, inputs). Of more people (or clips) than
        there are slots, as many as fit are stored, evenly spaced.
        """
        self._store(self.memory, _by_person(targets.float(), people))
        if self.by_voice:
            heard = self.discriminant(summaries.flatten(0, 1)).unflatten(0, summaries.shape[:2])
            self._store(self.voices, _by_person(heard.mean(1), people))

    def _store(self, slots: Tensor, found: Tensor) -> None:
        if len(found) > len(slots):
            found = found[torch.linspace(0, len(found) - 1, len(slots)).round().long()]
        slots[: len(found)] = found.to(slots)
        self.count.fill_(len(found))

    def forward(self, summary: Tensor) -> Tensor:
        """Map the summary (B, inputs) to the teacher's space (B, dim), through the memory if there is one."""
        code = super().forward(summary)
        asked, known = (self.discriminant(summary), self.voices) if self.by_voice else (code, self.memory)
        weights = likeness(asked, known, self.count, self.temperature)
        return torch.where(self.count > 0, weights @ self.memory, code.float())


def _by_person(of_clips: Tensor, people: Tensor | None) -> Tensor:
    """Average (N, D) over the clips of each known person (N,); as it is where nobody is known."""
    if people is None or not bool((people >= 0).any()):
        return of_clips
    known = people.unique()
    return torch.stack([of_clips[people == one].mean(0) for one in known[known >= 0]])
