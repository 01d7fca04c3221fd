"""Whether a voice and a face are of one speaker, and which of several faces a voice belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from s2vkit import InputError, Probe, ProbeData, Score
from s2vkit_probes import FaceVerificationOptions
from s2vkit_probes.matching import equal_error_rate, matching, pairs_of, recall_at
from s2vkit_probes.retrieval import mean_face


class FaceVerification(Probe):
    """The equal error rate of voices' identity codes against faces, and matching 1:2, 1:N, recall@K.

    The face of a speaker is the mean of the teacher's unit vectors over that speaker's held-out
    clips. With `within`, only speakers of one value of that label are compared, so that gender,
    say, does not score.
    """

    sides = ("identity",)

    def __init__(self, options: FaceVerificationOptions) -> None:
        self.options = options

    def probe(self, train: ProbeData, test: ProbeData) -> Score:
        """Measure held-out clips; details hold matching and recall."""
        speakers = test.label("identity")
        clips = [i for i, speaker in enumerate(speakers) if speaker]
        names = sorted({speakers[i] for i in clips})
        groups = self._groups(test, clips, names)
        faces = torch.stack([mean_face(test, name) for name in names])
        voices = F.normalize(test.codes["identity"][clips].double(), dim=1)
        likeness = (voices @ faces.mT).numpy()
        spoken = [speakers[i] for i in clips]
        scores, same = pairs_of(likeness, spoken, names, groups)
        value = equal_error_rate(scores, same)
        inside = "" if self.options.within is None else f" of one {self.options.within}"
        return Score(
            value=float("nan") if value is None else value,
            on_real=None,
            chance=0.5,
            n=len(clips) if value is not None else 0,
            definition="equal error rate of verifying that a voice and a face are of one speaker, by the "
            "cosine of the identity code of each held-out clip and each speaker's mean face, embedded by "
            f"the teacher; all pairs{inside}; chance: a likeness that says nothing; details: 1:2 and 1:N "
            "matching and recall@K",
            details=self._details(likeness, spoken, names, groups),
        )

    def _groups(self, test: ProbeData, clips: Sequence[int], names: Sequence[str]) -> list[str] | None:
        """Return the groups of clips and of speakers, joined."""
        within = self.options.within
        if within is None:
            return None
        of_clips = test.label(within)
        if not any(of_clips):
            raise InputError(
                f"the corpus has no label '{within}' to compare within",
                hint=f"labels that are there: {', '.join(test.labels)}",
            )
        speakers = test.label("identity")
        of_speaker = {speaker: of_clips[i] for i, speaker in enumerate(speakers) if speaker}
        torn = [
            speaker
            for i, speaker in enumerate(speakers)
            if of_speaker.get(speaker) != of_clips[i] and speaker
        ]
        if torn:
            raise InputError(
                f"clips of speaker '{torn[0]}' differ in '{within}', so it is no label of speakers",
                hint="compare within a label such as gender",
            )
        return [*(of_clips[i] for i in clips), *(of_speaker[name] for name in names)]

    def _details(
        self, likeness: np.ndarray, spoken: list[str], names: list[str], groups: list[str] | None
    ) -> dict[str, Any]:
        """Return matching and recall, a mean over groups of rows that see the same faces."""
        kinds = np.array(groups if groups is not None else [""] * (len(spoken) + len(names)))
        of_clips, of_faces = kinds[: len(spoken)], kinds[len(spoken) :]
        right = np.array([names.index(speaker) for speaker in spoken])
        found: dict[str, list[tuple[int, float]]] = {}
        for kind in np.unique(of_clips):
            rows, columns = np.flatnonzero(of_clips == kind), np.flatnonzero(of_faces == kind)
            part, place = likeness[np.ix_(rows, columns)], np.searchsorted(columns, right[rows])
            figures = {
                **{f"match_1_to_{of}": matching(part, place, of) for of in (2, 4, 10)},
                **{f"recall_at_{k}": recall_at(part, place, k) for k in self.options.recall_at},
            }
            for name, value in figures.items():
                if value is not None:
                    found.setdefault(name, []).append((len(rows), value))
        means = {
            name: sum(count * value for count, value in parts) / sum(count for count, _ in parts)
            for name, parts in found.items()
        }
        return {"faces": len(names), "within": self.options.within, **means}
