"""Any image network of timm as a teacher or evaluator."""

from s2vkit import Field, Options, Register, hookimpl


class TimmOptions(Options):
    """Options of a timm teacher."""

    model: str | None = Field(
        default=None, description="a model name of timm; none: a small residual network, quick at 64 pixels"
    )
    arguments: dict[str, bool | int | float | str | list[int]] = Field(
        default={}, description="further arguments of the model, as timm.create_model takes them"
    )
    checkpoint: str | None = Field(default=None, description="file with the weights; none: train in the run")
    input_size: int | None = Field(
        default=None,
        ge=32,
        description="height and width that faces are resized to; none: as they come, or the "
        "model's own if `published`",
    )
    published: bool = Field(
        default=False,
        description="see faces as timm's published weights of this model do: with the mean, "
        "deviation and size that they were trained on; else as they come, in [-1, 1]",
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "timm",
        "s2vkit_timm.teacher:Timm",
        TimmOptions,
        gives=("logits",),
        summary="any image network of timm, for evaluators and emotion teachers",
        reference="Wightman 2019, PyTorch Image Models",
    )
