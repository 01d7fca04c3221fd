"""Students: from the summary of the speech to a teacher's vector."""

from typing import Literal, Self

from pydantic import model_validator

from s2vkit import Field, Options, Register, hookimpl

Norm = Literal["batch", "layer", "none"]
InputNorm = Literal["batch", "layer", "none", "discriminant"]


class LinearOptions(Options):
    """Options of the linear student."""

    input_norm: InputNorm = Field(
        default="layer",
        description="normalisation of the summary before anything else; discriminant: to the directions in "
        "which clips differ most for what their segments and other recordings of them differ in",
    )
    directions: int = Field(
        default=128, ge=1, le=4096, description="how many of them `input_norm: discriminant` takes at most"
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        description="how many numbers the code is made of: it passes through so many, linearly, "
        "and has no room for more; none: as many as it has",
    )


class MlpOptions(LinearOptions):
    """Options of the student of several layers."""

    hidden: list[int] = Field(
        default=[512, 512], min_length=1, max_length=8, description="sizes of the hidden layers"
    )
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="dropout after each of them")
    norm: Norm = Field(default="batch", description="normalisation in each of them")


class RecollectionOptions(MlpOptions):
    """Options of the student that recalls."""

    slots: int = Field(default=512, ge=1, le=65536, description="most people whose faces it stores")
    temperature: float = Field(
        default=0.1,
        gt=0.0,
        le=10.0,
        description="of the softmax over cosines: the smaller, the more a voice is given one face",
    )
    by: Literal["face", "voice"] = Field(
        default="face",
        description="what is compared with what it stores: the face that it hears in a voice, or the voice "
        "itself, along the directions of `input_norm: discriminant`",
    )

    @model_validator(mode="after")
    def _check_voice(self) -> Self:
        if self.by == "voice" and self.input_norm != "discriminant":
            raise ValueError("`by: voice` compares voices along the directions of `input_norm: discriminant`")
        return self


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the students."""
    register(
        "student",
        "mlp",
        "s2vkit_students.students:Mlp",
        MlpOptions,
        gives=("code",),
        summary="hidden layers with norm and ReLU, then a linear one",
        reference="Si et al. 2021, S_id and S_emo of section 2.1 (sizes are ours)",
    )
    register(
        "student",
        "linear",
        "s2vkit_students.students:Linear",
        LinearOptions,
        gives=("code",),
        summary="one linear layer",
    )
    register(
        "student",
        "recollection",
        "s2vkit_students.recollection:Recollection",
        RecollectionOptions,
        gives=("code",),
        summary="the MLP, whose code then snaps to the nearest of the faces of training",
        reference="ours; attention over a memory as in Sukhbaatar et al. 2015 (memory networks)",
    )
