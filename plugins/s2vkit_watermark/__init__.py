"""The watermark of generated videos: spread over frequencies of space, carried by one of time."""

from s2vkit import Field, Options, Register, hookimpl


class SpreadSpectrumOptions(Options):
    """Options of spread_spectrum."""

    key: str = Field(
        default="s2vkit",
        min_length=1,
        description="draws the pattern; whoever knows it can read and remove the mark. "
        "`s2vkit verify` reads marks of the default key",
    )
    strength: float | None = Field(
        default=None,
        gt=0.0,
        le=10.0,
        description="root mean square of the pattern in grey levels; null: 2.9 at 64 px "
        "(PSNR 38.8 dB), less in larger frames",
    )
    false_positives: float = Field(
        default=1e-6,
        gt=0.0,
        lt=0.1,
        description="largest probability, by theory, that an unmarked stretch is called marked",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the watermark."""
    register(
        "watermark",
        "spread_spectrum",
        "s2vkit_watermark.mark:SpreadSpectrum",
        SpreadSpectrumOptions,
        summary="16 bits in slow waves of the luma, read after compression, scaling and cropping",
        reference="spread spectrum (Cox et al. 1997) on a temporal carrier, Reed-Muller code (32, 16, 8)",
    )
