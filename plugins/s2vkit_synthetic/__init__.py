"""The synthetic corpus: drawn faces with voices by eSpeak NG, a miniature CREMA-D."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from s2vkit import Field, Options, Register, RegisterCommand, hookimpl

FIRST_ID = 1001
"""The first speaker's name; the others count on from it."""

Emotion = Literal["neutral", "happiness", "sadness", "anger", "disgust", "fear"]


class SyntheticOptions(Options):
    """Options of the synthetic corpus."""

    speakers: int = Field(default=8, ge=2, le=64, description="number of speakers")
    size: int = Field(default=64, ge=32, le=256, description="height and width of the frames")
    fps: float = Field(default=25.0, ge=5.0, le=60.0, description="frames a second")
    emotions: list[Emotion] = Field(
        default=["neutral", "happiness", "sadness", "anger", "disgust", "fear"],
        min_length=1,
        description="emotions of every speaker",
    )
    sentences: int = Field(
        default=12, ge=1, le=12, description="how many of the CREMA-D sentences, the first ones"
    )
    takes: int = Field(default=1, ge=1, le=4, description="recordings of each, by intensity: XX, HI, MD, LO")
    split: Literal["by_sentence", "by_clip", "by_actor"] = Field(
        default="by_sentence",
        description="what val and test hold that train does not: sentences, clips or speakers",
    )
    train_clips: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="at most this many training clips of a speaker, drawn by the seed, e.g. "
        '{"1008": 10}; all of those who are not listed',
    )

    @model_validator(mode="after")
    def _splits_have_members(self) -> SyntheticOptions:
        if len(set(self.emotions)) != len(self.emotions):
            raise ValueError("emotions are listed twice")
        kinds = self.sentences * len(self.emotions) * self.takes
        if self.split == "by_clip" and self.speakers * kinds < 3:
            raise ValueError("split by_clip needs at least 3 clips")
        if self.split == "by_sentence" and self.sentences < 3:
            raise ValueError("split by_sentence needs at least 3 sentences")
        if self.split == "by_actor" and self.speakers < 3:
            raise ValueError("split by_actor needs at least 3 speakers")
        if strangers := set(self.train_clips) - set(self.names):
            first, *_, last = self.names
            raise ValueError(
                f"train_clips: there is no speaker {min(strangers)}; the speakers are {first} to {last}"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the speakers, CREMA-D's numbers of actors."""
        return tuple(str(FIRST_ID + k) for k in range(self.speakers))


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the corpus."""
    register(
        "dataset",
        "synthetic",
        "s2vkit_synthetic.corpus:SyntheticCorpus",
        SyntheticOptions,
        gives=(
            *("speech", "frames", "identity", "emotion"),
            *("mouth_aperture", "eyelid_closure", "landmarks"),
        ),
        summary="drawn talking faces with eSpeak NG voices, generated locally; nothing to download",
        reference="sentences, emotions and names of CREMA-D (Cao et al., 2014)",
    )


@hookimpl
def s2vkit_commands(register: RegisterCommand) -> None:
    """Add `s2vkit synthesize`."""
    register(
        "synthesize",
        "s2vkit_synthetic.commands:synthesize",
        "write the synthetic corpus to disk as a CREMA-D-like folder",
    )
