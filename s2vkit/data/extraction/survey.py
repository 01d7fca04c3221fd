"""The first pass over a film: frame times, faces, and the ends of shots."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import av
import numpy as np

from s2vkit.data.extraction.grid import Grid, Shown
from s2vkit.data.extraction.kinds import Cutting
from s2vkit.data.extraction.shots import SIDE, Thumbs, find_cuts
from s2vkit.data.workers import progressing
from s2vkit.interfaces.face_detector import FaceDetector, Faces
from s2vkit.media.film import Film, Scaler
from s2vkit.media.upright import AS_IT_IS, pose_of

_BATCH = 16  # pictures the detector sees at once
_MIN_VISIBLE = 20  # pixels; detectors see no smaller face
_MAX_ROWS = 6 * 3600 * 30


@dataclass
class Survey:
    """What the first pass over a film found; rows are its frames at the clips' rate."""

    fps: float = 25.0  # of the source
    start: float = 0.0  # s, the first picture on the container's clock
    seconds: float = 0.0  # from the first picture to the end of the last
    places: list[int] = field(default_factory=list)  # of each row: its time in clip frames
    thumbs: np.ndarray = field(default_factory=lambda: np.zeros((0, SIDE, SIDE), np.uint8))
    detections: dict[int, Faces] = field(default_factory=dict)  # by row, in source pixels
    upright: tuple[int, int] = (0, 0)  # width, height of the upright source
    frames: list[av.VideoFrame] | None = field(default_factory=list)  # of each row, if they fit

    def parts(self) -> Iterator[tuple[int, int]]:
        """Return the rows [first, end) between cuts, holes and jumps."""
        edges = {0, len(self.places), *find_cuts(self.thumbs)}
        edges |= {i for i in range(1, len(self.places)) if self.places[i] != self.places[i - 1] + 1}
        rows = sorted(edges)
        yield from pairwise(rows)


def survey_film(film: Film, cutting: Cutting, detector: FaceDetector) -> Survey:
    """Decode a film once: detect faces in every n-th frame, keep small pictures of all."""
    survey, thumbs = Survey(), Thumbs()
    grid = Grid(film, cutting.fps)
    detections = _Detections(film, detector, detection_scale(film, cutting), survey)
    small: list[np.ndarray] = []
    keep = _keeper(film, cutting, detector)
    bytes_left = cutting.hold * 2**20
    last: Shown | None = None
    for shown in grid:
        progressing()
        row = len(survey.places)
        if row >= _MAX_ROWS:
            film.notes.append(f"left out: all after {row / cutting.fps:.0f} s (longer files: cut them up)")
            break
        same = last is not None and shown.frame is last.frame
        small.append(small[-1] if same else thumbs(shown.frame))
        survey.places.append(shown.place)
        if row % cutting.every == 0:
            detections.add(row, shown.frame)
        if survey.frames is not None:
            survey.frames.append(survey.frames[-1] if same else keep(shown.frame))
            bytes_left -= 0 if same else _bytes(survey.frames[-1])
            if bytes_left < 0:
                survey.frames = None
        last = shown
    if last is not None:
        detections.add(len(survey.places) - 1, last.frame)
        survey.thumbs = np.stack(small)
    detections.flush()
    survey.fps, survey.start = grid.source_fps, grid.first or 0.0
    survey.seconds = (survey.places[-1] + 1) / cutting.fps if survey.places else 0.0
    return survey


def detection_scale(film: Film, cutting: Cutting) -> float:
    """Choose how much smaller the detector sees a film: the least face must stay visible."""
    longest = max(film.width * film.aspect, film.height)
    return float(min(1.0, max(cutting.detect_at / longest, _MIN_VISIBLE / cutting.min_face)))


def _keeper(film: Film, cutting: Cutting, detector: FaceDetector) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """Choose how pictures are held: small at once, where it is known where they are cropped."""
    scaler = Scaler(film, cutting.size / max(1.0, min(film.width * film.aspect, film.height)))
    blind = detector.blind
    return lambda frame: scaler.shrink(frame) if blind and pose_of(frame) == AS_IT_IS else frame


def _bytes(frame: av.VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


class _Detections:
    """Runs the detector on pictures in batches, and adds its results to the survey."""

    def __init__(self, film: Film, detector: FaceDetector, scale: float, survey: Survey) -> None:
        self._detector, self._survey, self._film = detector, survey, film
        self._blind = detector.blind
        self._scaler = Scaler(film, scale)
        self._rows: list[int] = []
        self._pictures: list[np.ndarray] = []

    def add(self, row: int, frame: av.VideoFrame) -> None:
        """Add one picture."""
        picture = self._scaler.blank(frame) if self._blind else self._scaler(frame)
        if self._pictures and picture.shape != self._pictures[0].shape:
            self.flush()
        if row not in self._rows and row not in self._survey.detections:
            self._rows.append(row)
            self._pictures.append(picture)
        if len(self._rows) == _BATCH:
            self.flush()

    def flush(self) -> None:
        """Detect in the pending pictures."""
        if not self._rows:
            return
        found = self._detector(np.stack(self._pictures[: 1 if self._blind else None]))
        found *= len(self._rows) if self._blind else 1
        height, width = self._pictures[0].shape[:2]
        sides = (round(self._film.width * self._film.aspect), self._film.height)
        turned = (width > height) != (self._scaler.width > self._scaler.height)
        self._survey.upright = sides[::-1] if turned else sides
        factor = np.array(self._survey.upright) / (width, height)
        for row, faces in zip(self._rows, found, strict=True):
            marks = None if faces.landmarks is None else faces.landmarks * factor
            boxes = faces.boxes * np.tile(factor, 2)
            self._survey.detections[row] = Faces(boxes, faces.scores, marks)
        self._rows, self._pictures = [], []
