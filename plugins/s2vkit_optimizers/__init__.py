"""Optimizers, by name and with their options checked."""

from s2vkit import Field, OptimizerOptions, Register, hookimpl


class RmspropOptions(OptimizerOptions):
    """Options of RMSprop."""

    alpha: float = Field(default=0.99, ge=0.0, lt=1.0, description="decay of the squared gradients")
    eps: float = Field(default=1e-8, gt=0.0, description="added to the root, against division by 0")
    momentum: float = Field(default=0.0, ge=0.0, lt=1.0, description="momentum")
    weight_decay: float = Field(default=0.0, ge=0.0, description="L2 penalty on the weights")


class AdamOptions(OptimizerOptions):
    """Options of Adam."""

    beta1: float = Field(default=0.9, ge=0.0, lt=1.0, description="decay of the mean gradient")
    beta2: float = Field(default=0.999, ge=0.0, lt=1.0, description="decay of the squared gradient")
    eps: float = Field(default=1e-8, gt=0.0, description="added to the root, against division by 0")
    weight_decay: float = Field(default=0.0, ge=0.0, description="L2 penalty on the weights")


class AdamwOptions(AdamOptions):
    """Options of AdamW."""

    weight_decay: float = Field(
        default=0.01, ge=0.0, description="decay of the weights, apart from their gradient"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the optimizers."""
    register(
        "optimizer",
        "rmsprop",
        "s2vkit_optimizers.optimizers:make_rmsprop",
        RmspropOptions,
        summary="RMSprop, the paper's",
        reference="Si et al. 2021, section 3.1",
    )
    register(
        "optimizer",
        "adam",
        "s2vkit_optimizers.optimizers:make_adam",
        AdamOptions,
        summary="Adam",
        reference="Kingma and Ba 2015",
    )
    register(
        "optimizer",
        "adamw",
        "s2vkit_optimizers.optimizers:make_adamw",
        AdamwOptions,
        summary="Adam with decoupled weight decay",
        reference="Loshchilov and Hutter 2019",
    )
