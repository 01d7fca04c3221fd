"""HSEmotion: EfficientNets that tell emotions, as an emotion teacher."""

from typing import Literal

from s2vkit import Checkpoint, Field, Options, Register, hookimpl


class HsEmotionOptions(Options):
    """Options of the HSEmotion teacher."""

    model: Literal["b0", "b2"] = Field(default="b0", description="which EfficientNet")
    checkpoint: str | None = Field(
        default=None, description="file with the weights, a state dict; none: train in the run"
    )
    classes: list[str] | None = Field(
        default=None, description="what the outputs of a checkpoint mean, in order; none: HSEmotion's 8 or 7"
    )
    tap: Literal["logits", "pooled"] = Field(
        default="logits", description="what the student learns: the logits, or the pooled features"
    )
    input_size: int | None = Field(
        default=None,
        ge=32,
        description="height and width that faces are resized to; none: 224 (b0) or 260 (b2) with "
        "a checkpoint, else that of the corpus",
    )
    mean: tuple[float, float, float] = Field(
        default=(0.485, 0.456, 0.406), description="taken from RGB of 0 to 1"
    )
    std: tuple[float, float, float] = Field(default=(0.229, 0.224, 0.225), description="divides what is left")


_MODELS = "https://github.com/av-savchenko/face-emotion-recognition/tree/main/models"
_READER = "s2vkit_hsemotion.teacher:open_hsemotion"
CHECKPOINTS = (
    *(
        Checkpoint(
            file,
            f"s2vkit_hsemotion:keys_{model}.json",
            f"{_MODELS}/affectnet_emotions",
            "Apache-2.0",
            options={"model": model},
            reader=_READER,
            note="published as a whole pickled model: take its state dict out first",
        )
        for file, model in (("enet_b0_8_best_afew.pt", "b0"), ("enet_b2_8.pt", "b2"))
    ),
    *(
        Checkpoint(
            file,
            f"s2vkit_hsemotion:keys_{model}_faces.json",
            f"{_MODELS}/pretrained_faces",
            "Apache-2.0",
            options={"model": model, "tap": "pooled"},
            reader=_READER,
            note="trained on identities, a state dict without classifier",
        )
        for file, model in (("state_vggface2_enet0_new.pt", "b0"), ("state_vggface2_enet2.pt", "b2"))
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "hsemotion",
        "s2vkit_hsemotion.teacher:HsEmotion",
        HsEmotionOptions,
        gives=("logits", "maps"),
        summary="EfficientNet-B0 or B2 for emotions of faces, and three feature maps",
        reference="Savchenko 2021; checkpoints of HSEmotion",
        checkpoints=CHECKPOINTS,
    )
