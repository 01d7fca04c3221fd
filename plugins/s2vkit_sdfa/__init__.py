"""SDFA, speech-driven facial animation (Vougioukas et al.): the generator of the baselines."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from s2vkit import Checkpoint, Field, Options, Reference, Register, hookimpl


class SdfaSizes(Options):
    """The sizes of SDFA's networks; as published if absent."""

    channels: int = Field(
        default=64,
        ge=4,
        le=128,
        description="of the first layer of the identity encoder; doubled at each halving",
    )
    content: int = Field(
        default=256, ge=16, le=1024, multiple_of=16, description="size of the speech embedding of a frame"
    )
    identity: int = Field(default=128, ge=4, le=1024, description="size of the identity code")
    noise: int = Field(default=10, ge=1, le=128, description="size of the noise at a frame")
    noise_scale: float = Field(default=0.33, ge=0.0, description="its standard deviation")
    warmup_frames: int = Field(
        default=5,
        ge=0,
        le=100,
        description="frames of speech before the first generated one, a warm-up; 0 as published",
    )


class SdfaOptions(SdfaSizes):
    """Options of SDFA."""

    checkpoint: str | None = Field(
        default=None, description="file with published weights (crema.dat); none: train in the run"
    )
    reference: Reference = Field(
        default="first_frame",
        description="the image that a clip is generated from in training and evaluation: its own first "
        "frame, as published, or the first frame of another clip of the speaker",
    )
    shape: Literal["square", "portrait"] = Field(
        default="square",
        description="portrait: the network takes and generates 128 x 96 (height x width), as published; "
        "frames are squeezed to that and back",
    )

    @model_validator(mode="after")
    def _file_is_of_one_shape(self) -> SdfaOptions:
        sizes = (self.channels, self.content, self.identity, self.noise)
        if self.checkpoint and (self.shape != "portrait" or sizes != (64, 256, 128, 10)):
            raise ValueError("a checkpoint needs `shape: portrait` and the published sizes")
        return self


class SdfaFromVoiceOptions(SdfaSizes):
    """Options of SDFA without a picture."""

    face: Literal["drawn", "code"] = Field(
        default="drawn",
        description="what takes the still's place. drawn: a face decoder draws one from the "
        "voice's identity code; code: that code alone, projected, and no skips",
    )


CHECKPOINTS = (
    Checkpoint(
        "crema.dat",
        "s2vkit_sdfa:keys.json",
        "https://github.com/DinoMan/speech-driven-animation (sda/data, Git LFS)",
        "MIT, as the repository says of itself",
        options={"shape": "portrait", "warmup_frames": 0},
        note="needs speech of 16 kHz; grid.dat and timit.dat are of other rates and do not fit",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the generators."""
    register(
        "generator",
        "sdfa",
        "s2vkit_sdfa.sdfa:Sdfa",
        SdfaOptions,
        gives=("frames",),
        wants=("reference_images", "audio_windows"),
        summary="animates a reference image of the speaker by raw speech, recurrent over frames",
        reference="Vougioukas et al. 2019, Realistic Speech-Driven Facial Animation with GANs",
        checkpoints=CHECKPOINTS,
    )
    register(
        "generator",
        "sdfa_from_voice",
        "s2vkit_sdfa.sdfa:SdfaFromVoice",
        SdfaFromVoiceOptions,
        gives=("frames",),
        wants=("identity", "audio_windows"),
        summary="SDFA with a face predicted from the voice instead of the reference image (S2F+SDFA)",
        reference="Si et al. 2021, section 3.2; Vougioukas et al. 2019; Oh et al. 2019",
    )
