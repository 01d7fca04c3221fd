"""GE2E: a voice encoder that tells speakers apart, as Resemblyzer's."""

from s2vkit import Carrier, Checkpoint, Field, Register, SpeechLevelOptions, hookimpl


class Ge2eOptions(SpeechLevelOptions):
    """Options of the GE2E encoder."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (Resemblyzer's pretrained.pt); `installed`: that of the "
        "package resemblyzer; none: random",
    )
    hidden: int = Field(default=256, ge=8, description="size of the recurrent state; a step's size")
    layers: int = Field(default=3, ge=1, description="recurrent layers")
    embedding: int = Field(default=256, ge=8, description="size of the summary")
    n_mels: int = Field(default=40, ge=8, description="mel bands")
    loudness: float | None = Field(
        default=-30.0,
        le=0.0,
        description="dBFS that quieter speech is raised to, over the whole clip; none: as it comes; "
        "with `level`, nothing more is raised",
    )


CHECKPOINTS = (
    Checkpoint(
        "pretrained.pt",
        "s2vkit_ge2e:keys.json",
        "https://github.com/resemble-ai/Resemblyzer/blob/master/resemblyzer/pretrained.pt",
        "Apache-2.0 (Resemblyzer)",
        may_hold=("similarity_*",),
        note="long silences are left out of the summary if `level` is set",
        carrier=Carrier(
            "resemblyzer",
            "resemblyzer",
            "pretrained.pt",
            "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
        ),
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoder."""
    register(
        "audio_encoder",
        "ge2e",
        "s2vkit_ge2e.encoder:Ge2e",
        Ge2eOptions,
        gives=("features", "summary"),
        summary="GE2E voice embedding as the summary; its recurrent states, 100 a second",
        reference="Wan et al. 2018; network and checkpoint of Resemblyzer",
        checkpoints=CHECKPOINTS,
    )
