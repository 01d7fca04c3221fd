"""VGG-Face: the identity teacher, a VGG16 that knows faces."""

from typing import Literal

from s2vkit import Checkpoint, Field, Options, Register, hookimpl


class VggFaceOptions(Options):
    """Options of the VGG-Face teacher."""

    checkpoint: str | None = Field(
        default=None, description="file with the weights (vgg_face_dag.pth); none: train in the run"
    )
    width: float = Field(
        default=1.0, gt=0.0, le=1.0, description="factor of channel counts; a checkpoint needs 1"
    )
    input_size: int | None = Field(
        default=None,
        ge=32,
        description="height and width that faces are resized to for the embedding; "
        "none: 224 with a checkpoint, else that of the corpus",
    )
    tap: Literal["fc7", "fc7_pre"] = Field(
        default="fc7", description="the embedding: fc7 after its ReLU, or before it"
    )
    dropout: float = Field(
        default=0.5, ge=0.0, lt=1.0, description="share of fc6 and fc7 dropped in training"
    )


_DAG = "http://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/"
CHECKPOINTS = (
    Checkpoint(
        "vgg_face_dag.pth",
        "s2vkit_vggface:keys.json",
        _DAG + "vgg_face_dag.pth",
        "non-commercial research (VGG, Oxford)",
        note="RGB of 0-255 minus the mean; the Caffe and Torch7 ports (BGR) are other files",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "vggface",
        "s2vkit_vggface.teacher:VggFace",
        VggFaceOptions,
        gives=("embedding", "maps"),
        summary="VGG16 for faces: a 4096-d identity embedding and three feature maps",
        reference="Parkhi et al. 2015; checkpoint vgg_face_dag of pytorch-mcn",
        checkpoints=CHECKPOINTS,
    )
