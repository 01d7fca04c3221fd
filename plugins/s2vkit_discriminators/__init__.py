"""Discriminators: the three of Speech2Video, patches of several scales and of time, SDFA's."""

from __future__ import annotations

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class IdentityMapsOptions(Options):
    """Options of the identity discriminator."""

    channels: int = Field(default=32, ge=4, le=1024, description="channels inside each head")
    normalize: bool = Field(
        default=True,
        description="divide each map by its root mean square, so that the scale of a teacher's "
        "layer does not matter",
    )
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")
    noise: float = Field(
        default=0.0,
        ge=0.0,
        le=10.0,
        description="deviation of the noise added in training to real and inflated maps alike, relative "
        "to a map's root mean square; it hides what no inflation can match",
    )


class PatchOptions(Options):
    """Options of the frame discriminator."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled, at most to 4x"
    )
    layers: int = Field(default=3, ge=1, le=6, description="layers that halve the image")
    detail: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="gain of a channel beside the colours that shows fine detail alone, the Laplacian of "
        "brightness; without it what is soft is told from what is sharp only after thousands of steps; "
        "0: none, as in the paper",
    )
    region: Literal["full", "lower", "mouth"] = Field(
        default="full",
        description="the part of the face that it sees: all, the lower half, or of that the middle half",
    )
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class SpeechSyncOptions(Options):
    """Options of the synchrony discriminator."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled, at most to 4x"
    )
    joint: int = Field(default=128, ge=4, le=2048, description="size of the joint space")
    region: Literal["full", "lower"] = Field(
        default="full", description="the input part of the face: all, or its lower half"
    )
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class SyncExpertOptions(Options):
    """Options of the lip-sync expert."""

    frames: int = Field(
        default=1,
        ge=1,
        le=64,
        description="consecutive frames that are scored together; the stage's `window` is a multiple",
    )
    context: float = Field(
        default=0.1, ge=0.0, le=2.0, description="seconds of speech before and after the frames"
    )
    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled, at most to 4x"
    )
    joint: int = Field(default=128, ge=4, le=2048, description="size of the two embeddings")
    n_mels: int = Field(default=40, ge=8, le=128, description="mel bands of the speech")
    region: Literal["full", "lower"] = Field(
        default="lower", description="the input part of the face: all, or its lower half"
    )


class ConvolutionOptions(Options):
    """Options of every discriminator of convolutions that halve the image."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled at each halving"
    )
    max_multiple: int = Field(default=4, ge=1, le=16, description="most channels, in multiples of the first")
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class MultiScalePatchOptions(ConvolutionOptions):
    """Options of the patches of several scales."""

    layers: int = Field(default=3, ge=1, le=6, description="layers that halve the image")
    scales: int = Field(
        default=3, ge=1, le=5, description="the frame, its half, and so on: one discriminator each"
    )


class TemporalPatchOptions(ConvolutionOptions):
    """Options of the patches in space and time."""

    layers: int = Field(default=3, ge=1, le=6, description="layers that halve height and width")


class SdfaFrameOptions(ConvolutionOptions):
    """Options of SDFA's frame discriminator."""

    channels: int = Field(
        default=64, ge=4, le=512, description="channels of the first layer; doubled at each halving"
    )
    max_multiple: int = Field(default=16, ge=1, le=16, description="most channels, in multiples of the first")
    batch_norm: bool = Field(default=True, description="batch norm after each layer but the first")


class SdfaSequenceOptions(ConvolutionOptions):
    """Options of SDFA's sequence discriminator."""

    hidden: int = Field(default=128, ge=4, le=1024, description="size of the GRU's state")


class SdfaSyncOptions(ConvolutionOptions):
    """Options of SDFA's synchrony discriminator."""

    joint: int = Field(default=128, ge=4, le=1024, description="size of the two embeddings")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the discriminators."""
    register(
        "discriminator",
        "identity_maps",
        "s2vkit_discriminators.speech2video:IdentityMaps",
        IdentityMapsOptions,
        wants=("identity_maps",),
        summary="three small patch heads on the inflated identity maps",
        reference="Si et al. 2021, D_ID, Eq. 4",
    )
    register(
        "discriminator",
        "patch",
        "s2vkit_discriminators.speech2video:Patch",
        PatchOptions,
        wants=("frames",),
        summary="scores patches of single frames",
        reference="Si et al. 2021, D_fr, Eq. 5; PatchGAN (Isola et al. 2017)",
    )
    register(
        "discriminator",
        "speech_sync",
        "s2vkit_discriminators.speech2video:SpeechSync",
        SpeechSyncOptions,
        wants=("frames", "features"),
        summary="scores a frame and the speech feature of its time together",
        reference="Si et al. 2021, D_sync, Eq. 6",
    )
    register(
        "discriminator",
        "sync_expert",
        "s2vkit_discriminators.sync_expert:SyncExpert",
        SyncExpertOptions,
        wants=("frames",),
        summary="compares embeddings of mouths and of log-mel speech; pre-trained by `sync_pairs`",
        reference="Prajwal et al. 2020 (lip-sync expert); Si et al. 2021, D_sync, Eq. 6",
    )
    sdfa = "Vougioukas et al. 2019, Realistic Speech-Driven Facial Animation with GANs"
    register(
        "discriminator",
        "multi_scale_patch",
        "s2vkit_discriminators.patches:MultiScalePatch",
        MultiScalePatchOptions,
        wants=("frames",),
        summary="scores patches of single frames at several scales",
        reference="Wang et al. 2018 (pix2pixHD)",
    )
    register(
        "discriminator",
        "temporal_patch",
        "s2vkit_discriminators.patches:TemporalPatch",
        TemporalPatchOptions,
        wants=("windows",),
        summary="scores patches in space and time of runs of frames",
        reference="Chang et al. 2019 (free-form video inpainting, T-PatchGAN)",
    )
    register(
        "discriminator",
        "sdfa_frame",
        "s2vkit_discriminators.sdfa:SdfaFrame",
        SdfaFrameOptions,
        wants=("frames", "reference_images"),
        reference=sdfa,
        summary="scores a frame beside a reference image of its speaker",
    )
    register(
        "discriminator",
        "sdfa_sequence",
        "s2vkit_discriminators.sdfa:SdfaSequence",
        SdfaSequenceOptions,
        wants=("windows",),
        reference=sdfa,
        summary="scores runs of frames by convolutions in space and time and a GRU",
    )
    register(
        "discriminator",
        "sdfa_sync",
        "s2vkit_discriminators.sdfa:SdfaSync",
        SdfaSyncOptions,
        wants=("windows", "features"),
        reference=sdfa,
        summary="scores the distance of the embeddings of a run of mouths and of its speech",
    )
