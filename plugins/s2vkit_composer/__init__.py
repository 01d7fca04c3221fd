"""The generators of Speech2Video: the frame decoder, and one with output skips."""

from typing import Literal, Self

from pydantic import model_validator

from s2vkit import Field, Options, Register, hookimpl


class IdentityBranchOptions(Options):
    """Options of every generator with an identity branch."""

    width: int = Field(
        default=256, ge=8, le=2048, description="channels of the start map; halved at each doubling"
    )
    min_width: int = Field(default=16, ge=4, le=512, description="fewest channels of any map")
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
    """Options of the frame decoder."""

    start_input: Literal["scaled", "none"] = Field(
        default="scaled",
        description="how what starts a frame is brought to one scale: speech by its mean and "
        "variance over the batch and the emotion code by its length, or not at all",
    )
    canvas: int = Field(
        default=0,
        ge=0,
        le=2048,
        description="numbers that a picture is made from which the codes alone give and which is added to "
        "each frame, so that what never moves need not come out of small maps; 0: none, as in the paper",
    )
    speech: float = Field(
        default=0.4, gt=0.0, le=10.0, description="length of scaled speech beside that of the emotion code"
    )
    hearing: list[int] = Field(
        default=[],
        max_length=8,
        description="sizes of the layers that hear the mouth in a speech feature, which a stage "
        "`mouth_from_speech` teaches before frames are drawn; what the last one gives joins the feature; "
        "empty: none, as in the paper",
    )


class SkipDecoderOptions(FrameDecoderOptions):
    """Options of the skip decoder."""

    context_radius: int = Field(
        default=0, ge=0, le=16, description="frames before and after whose speech is input too"
    )


class ModulatedDecoderOptions(Options):
    """Options of the modulated decoder."""

    width: int = Field(default=192, ge=8, le=2048, description="most channels of any map")
    min_width: int = Field(default=24, ge=4, le=512, description="fewest channels of any map")
    capacity: int = Field(
        default=3072, ge=64, le=65536, description="channels times height of a map, between those two"
    )
    start: int = Field(default=4, ge=2, le=16, description="height and width of the start map")
    code_size: int = Field(default=32, ge=1, le=1024, description="numbers of each code that modulate")
    speech_size: int = Field(default=32, ge=1, le=1024, description="numbers of the speech that modulate")
    dropout: float = Field(default=0.3, ge=0.0, lt=1.0, description="dropout of the speech features")
    context_radius: int = Field(
        default=0, ge=0, le=16, description="frames before and after whose speech is input too"
    )
    pose_size: int = Field(
        default=0,
        ge=0,
        le=64,
        description="numbers for what cannot be heard, as the pose of the head: seen in the real frames in "
        "training, afterwards one pose a person; 0: none",
    )
    head_motion: Literal["still", "replayed"] = Field(
        default="still",
        description="whether afterwards a head holds its pose or goes through those of a clip of its person, "
        "to and fro",
    )
    mouth: Literal["heard", "landmarks"] = Field(
        default="heard",
        description="what the shape of the mouth is drawn from: speech alone, or opening and width, which "
        "the recipe's landmarks measure in training and speech tells afterwards; needs poses",
    )
    mouth_strength: float = Field(
        default=1.0,
        gt=0.0,
        le=4.0,
        description="how far a mouth that speech tells moves, beside the variance that was measured; above 1 "
        "it makes up for a decoder that draws less than it is shown",
    )

    @model_validator(mode="after")
    def _poses(self) -> Self:
        if not self.pose_size and (self.mouth != "heard" or self.head_motion != "still"):
            raise ValueError("`mouth: landmarks` and `head_motion: replayed` need a pose_size above 0")
        return self


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the generators."""
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
        "generator",
        "modulated_decoder",
        "s2vkit_composer.modulated:ModulatedDecoder",
        ModulatedDecoderOptions,
        gives=("frames",),
        wants=("features",),
        summary="3x3 convolutions from a start map of the identity, scaled by speech and codes",
        reference="ours; StyleGAN and StyleGAN2 (Karras et al. 2019, 2020)",
    )
