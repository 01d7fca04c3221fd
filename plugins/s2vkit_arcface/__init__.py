"""ArcFace: an identity teacher trained with an angular margin."""

from s2vkit import Checkpoint, Field, Options, Register, hookimpl


class ArcFaceOptions(Options):
    """Options of the ArcFace teacher."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (backbone.pth of insightface); none: train in the run",
    )
    layers: tuple[int, int, int, int] | None = Field(
        default=None, description="blocks of each of the four stages; none: the file's, else 3 4 14 3"
    )
    width: float = Field(
        default=1.0, gt=0.0, le=1.0, description="factor of channel counts; a checkpoint needs 1"
    )
    dim: int = Field(default=512, ge=8, description="size of the embedding; a checkpoint has 512")
    input_size: int | None = Field(
        default=None,
        ge=32,
        multiple_of=16,
        description="height and width that faces are resized to for the embedding; "
        "none: 112 with a checkpoint, else that of the corpus",
    )
    normalize: bool = Field(default=False, description="divide the embedding by its length")


CHECKPOINTS = (
    Checkpoint(
        "ms1mv3_arcface_r50_fp16/backbone.pth",
        "s2vkit_arcface:keys.json",
        "https://github.com/deepinsight/insightface/tree/master/recognition/arcface_torch",
        "non-commercial research (insightface)",
        note="faces aligned to 112 pixels, RGB of -1 to 1; glint360k and webface r50 fit as well",
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "arcface",
        "s2vkit_arcface.teacher:ArcFace",
        ArcFaceOptions,
        gives=("embedding", "maps"),
        summary="iresnet50: a 512-d identity embedding and three feature maps",
        reference="Deng et al. 2019; checkpoints of insightface (arcface_torch)",
        checkpoints=CHECKPOINTS,
    )
