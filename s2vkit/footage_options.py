"""The options that every dataset of videos has: how its faces and speech are extracted."""

from __future__ import annotations

from s2vkit.options import FaceDetectorSlot, Field, Options


class FootageOptions(Options):
    """Options of every dataset of videos: how faces and speech are extracted."""

    root: str | None = Field(
        default=None, description="folder of the corpus as it came; not read once it is prepared"
    )
    corpus: str = Field(min_length=1, description="folder of the prepared corpus; created if absent")
    size: int = Field(default=128, ge=32, le=1024, description="height and width of the faces")
    fps: float = Field(default=25.0, ge=5.0, le=60.0, description="frames a second")
    sample_rate: int = Field(default=16000, ge=8000, le=48000, description="of the sound, in Hz")
    face_detector: FaceDetectorSlot | None = Field(
        default=None, description="the face detector; null: the installed one with landmarks"
    )
    margin: float = Field(
        default=0.14, ge=0.0, le=2.0, description="added on each side of a face, as a share of it"
    )
    every: int = Field(
        default=10, ge=1, description="the detector runs on every n-th frame; in between, faces are tracked"
    )
    detect_at: int = Field(default=192, ge=64, description="longest side of the detector's input, in pixels")
    min_face: int = Field(default=48, ge=1, description="pixels, chin to hairline; lower faces are rejected")
    min_score: float = Field(default=0.9, ge=0.0, le=1.0, description="minimum score of a detection")
    dominance: float = Field(
        default=1.8, ge=1.0, description="a face so many times as high as the others is the speaker"
    )
    steady: float = Field(default=0.3, ge=0.0, description="seconds over which the crop's place is smoothed")
    shortest: float = Field(default=1.0, gt=0.0, description="seconds; shorter is rejected")
    longest: float = Field(default=120.0, gt=0.0, description="seconds; what is longer becomes several clips")
    max_silence: float = Field(
        default=0.5, ge=0.0, description="seconds by which sound may start late or end early"
    )
    audio_track: int | None = Field(
        default=None, ge=1, description="number of the sound track that is taken; null: the one that speaks"
    )
    video_track: int | None = Field(
        default=None, ge=1, description="number of the video track that is taken; null: the one that moves"
    )
    quality: int = Field(default=95, ge=50, le=100, description="of the frames' JPEG")
    crop_cache_gb: float = Field(
        default=16.0,
        ge=0.0,
        description="decoded frames are kept memory-mapped if they need no more than this",
    )
