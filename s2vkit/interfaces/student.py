"""The contract of a student: from the summary of the speech to a teacher's vector."""

from __future__ import annotations

from torch import Tensor, nn


class Student(nn.Module):
    """Base of students, built as `Student(options, inputs=..., dim=...)`."""

    dim: int
    remembers: bool = False  # whether it takes in the teacher's codes of training, by `remember`
    prepares: bool = False  # whether it takes in what training hears before its first step, by `prepare`

    def forward(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to (B, dim)."""
        raise NotImplementedError

    def last_layer(self) -> nn.Linear | None:
        """Return the linear layer that makes the code of `features`; None: there is none to erase from."""
        return None

    def features(self, summary: Tensor) -> Tensor:
        """Map (B, inputs) to what the last layer is given (B, F)."""
        raise NotImplementedError

    def prepare(self, summaries: Tensor, kinds: Tensor) -> None:
        """Take in summaries (N, S, inputs) of training clips: of all of each, and of segments of it.

        Clips of the same number in `kinds` (N,) are alike in all that students are to hear.
        """
        raise NotImplementedError

    def remember(self, targets: Tensor, people: Tensor | None, summaries: Tensor) -> None:
        """Take in the teacher's codes (N, dim) of the training clips, once it is trained.

        `people` (N,) numbers the speaker of each, -1 where unknown; None if no speaker is known.
        `summaries` (N, S, inputs) are of the whole of each clip and, where a student `prepares`, of segments.
        """
        raise NotImplementedError
