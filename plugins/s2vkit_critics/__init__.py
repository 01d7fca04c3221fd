"""More discriminators than the paper's: of several scales, of time, and those of SDFA."""

from __future__ import annotations

from s2vkit import Field, Options, Register, hookimpl


class CriticOptions(Options):
    """What may be set of every one of these."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled at each halving"
    )
    most: int = Field(default=4, ge=1, le=16, description="most channels, in multiples of the first")
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class MultiScalePatchOptions(CriticOptions):
    """What may be set of the patches of several scales."""

    layers: int = Field(default=3, ge=1, le=6, description="layers that halve the image")
    scales: int = Field(default=3, ge=1, le=5, description="the frame, its half, and so on: one critic each")


class TemporalPatchOptions(CriticOptions):
    """What may be set of the patches in space and time."""

    layers: int = Field(default=3, ge=1, le=6, description="layers that halve height and width")


class SdfaFrameOptions(CriticOptions):
    """What may be set of SDFA's frame discriminator."""

    channels: int = Field(
        default=64, ge=4, le=512, description="channels of the first layer; doubled at each halving"
    )
    most: int = Field(default=16, ge=1, le=16, description="most channels, in multiples of the first")
    batch_norm: bool = Field(default=True, description="batch norm after each layer but the first")


class SdfaSequenceOptions(CriticOptions):
    """What may be set of SDFA's sequence discriminator."""

    hidden: int = Field(default=128, ge=4, le=1024, description="size of the GRU's state")


class SdfaSyncOptions(CriticOptions):
    """What may be set of SDFA's synchrony discriminator."""

    joint: int = Field(default=128, ge=4, le=1024, description="size of the two embeddings")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the discriminators."""
    sdfa = "Vougioukas et al. 2019, Realistic Speech-Driven Facial Animation with GANs"
    register(
        "discriminator",
        "multi_scale_patch",
        "s2vkit_critics.patches:MultiScalePatch",
        MultiScalePatchOptions,
        wants=("frames",),
        summary="scores patches of single frames at several scales",
        reference="Wang et al. 2018 (pix2pixHD)",
    )
    register(
        "discriminator",
        "temporal_patch",
        "s2vkit_critics.patches:TemporalPatch",
        TemporalPatchOptions,
        wants=("windows",),
        summary="scores patches in space and time of runs of frames",
        reference="Chang et al. 2019 (free-form video inpainting, T-PatchGAN)",
    )
    register(
        "discriminator",
        "sdfa_frame",
        "s2vkit_critics.sdfa:SdfaFrame",
        SdfaFrameOptions,
        wants=("frames", "stills"),
        reference=sdfa,
        summary="scores a frame beside a still of its speaker",
    )
    register(
        "discriminator",
        "sdfa_sequence",
        "s2vkit_critics.sdfa:SdfaSequence",
        SdfaSequenceOptions,
        wants=("windows",),
        reference=sdfa,
        summary="scores runs of frames by convolutions in space and time and a GRU",
    )
    register(
        "discriminator",
        "sdfa_sync",
        "s2vkit_critics.sdfa:SdfaSync",
        SdfaSyncOptions,
        wants=("windows", "features"),
        reference=sdfa,
        summary="scores the distance of the embeddings of a run of mouths and of its speech",
    )
