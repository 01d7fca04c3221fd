"""Speech2Face (Oh et al. 2019): a voice encoder that hears whose face it may be."""

from __future__ import annotations

from s2vkit import CodeLossSlot, Field, OptimizerSlot, Options, Register, StageOptions, hookimpl


class VoiceOptions(Options):
    """Options of the voice encoder; as published if absent."""

    width: float = Field(default=1.0, gt=0.0, le=1.0, description="factor of channel counts")
    seconds: float = Field(
        default=6.0,
        ge=2.7,
        le=20.0,
        description="of speech that it takes: a shorter clip is repeated, a longer one is cropped",
    )
    fft: int = Field(
        default=512,
        ge=128,
        le=1024,
        multiple_of=2,
        description="points of the FFT; the network takes half of them and one",
    )
    window: int = Field(default=400, ge=64, le=1024, description="samples of a Hann window")


class VoiceHeadOptions(Options):
    """Options of the voice encoder's last layer: nothing."""


class VoiceStageOptions(StageOptions):
    """Train the voice encoder and its head towards the identity teacher's embedding."""

    batch: int = Field(default=8, ge=1, description="clips in a step")
    optimizer: OptimizerSlot = Field(description="moves the encoder and the student")
    match: CodeLossSlot = Field(description="compares the voice's code with the face's")
    extra: dict[str, CodeLossSlot] = Field(default={}, description="further terms, by name")
    average: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="decay of the running mean of the weights that is kept in the end; 0: the "
        "weights of the last step",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register encoder, student and stage."""
    paper = "Oh et al. 2019, Speech2Face"
    register(
        "audio_encoder",
        "speech2face",
        "s2vkit_speech2face.voice:VoiceEncoder",
        VoiceOptions,
        gives=("features", "summary"),
        reference=paper,
        summary="convolutions over a complex spectrogram, down to one vector of the voice",
    )
    register(
        "student",
        "speech2face",
        "s2vkit_speech2face.voice:VoiceHead",
        VoiceHeadOptions,
        gives=("code",),
        reference=paper,
        summary="the voice encoder's last linear layer, to the face's embedding",
    )
    register(
        "stage",
        "speech2face",
        "s2vkit_speech2face.stage:Voice",
        VoiceStageOptions,
        reference=paper,
        summary="trains the voice encoder: its code against the identity teacher's",
    )
