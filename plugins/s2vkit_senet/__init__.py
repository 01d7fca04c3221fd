"""SENet-50: the emotion teacher."""

from typing import Literal

from s2vkit import Checkpoint, Field, Options, Register, hookimpl


class SenetOptions(Options):
    """Options of the SENet-50 teacher."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (senet50_ferplus_dag.pth, senet50_ft_dag.pth); "
        "none: train in the run",
    )
    width: float = Field(
        default=1.0, gt=0.0, le=1.0, description="factor of channel counts; a checkpoint needs 1"
    )
    layers: tuple[int, int, int, int] = Field(
        default=(3, 4, 6, 3), description="blocks of each of the four stages"
    )
    input_size: int | None = Field(
        default=None,
        ge=32,
        description="height and width that faces are resized to for the logits; "
        "none: 224 with a checkpoint, else that of the corpus",
    )
    tap: Literal["logits", "pool5"] = Field(
        default="logits", description="what the student learns: the logits, or the pooled features"
    )
    grey: bool = Field(
        default=True, description="convert to grey, as the FER+ faces that the teacher was trained on"
    )


_DAG = "http://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/"
_LICENCE = "non-commercial research (VGG, Oxford)"
CHECKPOINTS = (
    Checkpoint(
        "senet50_ferplus_dag.pth",
        "s2vkit_senet:keys.json",
        _DAG + "senet50_ferplus_dag.pth",
        _LICENCE,
        note="eight FER+ emotions; takes grey faces, RGB of 0-255 minus the mean",
    ),
    Checkpoint(
        "senet50_ft_dag.pth",
        "s2vkit_senet:keys_ft.json",
        _DAG + "senet50_ft_dag.pth",
        _LICENCE,
        options={"tap": "pool5", "grey": False},
        note="VGGFace2 identities: a teacher of identity, which takes colour",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "senet50",
        "s2vkit_senet.teacher:Senet",
        SenetOptions,
        gives=("logits", "maps"),
        summary="squeeze-and-excitation ResNet-50: eight emotions of faces",
        reference="Albanie et al. 2018; checkpoint senet50_ferplus_dag of pytorch-mcn",
        checkpoints=CHECKPOINTS,
    )
