"""Joined: an audio encoder of two, one for what is said and one for who says it."""

from typing import Literal

from s2vkit import AudioEncoderSlot, Field, Options, Register, hookimpl


class JoinedOptions(Options):
    """Options of the joined encoder."""

    features: AudioEncoderSlot = Field(description="encoder whose features the mouth follows")
    summary: AudioEncoderSlot = Field(
        description="encoder whose summary tells who speaks; contrastive pre-training "
        "trains the first of the two that it can and that has no weights from a file"
    )
    summarize: Literal["both", "summary"] = Field(
        default="both",
        description="what stands for a whole clip: the summaries of both, one after the other, or "
        "that of `summary` alone",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoder."""
    register(
        "audio_encoder",
        "joined",
        "s2vkit_joined.encoder:Joined",
        JoinedOptions,
        gives=("features", "summary"),
        summary="features of one encoder, summary of another: the mouth by Moonshine, the speaker by GE2E",
    )
