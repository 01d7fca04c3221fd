"""MTCNN by facenet-pytorch, whose wheel carries the weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from s2vkit import FaceDetector, Faces, ResourceError
from s2vkit_faces import MtcnnOptions

_MIN_SIDE = 48  # pixels; smaller pictures would leave its pyramid empty


class Mtcnn(FaceDetector):
    """Finds faces and five landmarks by the three cascaded nets of Zhang et al. (2016).

    Raises ResourceError if facenet-pytorch is missing.
    """

    def __init__(self, options: MtcnnOptions) -> None:
        self.options = options
        self._nets = _load(options)

    def __call__(self, frames: np.ndarray) -> list[Faces]:
        """Find the faces in (N, H, W, 3) uint8 RGB pictures, the largest first."""
        if not len(frames):
            return []
        height, width = frames.shape[1:3]
        lacking = [(0, 0), (0, max(0, _MIN_SIDE - height)), (0, max(0, _MIN_SIDE - width))]
        pictures = np.pad(frames, [*lacking, (0, 0)]) if max(map(sum, lacking)) else frames
        found = self._nets.detect(pictures, landmarks=True)
        return [_faces(*each) for each in zip(*found, strict=True)]


def _load(options: MtcnnOptions) -> Any:
    try:
        from facenet_pytorch import MTCNN
    except ImportError as error:
        raise ResourceError(
            f"face_detector 'mtcnn' needs the package facenet-pytorch ({error})",
            hint="pip install 's2vkit[faces]'",
        ) from error
    return MTCNN(
        keep_all=True,
        min_face_size=options.min_size,
        thresholds=list(options.thresholds),
        factor=options.factor,
        device=options.device,
    ).eval()


def _faces(boxes: Any, scores: Any, landmarks: Any) -> Faces:
    if boxes is None:
        empty = np.zeros((0, 4), np.float32)
        return Faces(empty, np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
    boxes = np.asarray(boxes, np.float32)
    right = (boxes[:, :2] <= boxes[:, 2:]).all(1)
    return Faces(
        boxes[right],
        np.asarray(scores, np.float32)[right].clip(0, 1),
        np.asarray(landmarks, np.float32)[right],
    )
