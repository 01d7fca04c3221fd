"""Landmarks: MediaPipe's face mesh, and a plain one that needs no weights."""

from s2vkit import Field, FileName, Options, Register, hookimpl


class FaceMeshOptions(Options):
    """Options of the face mesh."""

    file: FileName | None = Field(
        default=None, description="face_landmark.tflite; null: that of an installed package which carries it"
    )
    threshold: float = Field(
        default=0.5, ge=0.0, le=1.0, description="score below which a frame counts as without a face"
    )
    threads: int = Field(default=1, ge=1, description="threads of its interpreter")


class DarknessOptions(Options):
    """Options of the landmarks read from dark parts of an upright face."""

    eyes: float = Field(
        default=0.46, gt=0.0, lt=1.0, description="height of the eyes, as a share of the side"
    )
    mouth: float = Field(default=0.71, gt=0.0, lt=1.0, description="height of the mouth, in sides")
    apart: float = Field(default=0.24, gt=0.0, lt=1.0, description="distance between the eyes, in sides")


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the landmarks."""
    register(
        "landmarks",
        "face_mesh",
        "s2vkit_landmarks.face_mesh:FaceMesh",
        FaceMeshOptions,
        gives=("depth",),
        summary="468 points of real and drawn faces, with depth; needs s2vkit[landmarks]",
        reference="Kartynnik et al. 2019; MediaPipe Face Mesh (Apache-2.0)",
    )
    register(
        "landmarks",
        "darkness",
        "s2vkit_landmarks.darkness:Darkness",
        DarknessOptions,
        summary="mouth and brows where an upright, drawn face is dark; needs no weights",
    )
