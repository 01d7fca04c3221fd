"""Metrics of facial movement: one figure a clip, of generated and real faces by the same rule."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import numpy as np
import torch

from s2vkit import InputError, Metric, Options, Outcome, Score, voiced_frames
from s2vkit_dynamics import LipLeakOptions, LipSyncOptions, SilentLipsOptions
from s2vkit_dynamics.definitions import (
    Groups,
    eyebrow_dynamics,
    frame_rms,
    head_motion,
    interocular,
    lip_dynamics,
    lip_leak,
    lip_sync,
    long_silences,
    openness,
    silent_stability,
)
from s2vkit_dynamics.pose import head_pose, in_video

_CHUNK = 64


@dataclass
class Face:
    """The points of one clip, generated or real, and its speech frame by frame."""

    points: np.ndarray  # (V, P, 3)
    groups: Groups
    crops: np.ndarray | None  # (V, 2, 3)
    speech: np.ndarray  # (S,)
    sample_rate: int
    fps: float
    rms: dict[float, np.ndarray] = field(default_factory=dict)  # by window

    @property
    def opening(self) -> np.ndarray:
        """The mouth's opening (V,) in interocular distances."""
        return openness(self.points, self.groups)

    @property
    def voiced(self) -> np.ndarray:
        """Whether there is voice (V,)."""
        return voiced_frames(self.speech, self.sample_rate, len(self.points), self.fps)

    def silent(self, seconds: float) -> np.ndarray:
        """Mark (V,) silences of at least so many seconds."""
        return long_silences(self.voiced, max(1, round(seconds * self.fps)))


def face_of(outcome: Outcome, which: str) -> Face | None:
    """Find the points of a clip's `generated` or `real` frames, once; None where there are no frames."""
    key = f"dynamics.{which}"
    if key not in outcome.shared:
        outcome.shared[key] = _find(outcome, which)
    found: Face | None = outcome.shared[key]
    return found


@torch.no_grad()
def _find(outcome: Outcome, which: str) -> Face | None:
    frames, finder = getattr(outcome, which), outcome.landmarks
    if finder is None or outcome.speech is None:
        raise InputError(
            f"clip '{outcome.name}': there is nothing that finds the points of faces, or no speech",
            hint="name one as `landmarks`, or leave out what needs it",
        )
    if not len(frames):
        return None
    points = torch.cat([finder(part).cpu() for part in frames.split(_CHUNK)]).double().numpy()
    speech = outcome.speech.float().cpu().numpy()
    crops = outcome.crops.get(which)
    return Face(points, finder.groups, crops, speech, outcome.sample_rate, outcome.fps)


class OfFaces(Metric):
    """Base: a figure of each clip's generated face, of the real one, a mean over clips.

    A clip without a figure is left out, with the reason in the details.
    """

    what = ""
    unmeasured = "no face was found in its frames"

    def __init__(self, options: Options) -> None:
        self.generated: dict[str, float] = {}
        self.real: list[float] = []
        self.left_out: dict[str, str] = {}
        self.trained = ""  # what finds the points, where a run has trained it

    def update(self, outcome: Outcome) -> None:
        """Add one clip."""
        generated, real = face_of(outcome, "generated"), face_of(outcome, "real")
        self.trained = "" if outcome.landmarks.pretrained else type(outcome.landmarks).__name__
        value = None if generated is None else self.figure(generated)
        if value is None:
            found = generated is not None and bool(np.isfinite(generated.points).any())
            self.left_out[outcome.name] = self.unmeasured if found else OfFaces.unmeasured
            return
        self.generated[outcome.name] = value
        if real is not None and (of_real := self.figure(real)) is not None:
            self.real.append(of_real)

    def compute(self) -> Score:
        """Return the mean over clips."""
        values = list(self.generated.values())
        by = f"; points by {self.trained}, trained in the run on real frames" if self.trained else ""
        return Score(
            value=fmean(values) if values else float("nan"),
            on_real=fmean(self.real) if self.real else None,
            chance=fmean(chance) if (chance := self.by_chance()) else None,
            n=len(values),
            definition=f"{self.what}; mean over clips; on real: the same of the real frames{by}",
            details={"left_out": len(self.left_out), "why_left_out": dict(self.left_out)},
            clips=dict(self.generated),
        )

    def by_chance(self) -> list[float]:
        """Return figures that say nothing of a clip, to compare with; by default there are none."""
        return []

    def figure(self, face: Face) -> float | None:
        """Measure one clip; None where there is nothing to measure."""
        raise NotImplementedError


class LipSync(OfFaces):
    """How much the mouth's opening and the loudness differ in speech; 0: they go together."""

    unmeasured = "too little of it is speech"

    def __init__(self, options: LipSyncOptions) -> None:
        super().__init__(options)
        self.options = options
        self.others: list[float] = []  # beside the speech of the clip before
        self.first: Face | None = None
        self.last: Face | None = None
        self.what = (
            "mean absolute difference, over the frames of speech, of the mouth's opening (mean vertical gap "
            "of inner-lip pairs over interocular distance) and the RMS of "
            f"{1000 * options.window:g} ms, each scaled to [0, 1] over those frames; clips with less than "
            f"{options.least:.0%} of speech left out; chance: beside the speech of another clip"
        )

    def update(self, outcome: Outcome) -> None:
        """Add one clip; the one before gives the speech of chance."""
        super().update(outcome)
        face = face_of(outcome, "generated")
        if face is None or outcome.name not in self.generated:
            return
        if self.last is None:
            self.first = face
        else:
            self.others += self._beside(face, self.last)
        self.last = face

    def by_chance(self) -> list[float]:
        """Return the figures beside the speech of another clip; the first is set beside the last."""
        if self.first is None or self.last is None or self.first is self.last:
            return self.others
        return [*self.others, *self._beside(self.first, self.last)]

    def _beside(self, face: Face, other: Face) -> list[float]:
        value = self.figure(replace(face, speech=other.speech, sample_rate=other.sample_rate))
        return [] if value is None else [value]

    def figure(self, face: Face) -> float | None:
        """Compare opening and loudness."""
        rms = frame_rms(face.speech, face.sample_rate, len(face.points), face.fps, self.options.window)
        return lip_sync(face.opening, rms, face.voiced, self.options.least)


class SilentLips(OfFaces):
    """How much the mouth moves in silence; 0: it stands still."""

    unmeasured = "it has no silence that is long enough"

    def __init__(self, options: SilentLipsOptions) -> None:
        super().__init__(options)
        self.options = options
        self.what = (
            f"silent lip stability: in silences of at least {options.least:g} s, the median of the absolute "
            "differences of the mouth's opening (over interocular distance) from its mean; clips without "
            "such a silence left out"
        )

    def figure(self, face: Face) -> float | None:
        """Measure the silences."""
        return silent_stability(face.opening, face.silent(self.options.least))


class LipLeak(OfFaces):
    """How often the mouth moves in silence; 0: never."""

    unmeasured = "it has no silence that is long enough"

    def __init__(self, options: LipLeakOptions) -> None:
        super().__init__(options)
        self.options = options
        self.what = (
            f"LipLeak: share of frames, in silences of at least {options.least:g} s, in which the mouth's "
            f"opening changes by more than {options.threshold:g} interocular distances; clips without such a "
            "silence left out"
        )

    def figure(self, face: Face) -> float | None:
        """Measure the silences."""
        return lip_leak(face.opening, face.silent(self.options.least), self.options.threshold)


class LipDynamics(OfFaces):
    """How much the lips change their shape."""

    what = (
        "deviation over time of the distances of all pairs of lip points, a mean over pairs, in mean "
        "interocular distances of the clip"
    )

    def figure(self, face: Face) -> float | None:
        """Measure the lips."""
        return lip_dynamics(face.points, face.groups)


class EyebrowDynamics(OfFaces):
    """How much the eyebrows move."""

    what = (
        "mean absolute change, from frame to frame, of the distance of an eyebrow's middle from the eye's "
        "over the interocular distance, both sides"
    )

    def figure(self, face: Face) -> float | None:
        """Measure the brows."""
        return eyebrow_dynamics(face.points, face.groups)


class HeadMotion(OfFaces):
    """How much the head turns and moves."""

    what = (
        "sqrt(mean deviation of pitch, yaw and roll * mean variance of their differences + mean variance of "
        "the head's place), angles in degrees by fitting rigid points to their mean shape, places in "
        "interocular distances"
    )

    def figure(self, face: Face) -> float | None:
        """Measure the head in the video, not in its crop."""
        points = in_video(face.points, face.crops)
        angles, places = head_pose(points[:, face.groups["rigid"]])
        apart = interocular(points, face.groups)
        scale = float(np.nanmean(apart)) if np.isfinite(apart).any() else 1.0
        return head_motion(angles, places / scale)


FIGURES: dict[str, Any] = {
    "lip_sync": lambda: LipSync(LipSyncOptions()),
    "silent_lips": lambda: SilentLips(SilentLipsOptions()),
    "lip_dynamics": lambda: LipDynamics(Options()),
    "eyebrow_dynamics": lambda: EyebrowDynamics(Options()),
    "head_motion": lambda: HeadMotion(Options()),
}
"""What the mean closeness is of."""
