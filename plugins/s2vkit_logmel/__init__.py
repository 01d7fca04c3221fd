"""Log-mel spectra: features of speech that need no training."""

from s2vkit import Field, Register, SpeechLevelOptions, hookimpl


class LogMelOptions(SpeechLevelOptions):
    """Options of the log-mel encoder."""

    n_mels: int = Field(default=80, ge=8, le=80, description="mel bands")
    floor: float = Field(default=1e-5, gt=0.0, description="minimum power; less is silence")
    context: int = Field(
        default=0, ge=0, description="neighbouring steps on either side that each step holds too"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the encoder."""
    register(
        "audio_encoder",
        "logmel",
        "s2vkit_logmel.encoder:LogMel",
        LogMelOptions,
        gives=("features", "summary"),
        summary="log-mel spectra, 100 a second; the baseline without training",
    )
