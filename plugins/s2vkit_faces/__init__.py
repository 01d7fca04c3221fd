"""Face detectors: one that finds faces, and one for corpora whose pictures are faces already."""

from typing import Literal

from s2vkit import Field, Options, Register, hookimpl


class MtcnnOptions(Options):
    """Options of MTCNN."""

    min_size: int = Field(default=20, ge=12, description="smallest face to detect, in pixels")
    thresholds: tuple[float, float, float] = Field(
        default=(0.6, 0.7, 0.7), description="scores that pass its first, second and third net"
    )
    factor: float = Field(
        default=0.709, gt=0.1, lt=1.0, description="from one picture of its pyramid to the next"
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where its nets run")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the face detectors."""
    register(
        "face_detector",
        "none",
        "s2vkit_faces.whole:WholePicture",
        summary="take the whole picture as the face: for corpora that are cropped already",
    )
    register(
        "face_detector",
        "mtcnn",
        "s2vkit_faces.mtcnn:Mtcnn",
        MtcnnOptions,
        gives=("landmarks",),
        summary="three cascaded nets, with five landmarks; needs s2vkit[faces]",
        reference="Zhang et al. 2016, Joint Face Detection and Alignment (facenet-pytorch)",
    )
