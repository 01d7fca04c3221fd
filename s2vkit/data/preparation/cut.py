"""Cutting one video into training clips: a steady, upright face, and its speech in sync."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import numpy as np

from s2vkit.data.extraction.align import Place, face_height, place_by_boxes, place_by_landmarks
from s2vkit.data.extraction.crop import Cropper
from s2vkit.data.extraction.follow import FaceTrack, follow
from s2vkit.data.extraction.grid import Grid
from s2vkit.data.extraction.kinds import REASONS, Cut, Cutting, Cuttings, Rejected
from s2vkit.data.extraction.left import LeftOut
from s2vkit.data.extraction.sound import Track, read_track
from s2vkit.data.extraction.speaking import active_speaker
from s2vkit.data.extraction.survey import Survey, survey_film
from s2vkit.data.workers import progressing
from s2vkit.errors import InputError
from s2vkit.interfaces.dataset import Source
from s2vkit.interfaces.face_detector import FaceDetector
from s2vkit.media.files import check_file
from s2vkit.media.film import Film
from s2vkit.media.sound import SILENCE

__all__ = ["REASONS", "Cut", "Cutting", "Cuttings", "Rejected", "cut_source", "fingerprint_of"]


def cut_source(source: Source, cutting: Cutting, detector: FaceDetector) -> Cuttings:
    """Cut a source into clips of one talking face each.

    Raises Rejected, with one of REASONS, if it has none.
    """
    with ExitStack() as opened:  # a detector may raise in the middle of the film
        try:
            film = opened.enter_context(Film(source.path, cutting.max_pixels, cutting.video_track))
            survey = survey_film(film, cutting, detector)
            if not survey.places:
                raise Rejected("undecodable", f"no picture of {source.path.name} can be decoded")
            notes = list(film.notes)
            track = _decode_speech(source, cutting, survey, notes)
        except Rejected:
            raise
        except InputError as error:
            raise Rejected("undecodable", error.message) from error
        clips = _Cutter(film, cutting, survey, track, notes).clips()
    return Cuttings(clips, survey.seconds, survey.fps, notes)


def fingerprint_of(path: Path) -> str:
    """Return a hash of a file's content, to detect duplicates by. Raises InputError if it is no file."""
    check_file(path)
    found = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(2**22):
            progressing()
            found.update(block)
    return found.hexdigest()[:32]


def _decode_speech(source: Source, cutting: Cutting, survey: Survey, notes: list[str]) -> Track:
    """Read the sound that belongs to the pictures; a spare one where that is silent or missing."""
    own = partial(read_track, source.path, cutting.sample_rate, survey.start, survey.seconds)
    if source.sound is not None:
        return read_track(source.sound, cutting.sample_rate, None, survey.seconds, notes)
    if source.spare is None:
        return own(notes, cutting.audio_track)
    heard: list[str] = []
    try:
        track = own(heard, cutting.audio_track)
        silent = len(track.samples) == 0 or float(np.ptp(track.samples)) / 2 < SILENCE
    except Rejected:
        silent = True
    if not silent:
        notes += heard
        return track
    notes.append(f"its sound is that of {source.spare.name}")
    return read_track(source.spare, cutting.sample_rate, None, survey.seconds, notes)


@dataclass
class _Part:
    """A segment of one shot in which faces were tracked."""

    first: int
    end: int
    tracks: list[FaceTrack]


class _Cutter:
    """Extracts the clips of one film from its survey."""

    def __init__(self, film: Film, cutting: Cutting, survey: Survey, track: Track, notes: list[str]) -> None:
        self.film, self.cutting, self.survey = film, cutting, survey
        self.track, self.notes = track, notes
        self.min_frames = round(cutting.shortest * cutting.fps)
        self.trouble: dict[str, str] = {}  # reason -> what was last seen of it
        self.left = LeftOut()

    def clips(self) -> list[Cut]:
        """Make every clip; raises Rejected if there is none."""
        parts = self._long_enough()
        segments = [s for first, end in parts for s in self._segments(first, end)]
        clips = list(self._crop(segments))
        if not clips:
            order = ["several_faces", "silent", "face_too_small", "no_face"]
            reason = next((r for r in order if r in self.trouble), "no_face")
            raise Rejected(reason, self.trouble.get(reason, "no face was found in any frame"))
        self.notes += self.left.notes()
        return clips

    def _leave(self, first: int, end: int, why: str, reason: str = "") -> None:
        """Report that the rows [first, end) give no clip."""
        if first >= end:
            return
        if reason:
            self.trouble[reason] = why
        places = self.survey.places
        self.left.add(places[first] / self.cutting.fps, (places[end - 1] + 1) / self.cutting.fps, why)

    def _long_enough(self) -> list[tuple[int, int]]:
        fps, places = self.cutting.fps, self.survey.places
        if self.survey.seconds < self.cutting.shortest:
            seconds, shortest = self.survey.seconds, self.cutting.shortest
            raise Rejected("too_short", f"{seconds:.2f} s of pictures; the minimum is {shortest:g} s")
        early = (self.track.first - self.cutting.max_silence) * fps
        late = (self.track.last + self.cutting.max_silence) * fps
        rows = [i for i, place in enumerate(places) if early <= place < late]
        low, high = (rows[0], rows[-1] + 1) if rows else (0, 0)
        sounding = max(0.0, self.track.last - self.track.first)
        if high - low < self.min_frames or sounding < self.cutting.shortest:
            raise Rejected("too_short", f"only {sounding:.2f} s of sound beside the pictures")
        self._leave(0, low, "no sound")
        self._leave(high, len(places), "no sound")
        parts = [(max(a, low), min(b, high)) for a, b in self.survey.parts()]
        parts = [(a, b) for a, b in parts if a < b]
        long = [(a, b) for a, b in parts if b - a >= self.min_frames]
        if not long:
            raise Rejected(
                "cut_inside", f"{len(parts) - 1} cuts or holes leave no part of {self.cutting.shortest:g} s"
            )
        most = round(self.cutting.longest * fps)
        pieces = [(i, min(i + most, b)) for a, b in parts for i in range(a, b, most)]
        for a, b in pieces:
            if b - a < self.min_frames:
                self._leave(a, b, f"less than {self.cutting.shortest:g} s between cuts or holes")
        return [(a, b) for a, b in pieces if b - a >= self.min_frames]

    def _segments(self, first: int, end: int) -> Iterator[_Part]:
        every, cutting = self.cutting.every, self.cutting
        detections = {r: f for r, f in self.survey.detections.items() if first <= r < end}
        tracks = follow(detections, cutting.min_score, patience=3 * every)
        tracks = [t for t in tracks if len(t.at) >= min(2, len(detections))]
        if not tracks:
            self._leave(first, end, "no face was found in any frame", "no_face")
            return
        tracks.sort(key=lambda t: t.height * len(t.at), reverse=True)
        high = [t for t in tracks if self._height(t) >= cutting.min_face]
        if not high:
            height = max(self._height(t) for t in tracks)
            why = f"the face is {height:.0f} pixels high; the minimum is {cutting.min_face}"
            self._leave(first, end, why, "face_too_small")
            return
        low = max(first, high[0].at[0] - every)
        top = min(end, high[0].at[-1] + every + 1)
        if top - low < self.min_frames:
            self._leave(first, end, "no face was detected for long enough", "no_face")
            return
        self._leave(first, low, "the face is not detected yet")
        self._leave(top, end, "the face is not detected any more")
        rivals = [t for t in high[1:] if self._rivals(high[0], t, low, top)]
        yield _Part(low, top, [high[0], *rivals])

    def _rivals(self, main: FaceTrack, other: FaceTrack, first: int, end: int) -> bool:
        shared = min(end, other.at[-1]) - max(first, other.at[0])
        return shared > 0.3 * (end - first) and main.height < self.cutting.dominance * other.height

    def _height(self, track: FaceTrack) -> float:
        if not track.landmarks:
            return track.height
        return float(np.median(face_height(np.stack(track.landmarks))))

    def _place(self, track: FaceTrack, first: int, end: int) -> Place:
        boxes, landmarks = track.fill(first, end)
        steady = self.cutting.steady * self.cutting.fps
        if landmarks is None:
            return place_by_boxes(boxes, self.cutting.margin, steady, *self.survey.upright)
        return place_by_landmarks(landmarks, self.cutting.margin, steady, *self.survey.upright)

    def _crop(self, segments: list[_Part]) -> Iterator[Cut]:
        frames = _Frames(self.film, self.cutting, self.survey)
        for part in segments:
            speech = self._speech(part)
            if float(np.ptp(speech)) / 2 < SILENCE:
                why = "the sound is silent (below -60 dBFS) all along"
                self._leave(part.first, part.end, why, "silent")
                continue
            places = [self._place(t, part.first, part.end) for t in part.tracks]
            crops = frames.crop(part.first, part.end, places)
            chosen = 0 if len(crops) == 1 else active_speaker(crops, speech)
            if chosen is None:
                why = f"{len(crops)} faces of similar size, and it is unclear which of them talks"
                self._leave(part.first, part.end, why, "several_faces")
                continue
            place = places[chosen]
            yield Cut(
                crops[chosen],
                speech,
                self.survey.places[part.first] / self.cutting.fps,
                place.boxes(),
                place.transforms(self.cutting.size),
            )

    def _speech(self, part: _Part) -> np.ndarray:
        rate = self.cutting.sample_rate / self.cutting.fps
        begin = self.survey.places[part.first]
        samples = self.track.samples[round(begin * rate) :]
        length = round((part.end - part.first) * rate)
        speech = np.zeros(length, np.float32)
        speech[: len(samples[:length])] = samples[:length].clip(-1, 1)
        return speech


class _Frames:
    """The frames of a film at the clips' rate: those in memory, or decoded again."""

    def __init__(self, film: Film, cutting: Cutting, survey: Survey) -> None:
        self._film, self._cutting, self._frames = film, cutting, survey.frames
        self._again: Iterator[tuple[int, av.VideoFrame]] | None = None

    def _rows(self, first: int, end: int) -> Iterator[tuple[int, av.VideoFrame]]:
        if self._frames is not None:
            yield from enumerate(self._frames[first:end], first)
            return
        if self._again is None:
            shown = Grid(self._film, self._cutting.fps)
            self._again = ((i, each.frame) for i, each in enumerate(shown))
        for row, frame in self._again:
            if row >= first:
                yield row, frame
            if row == end - 1:
                return

    def crop(self, first: int, end: int, places: list[Place]) -> list[np.ndarray]:
        """Crop rows [first, end), which must not go back, at each of the places."""
        size = self._cutting.size
        croppers = [Cropper(self._film, place, size) for place in places]
        crops = [np.empty((end - first, size, size, 3), np.uint8) for _ in places]
        for row, frame in self._rows(first, end):
            progressing()
            for cropper, out in zip(croppers, crops, strict=True):
                out[row - first] = cropper(row - first, frame)
        return crops
