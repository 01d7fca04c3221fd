"""Moonshine: the encoder of a small speech recognizer, whose features tell what lips do."""

from s2vkit import Carrier, Checkpoint, Field, Register, SpeechLevelOptions, hookimpl


class MoonshineOptions(SpeechLevelOptions):
    """Options of the Moonshine encoder. A step is 24 ms."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (Moonshine Voice's encoder_model.ort of tiny-en); `installed`: "
        "that of the package moonshine-voice; none: random",
    )
    layer: int = Field(
        default=4,
        ge=1,
        le=6,
        description="of the six transformer layers, the one whose output is used; those after it are not run",
    )
    past: int = Field(default=48, ge=0, description="steps before a block that its steps attend to as well")
    block: int = Field(
        default=12, ge=1, description="steps that are encoded together; a live frame waits for its block"
    )
    ahead: int = Field(default=6, ge=0, description="steps after a block that its steps attend to as well")
    width: int = Field(default=288, ge=32, multiple_of=32, description="size of a step; Moonshine tiny: 288")


CHECKPOINTS = (
    Checkpoint(
        "encoder_model.ort",
        "s2vkit_moonshine:keys.json",
        "https://pypi.org/project/moonshine-voice/0.0.62/",
        "MIT (Moonshine Voice; its English models)",
        reader="s2vkit_moonshine.ort_file:open_moonshine",
        note="of tiny-en, 8-bit matrices; trained on about 200,000 h of speech; reading it needs onnxruntime",
        carrier=Carrier(
            "moonshine-voice",
            "moonshine_voice",
            "assets/tiny-en/encoder_model.ort",
            "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
            extra="people",
            below="0.1",
        ),
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoder."""
    register(
        "audio_encoder",
        "moonshine",
        "s2vkit_moonshine.encoder:Moonshine",
        MoonshineOptions,
        gives=("features", "summary"),
        summary="Moonshine tiny's encoder, block by block: 42 features a second of a small speech recognizer",
        reference="Jeffries et al. 2024; weights of Moonshine Voice",
        checkpoints=CHECKPOINTS,
    )
