"""The adversarial composer of Speech2Video: the frame decoder and its three discriminators."""

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class IdentityBranchOptions(Options):
    """What may be set of every generator with an identity branch."""

    width: int = Field(
        default=256, ge=8, le=2048, description="channels of the start map; halved at each doubling"
    )
    least: int = Field(default=16, ge=4, le=512, description="fewest channels of any map")
    start: int = Field(default=4, ge=2, le=16, description="height and width of the start map")
    norm: Literal["batch", "instance", "none"] = Field(
        default="batch", description="normalisation after each doubling convolution"
    )
    identity_width: int = Field(
        default=128, ge=8, le=2048, description="channels at the start of the identity branch"
    )
    identity_input: Literal["l2", "layer", "none"] = Field(
        default="l2",
        description="how the identity code is brought to unit scale: by its length, by its mean "
        "and variance, or not at all",
    )
    map_activation: Literal["relu", "none"] = Field(
        default="relu",
        description="what follows the 1x1 convolution that aligns an identity map; relu as in the "
        "teacher's own layers",
    )


class FrameDecoderOptions(IdentityBranchOptions):
    """What may be set of the frame decoder."""

    start_input: Literal["scaled", "none"] = Field(
        default="scaled",
        description="how what starts a frame is brought to one scale: speech by its mean and "
        "variance over the batch and the emotion code by its length, or not at all",
    )
    speech: float = Field(
        default=0.4, gt=0.0, le=10.0, description="length of scaled speech beside that of the emotion code"
    )


class SkipDecoderOptions(FrameDecoderOptions):
    """What may be set of the skip decoder."""

    reach: int = Field(
        default=0, ge=0, le=16, description="frames before and after whose speech is heard too"
    )


class IdentityMapsOptions(Options):
    """What may be set of the identity discriminator."""

    channels: int = Field(default=32, ge=4, le=1024, description="channels inside each head")
    normalize: bool = Field(
        default=True,
        description="divide each map by its root mean square, so that the scale of a teacher's "
        "layer does not matter",
    )
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class PatchOptions(Options):
    """What may be set of the frame discriminator."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled, at most to 4x"
    )
    layers: int = Field(default=3, ge=1, le=6, description="layers that halve the image")
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


class SpeechSyncOptions(Options):
    """What may be set of the synchrony discriminator."""

    channels: int = Field(
        default=32, ge=4, le=512, description="channels of the first layer; doubled, at most to 4x"
    )
    joint: int = Field(default=128, ge=4, le=2048, description="size of the joint space")
    region: Literal["full", "lower"] = Field(
        default="full", description="what is seen of the face: all, or its lower half"
    )
    spectral_norm: bool = Field(default=False, description="spectral norm on every layer")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the generator and the three discriminators."""
    register(
        "generator",
        "frame_decoder",
        "s2vkit_composer.decoder:FrameDecoder",
        FrameDecoderOptions,
        gives=("frames", "identity_maps"),
        wants=("features",),
        summary="transposed convolutions a frame, fed by an identity branch that runs once a clip",
        reference="Si et al. 2021, section 2.2, Fig. 2",
    )
    register(
        "generator",
        "skip_decoder",
        "s2vkit_composer.skip:SkipDecoder",
        SkipDecoderOptions,
        gives=("frames", "identity_maps"),
        wants=("features",),
        summary="the frame decoder with output skips: a frame is the sum of pictures of every size",
        reference="Si et al. 2021, section 2.2; StyleGAN2 (Karras et al. 2020), section 4.1",
    )
    register(
        "discriminator",
        "identity_maps",
        "s2vkit_composer.discriminators:IdentityMaps",
        IdentityMapsOptions,
        wants=("identity_maps",),
        summary="three small patch heads on the inflated identity maps",
        reference="Si et al. 2021, D_ID, Eq. 4",
    )
    register(
        "discriminator",
        "patch",
        "s2vkit_composer.discriminators:Patch",
        PatchOptions,
        wants=("frames",),
        summary="scores patches of single frames",
        reference="Si et al. 2021, D_fr, Eq. 5; PatchGAN (Isola et al. 2017)",
    )
    register(
        "discriminator",
        "speech_sync",
        "s2vkit_composer.discriminators:SpeechSync",
        SpeechSyncOptions,
        wants=("frames", "features"),
        summary="scores a frame and the speech feature of its time together",
        reference="Si et al. 2021, D_sync, Eq. 6",
    )
