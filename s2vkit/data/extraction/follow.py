"""Following faces from one detection to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from s2vkit.interfaces.face_detector import Faces

_MAX_MOVE = 0.6  # of a face's side: how far it can move between two detections
_OVERLAP = 0.25  # intersection over union that is the same face without doubt
_SIZES = 1.7  # a face grows or shrinks less between two detections


@dataclass
class FaceTrack:
    """One face through one shot, as it was detected."""

    at: list[int] = field(default_factory=list)  # the rows (frames) of the detections, rising
    boxes: list[np.ndarray] = field(default_factory=list)  # (4,) each
    landmarks: list[np.ndarray] = field(default_factory=list)  # (5, 2) each, or none at all
    scores: list[float] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Median height of the boxes, in pixels."""
        return float(np.median([box[3] - box[1] for box in self.boxes]))

    def expected(self, row: int) -> np.ndarray:
        """Guess the box (4,) at a later row: it goes on as it moved last."""
        if len(self.at) < 2:
            return self.boxes[-1]
        pace = (self.boxes[-1] - self.boxes[-2]) / (self.at[-1] - self.at[-2])
        drift = (pace[:2] + pace[2:]) / 2 * (row - self.at[-1])
        return np.asarray(self.boxes[-1] + np.tile(drift, 2))

    def fill(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return boxes (V, 4) and landmarks (V, 5, 2) at every row of [first, end)."""
        rows = np.arange(first, end)
        boxes = _between(rows, self.at, np.stack(self.boxes))
        if not self.landmarks:
            return boxes, None
        return boxes, _between(rows, self.at, np.stack(self.landmarks))


def _between(rows: np.ndarray, at: list[int], values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    filled = np.stack([np.interp(rows, at, column) for column in flat.T], axis=1)
    return filled.reshape(len(rows), *values.shape[1:])


def follow(detections: dict[int, Faces], min_score: float, patience: int) -> list[FaceTrack]:
    """Link the detections of one shot to tracks: best overlap first, then nearest.

    `detections` are by row, rising; a face that is missed for more than `patience` rows
    begins another track.
    """
    tracks: list[FaceTrack] = []
    for row, faces in detections.items():
        live = [t for t in tracks if row - t.at[-1] <= patience]
        wanted = [i for i in range(len(faces.boxes)) if faces.scores[i] >= min_score]
        pairs = sorted(
            ((closeness(t.expected(row), faces.boxes[i]), n, i) for n, t in enumerate(live) for i in wanted),
            reverse=True,
        )
        taken: set[int] = set()
        grown: set[int] = set()
        for close, n, i in pairs:
            if close > 0 and n not in grown and i not in taken:
                _add(live[n], row, faces, i)
                grown.add(n)
                taken.add(i)
        for i in wanted:
            if i not in taken:
                tracks.append(FaceTrack())
                _add(tracks[-1], row, faces, i)
    return tracks


def _add(track: FaceTrack, row: int, faces: Faces, i: int) -> None:
    track.at.append(row)
    track.boxes.append(np.asarray(faces.boxes[i], np.float64))
    track.scores.append(float(faces.scores[i]))
    if faces.landmarks is not None:
        track.landmarks.append(np.asarray(faces.landmarks[i], np.float64))


def closeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return how likely two boxes hold the same face: above 0 where they may."""
    sides = [float((b[2:] - b[:2]).max()) for b in (one, other)]
    if min(sides) <= 0 or max(sides) / min(sides) > _SIZES:
        return 0.0
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(0, high - low)))
    areas = [float(np.prod(b[2:] - b[:2])) for b in (one, other)]
    overlap = shared / (sum(areas) - shared)
    if overlap >= _OVERLAP:
        return 1 + overlap
    distance = float(np.linalg.norm((one[:2] + one[2:] - other[:2] - other[2:]) / 2))
    return max(0.0, 1 - distance / (_MAX_MOVE * min(sides)))
