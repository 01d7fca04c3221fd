"""Finding a face from a voice."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from s2vkit import Probe, ProbeData, Score
from s2vkit_probes import FaceRetrievalOptions


class FaceRetrieval(Probe):
    """Ranks faces by their likeness (cosine) to the identity code of a voice.

    The gallery holds one vector a speaker: the identity teacher's, each brought to unit
    length, averaged over that speaker's held-out clips. So chance is `top` over the number
    of speakers, and no face that a student learnt from is looked for.
    """

    sides = ("identity",)

    def __init__(self, options: FaceRetrievalOptions) -> None:
        self.options = options

    def probe(self, train: ProbeData, test: ProbeData) -> Score:
        """Measure held-out clips; details give top 1 and 5, and the mean rank."""
        clips, speakers = self._clips(train, test)
        gallery, names = self._gallery(train, test, sorted(set(speakers)))
        found = self._ranks(test.codes["identity"][clips], speakers, gallery, names)
        top = self.options.top

        def within(rank: int) -> float | None:
            return float((found < rank).double().mean()) if len(found) else None

        value = within(top)
        return Score(
            value=float("nan") if value is None else value,
            on_real=None,
            chance=min(1.0, top / len(names)) if names else None,
            n=len(found),
            definition=f"share of held-out clips of {self.options.speakers} speakers whose "
            f"speaker's face, embedded by the teacher, is among the {top} nearest (cosine) to the "
            "identity code of the voice; one mean vector a speaker; chance: "
            f"{top} over the {len(names)} faces",
            details={
                "faces": len(names),
                "top_1": within(1),
                "top_5": within(5),
                "chance_top_1": min(1.0, 1 / max(1, len(names))),
                "chance_top_5": min(1.0, 5 / max(1, len(names))),
                "mean_rank": float(found.double().mean()) + 1 if len(found) else None,
            },
        )

    def _clips(self, train: ProbeData, test: ProbeData) -> tuple[list[int], list[str]]:
        """Choose the clips that are asked about: their places, and who speaks."""
        trained, wanted = set(train.label("identity")), self.options.speakers
        chosen = [
            (i, speaker)
            for i, speaker in enumerate(test.label("identity"))
            if speaker and (wanted == "all" or (speaker in trained) == (wanted == "seen"))
        ]
        return [i for i, _ in chosen], [speaker for _, speaker in chosen]

    def _gallery(self, train: ProbeData, test: ProbeData, names: list[str]) -> tuple[Tensor, list[str]]:
        rows = [mean_face(test, name) for name in names]
        if self.options.distractors:
            others = {*train.label("identity"), *test.label("identity")} - {*names, ""}
            for name in sorted(others):
                rows.append(mean_face(test if name in test.label("identity") else train, name))
                names = [*names, name]
        return torch.stack(rows) if rows else torch.empty(0, 1), names

    @staticmethod
    def _ranks(codes: Tensor, speakers: list[str], gallery: Tensor, names: list[str]) -> Tensor:
        """Count the faces that are nearer than the right one: (N,)."""
        if not speakers:
            return torch.empty(0)
        likeness = F.normalize(codes.double(), dim=1) @ gallery.mT
        right = torch.tensor([names.index(name) for name in speakers])
        return (likeness > likeness.gather(1, right[:, None])).sum(1)


def mean_face(data: ProbeData, name: str) -> Tensor:
    """Average the unit vectors that the identity teacher gives of a speaker: (dim,), of unit length."""
    rows = [i for i, speaker in enumerate(data.label("identity")) if speaker == name]
    return F.normalize(F.normalize(data.targets["identity"][rows].double(), dim=1).mean(0), dim=0)
