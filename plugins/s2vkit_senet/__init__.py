"""SENet-50: the emotion teacher."""

from __future__ import annotations

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class SenetOptions(Options):
    """Options of the SENet-50 teacher."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (senet50_ferplus_dag.pth, senet50_ft_dag.pth); "
        "none: train in the run",
    )  # fmt: skip
    width: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="factor of channel counts; a checkpoint needs 1",
    )
    layers: tuple[int, int, int, int] = Field(
        default=(3, 4, 6, 3), description="blocks of each of the four stages"
    )
    input_size: int | None = Field(
        default=None, ge=32,
        description="height and width that faces are resized to for the logits; "
        "none: 224 with a checkpoint, else that of the corpus",
    )  # fmt: skip
    tap: Literal["logits", "pool5"] = Field(
        default="logits", description="what the student learns: the logits, or the pooled features"
    )
    grey: bool = Field(
        default=True, description="see in grey, as the FER+ faces are that the teacher was made on"
    )


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher", "senet50", "s2vkit_senet.teacher:Senet", SenetOptions,
        gives=("logits", "maps"),
        summary="squeeze-and-excitation ResNet-50: eight emotions of faces",
        reference="Albanie et al. 2018; checkpoint senet50_ferplus_dag of pytorch-mcn",
    )  # fmt: skip
