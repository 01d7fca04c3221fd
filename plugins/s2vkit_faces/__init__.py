"""Face detectors: for corpora whose pictures are faces already."""

from __future__ import annotations

from s2vkit import Register, hookimpl


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the detector that finds nothing to do."""
    register(
        "face_detector", "none", "s2vkit_faces.whole:WholePicture",
        summary="take the whole picture as the face: for corpora that are cropped already",
    )  # fmt: skip
