"""Training of the voice encoder: from the voice to the embedding of the speaker's face."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from s2vkit import Batch, Graph, RecipeError, Slot, Speech, Stage, Targets
from s2vkit_speech2face import VoiceStageOptions

PARTS = ("encoder", "student.identity")


class Voice(Stage):
    """The encoder and the identity student together, against the face's embedding.

    Speech2Face besides compares the first layer of its face decoder and the classifier's
    answers (`extra: {distill: soft_targets}` is near to that); Si et al. say of S2F+SDFA that
    only a normalised loss of the embeddings supervises the identity, which `match` is.
    """

    fields = (Speech(), Targets("identity"))
    options: VoiceStageOptions

    def __init__(self, options: VoiceStageOptions, *, graph: Graph) -> None:
        self.options, self.graph = options, graph
        if "identity" not in graph.students:
            raise RecipeError(
                "stage 'speech2face' has no identity student to train",
                hint="add teachers.identity and students.identity",
            )
        slots = {"match": options.match, **options.extra}
        self.terms = {name: (slot.options.weight, graph.make(slot)) for name, slot in slots.items()}

    def optimizers(self) -> dict[str, Slot]:
        """Move the encoder and the student."""
        return dict.fromkeys(PARTS, self.options.optimizer)

    def averages(self) -> dict[str, float]:
        """Average both, if asked to."""
        return dict.fromkeys(PARTS, self.options.average) if self.options.average else {}

    def loss(self, batch: Batch, shared: Any) -> dict[str, Tensor]:
        """Return the terms."""
        _, summary = self.graph.encoder(batch["speech"], batch["lengths"])
        code = self.graph.students["identity"](summary).float()
        target = batch["targets.identity"]
        return {name: weight * loss(code, target) for name, (weight, loss) in self.terms.items()}
