"""Probes: what can be read from what was heard, and whose face it finds."""

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class LinearProbeOptions(Options):
    """What a linear probe reads, and where."""

    of: str = Field(
        min_length=1,
        description="the label to be read: identity, emotion, sentence, or pitch (a low or a "
        "high voice, by the speaker's median pitch)",
    )
    on: Literal["summary", "identity", "emotion"] = Field(
        description="where it is read: in the encoder's summary, or in a student's code"
    )
    pitch_hz: float = Field(default=165.0, gt=0.0, description="boundary between low and high voices, in Hz")


class FaceRetrievalOptions(Options):
    """How faces are looked for."""

    top: int = Field(default=1, ge=1, description="right if the speaker is among so many first")
    speakers: Literal["all", "seen", "unseen"] = Field(
        default="all", description="whose clips: all, those of the training split, or the others"
    )
    distractors: bool = Field(
        default=False, description="whether the gallery has the other speakers' faces too"
    )


class FaceVerificationOptions(Options):
    """How voices and faces are matched."""

    within: str | None = Field(
        default=None,
        description="only speakers of one value of this label are compared, such as gender; null: all",
    )
    recall_at: tuple[int, ...] = Field(default=(1, 5, 10), description="the K of recall@K")


class CodeMapOptions(Options):
    """What is drawn of a code."""

    of: Literal["identity", "emotion"] = Field(description="the side of the code")
    clips: int = Field(default=400, ge=3, description="at most so many clips are shown")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the probes."""
    register(
        "metric",
        "linear_probe",
        "s2vkit_probes.linear:LinearProbe",
        LinearProbeOptions,
        wants=("summary", "codes"),
        summary="what a linear classifier reads from a summary or a code, on held-out clips",
        reference="Alain and Bengio 2016",
    )
    register(
        "metric",
        "face_retrieval",
        "s2vkit_probes.retrieval:FaceRetrieval",
        FaceRetrievalOptions,
        wants=("codes", "identity"),
        summary="how often the code of a voice is nearest to its speaker's face",
        better="up",
    )
    register(
        "metric",
        "face_verification",
        "s2vkit_probes.verification:FaceVerification",
        FaceVerificationOptions,
        wants=("codes", "identity"),
        summary="equal error rate of voice against face; 1:2 and 1:N matching and recall@K in its details",
        reference="Nagrani et al. 2018; FAME 2024",
        better="down",
    )
    register(
        "metric",
        "code_map",
        "s2vkit_probes.maps:CodeMap",
        CodeMapOptions,
        wants=("codes",),
        summary="the two first principal axes of a code, as a map on the page",
    )
