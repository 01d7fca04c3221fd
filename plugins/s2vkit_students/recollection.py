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
    """

    remembers = True
    memory: Tensor
    count: Tensor

    def __init__(self, options: RecollectionOptions, *, inputs: int, dim: int) -> None:
        super().__init__(options, inputs=inputs, dim=dim)
        self.temperature = options.temperature
        self.register_buffer("memory", torch.zeros(options.slots, dim))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def remember(self, targets: Tensor, people: Tensor | None) -> None:
        """Store the teacher's codes (N, dim) of training clips, as means by person (N,) where known.

        Of more people (or clips) than there are slots, as many as fit are stored, evenly spaced.
        """
        found = targets.float()
        if people is not None and bool((people >= 0).any()):
            known = people.unique()
            found = torch.stack([found[people == one].mean(0) for one in known[known >= 0]])
        if len(found) > len(self.memory):
            found = found[torch.linspace(0, len(found) - 1, len(self.memory)).round().long()]
        self.memory[: len(found)] = found.to(self.memory)
        self.count.fill_(len(found))

    def forward(self, summary: Tensor) -> Tensor:
        """Map the summary (B, inputs) to the teacher's space (B, dim), through the memory if there is one."""
        code = super().forward(summary)
        weights = likeness(code, self.memory, self.count, self.temperature)
        return torch.where(self.count > 0, weights @ self.memory, code.float())
