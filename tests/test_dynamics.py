"""Metrics of facial movement: known answers, and a second implementation from the definitions alone."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, median

import numpy as np
import pytest
import torch
from s2vkit_dynamics import ClosenessOptions, LipLeakOptions, LipSyncOptions, SilentLipsOptions
from s2vkit_dynamics.close import Closeness
from s2vkit_dynamics.definitions import (
    closeness,
    eyebrow_dynamics,
    frame_rms,
    head_motion,
    lip_dynamics,
    lip_leak,
    lip_sync,
    long_silences,
    openness,
    silent_stability,
)
from s2vkit_dynamics.measured import HeadMotion, LipDynamics, LipLeak, LipSync, SilentLips
from s2vkit_dynamics.pose import head_pose, in_video

from s2vkit import InputError, Landmarks, Options, Outcome, voiced_frames

GROUPS = {
    "lips": (0, 1, 2, 3, 4, 5),
    "upper_inner_lip": (1, 2),
    "lower_inner_lip": (3, 4),
    "left_eye": (6, 7),
    "right_eye": (8, 9),
    "left_brow": (10, 11),
    "right_brow": (12, 13),
    "rigid": (6, 7, 8, 9, 14),
}
POINTS, CASES, RATE, FPS = 15, 1000, 8000, 25.0
SLOW = 1000  # samples a second of the made cases' speech


def shape():
    """A face of 15 points in a picture of 100 px, mouth shut."""
    mouth = [[40, 75], [46, 75], [54, 75], [46, 75], [54, 75], [60, 75]]
    eyes = [[30, 40], [40, 40], [60, 40], [70, 40]]
    brows = [[30, 30], [40, 30], [60, 30], [70, 30]]
    flat = np.array([*mouth, *eyes, *brows, [50, 55]], float)
    return np.concatenate([flat, np.linspace(-5, 9, POINTS)[:, None]], axis=1)


def cases():
    """Made clips: points that tremble around a face, speech of any loudness, voice, missing frames."""
    rng = np.random.default_rng(7)
    for number in range(CASES):
        frames = int(rng.integers(1, 9))
        points = shape() + rng.normal(0, rng.uniform(0.1, 4), (frames, POINTS, 3))
        if number % 5 == 0:
            points[rng.random(frames) < 0.3] = np.nan
        voiced = rng.random(frames) < rng.uniform(0, 1)
        speech = rng.normal(0, 0.1, max(1, int(frames / FPS * SLOW) + int(rng.integers(-30, 30))))
        yield points, voiced, speech.astype(np.float32)


def variance(values):
    mean = fmean(values)
    return fmean((value - mean) ** 2 for value in values)


def deviation(values):
    return math.sqrt(variance(values))


def middle(points, group):
    found = [points[i] for i in GROUPS[group]]
    return [fmean(p[axis] for p in found) for axis in (0, 1)]


def eyes_apart(points):
    return math.dist(middle(points, "left_eye"), middle(points, "right_eye"))


def opening_of(points):
    pairs = zip(GROUPS["upper_inner_lip"], GROUPS["lower_inner_lip"], strict=True)
    return fmean(abs(points[low][1] - points[up][1]) for up, low in pairs) / eyes_apart(points)


def rms_of(speech, frame):
    at, half = round((frame + 0.5) / FPS * SLOW), round(0.05 * SLOW / 2)
    piece = [float(speech[i]) ** 2 if 0 <= i < len(speech) else 0.0 for i in range(at - half, at + half)]
    return math.sqrt(sum(piece) / (2 * half))


def scaled(values):
    low, high = min(values), max(values)
    return [(v - low) / (high - low) if high > low else 0.0 for v in values]


def sync_by_definition(points, speech, voiced):
    spoken = [i for i in range(len(points)) if voiced[i] and not math.isnan(points[i][0][0])]
    if sum(voiced) / len(voiced) < 0.1 or not spoken:
        return None
    openings = scaled([opening_of(points[i]) for i in spoken])
    loud = scaled([rms_of(speech, i) for i in spoken])
    return fmean(abs(a - b) for a, b in zip(openings, loud, strict=True))


def silences_by_definition(voiced, least):
    found, run = [], []
    for i, voice in enumerate([*voiced, True]):
        if voice:
            found += run if len(run) >= least else []
            run = []
        else:
            run.append(i)
    return found


def stability_by_definition(points, voiced, least):
    frames = [i for i in silences_by_definition(voiced, least) if not math.isnan(points[i][0][0])]
    openings = [opening_of(points[i]) for i in frames]
    return median(abs(x - fmean(openings)) for x in openings) if openings else None


def leak_by_definition(points, voiced, least, threshold):
    silent = set(silences_by_definition(voiced, least))
    moves = [
        abs(opening_of(points[i]) - opening_of(points[i - 1])) > threshold
        for i in silent
        if i - 1 in silent and not any(math.isnan(points[k][0][0]) for k in (i, i - 1))
    ]
    return fmean(moves) if moves else None


def lips_by_definition(points):
    seen = [p for p in points if not math.isnan(p[0][0])]
    if len(seen) < 2:
        return None
    lips = GROUPS["lips"]
    pairs = [(a, b) for k, a in enumerate(lips) for b in lips[k + 1 :]]
    return fmean(deviation([math.dist(p[a][:2], p[b][:2]) for p in seen]) for a, b in pairs) / fmean(
        map(eyes_apart, seen)
    )


def brows_by_definition(points):
    def raised(p, side):
        return math.dist(middle(p, f"{side}_brow"), middle(p, f"{side}_eye")) / eyes_apart(p)

    changes = [
        abs(raised(points[i], side) - raised(points[i - 1], side))
        for i in range(1, len(points))
        for side in ("left", "right")
        if not any(math.isnan(points[k][0][0]) for k in (i, i - 1))
    ]
    return fmean(changes) if changes else None


def head_by_definition(angles, places):
    seen = [i for i in range(len(angles)) if not math.isnan(angles[i][0])]
    if len(seen) < 2:
        return None
    turns = [[angles[i][k] for i in seen] for k in range(3)]
    steps = [[b - a for a, b in pairwise(turn)] for turn in turns]
    moved = fmean(variance([places[i][k] for i in seen]) for k in range(2))
    return math.sqrt(fmean(map(deviation, turns)) * fmean(map(variance, steps)) + moved)


def same(found, expected):
    if expected is None:
        return found is None
    return found is not None and math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)


def test_every_figure_agrees_with_its_definition_on_made_cases():
    measured = 0
    for points, voiced, speech in cases():
        rows = points.tolist()
        opening = openness(points, GROUPS)
        rms = frame_rms(speech, SLOW, len(points), FPS, 0.05)
        silent = long_silences(voiced, 2)
        angles, places = points[:, 0], points[:, 1, :2]
        pairs = [
            (lip_sync(opening, rms, voiced, 0.1), sync_by_definition(rows, speech, voiced)),
            (silent_stability(opening, silent), stability_by_definition(rows, voiced, 2)),
            (lip_leak(opening, silent, 0.02), leak_by_definition(rows, voiced, 2, 0.02)),
            (lip_dynamics(points, GROUPS), lips_by_definition(rows)),
            (eyebrow_dynamics(points, GROUPS), brows_by_definition(rows)),
            (head_motion(angles, places), head_by_definition(angles, places)),
        ]
        assert [same(*pair) for pair in pairs] == [True] * len(pairs), pairs
        measured += sum(found is not None for found, _ in pairs)
    assert measured > 4 * CASES


@pytest.mark.parametrize(
    ("generated", "real", "expected"), [(2.0, 2.0, 1.0), (1.0, 2.0, 0.5), (4.0, 2.0, 0.0), (1.0, 0.0, None)]
)
def test_closeness_has_its_known_values(generated, real, expected):
    assert closeness(generated, real) == expected


def turned(points, pitch=0.0, yaw=0.0, roll=0.0):
    """Turn points (P, 3) about their middle by Rz(roll) Ry(yaw) Rx(pitch), in degrees."""
    a, b, c = np.radians([pitch, yaw, roll])
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    at = points.mean(0)
    return (points - at) @ (z @ y @ x).T + at


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_pose_of_a_turned_head_is_found(axis):
    wanted = np.zeros((9, 3))
    wanted[:, axis] = np.linspace(-12, 12, 9)
    points = np.stack([turned(shape(), *angles) for angles in wanted])[:, GROUPS["rigid"]]
    angles, places = head_pose(points + np.arange(9)[:, None, None] * [1.0, 2.0, 0.0])
    assert np.abs((angles - angles.mean(0)) - wanted).max() < 0.05
    assert np.allclose(np.diff(places - points[:, :, :2].mean(1), axis=0), [1, 2])


def test_a_clip_without_a_face_has_no_pose():
    angles, _ = head_pose(np.full((4, 5, 3), np.nan))
    assert np.isnan(angles).all()
    assert head_motion(angles, np.zeros((4, 2))) is None


def test_points_go_back_to_the_video():
    points = np.stack([shape(), shape()])
    crops = np.array([[[0.5, 0, -3], [0, 0.5, 4]], [[0, 2, 1], [-2, 0, 5.0]]])
    there = np.einsum("vij,vpj->vpi", crops[:, :, :2], points[:, :, :2]) + crops[:, None, :, 2]
    in_crop = np.concatenate([there, points[:, :, 2:] * [[[0.5]], [[2.0]]]], axis=2)
    assert np.allclose(in_video(in_crop, crops), points)


class Scripted(Landmarks):
    """Finds the points that the brightness of each frame numbers."""

    groups = GROUPS

    def __init__(self, tracks):
        super().__init__()
        self.tracks = tracks

    def forward(self, frames):
        numbers = ((frames.mean((1, 2, 3)) + 1) * 500).round().long().tolist()
        return torch.stack([torch.from_numpy(self.tracks[i]) for i in numbers])


def clip(name, tracks, own, real, speech):
    """An outcome whose frames show the tracks' points by their numbers."""

    def frames(numbers):
        level = torch.tensor(numbers) / 500 - 1
        return level.view(-1, 1, 1, 1).expand(-1, 3, 2, 2)

    made = Outcome(
        name, frames(own), frames(real), speech=torch.from_numpy(speech), sample_rate=RATE, fps=FPS
    )
    made.landmarks = Scripted(tracks)
    return made


def mouths(openings):
    """Points of faces whose mouths are that many pixels open."""
    tracks = np.repeat(shape()[None], len(openings), axis=0)
    tracks[:, GROUPS["lower_inner_lip"], 1] += np.array(openings)[:, None]
    return tracks


def half_spoken(frames=40):
    """Silence, then noise that swells: (S,), the voice in its second half."""
    samples = int(frames / FPS * RATE)
    noise = np.random.default_rng(0).normal(0, 0.2, samples) * np.linspace(0, 1, samples)
    noise[: samples // 2] = 0
    return noise.astype(np.float32)


def test_a_mouth_that_moves_in_silence_leaks():
    speech = half_spoken()
    assert not voiced_frames(speech, RATE, 40, FPS)[:15].any()
    assert voiced_frames(speech, RATE, 40, FPS)[25:].all()
    moving = [10.0 * (i % 2) for i in range(40)]
    still = [0.0] * 40
    tracks = mouths([*moving, *still])
    leaking = clip("leaking", tracks, list(range(40)), list(range(40, 80)), speech)
    for metric in (LipLeak(LipLeakOptions()), SilentLips(SilentLipsOptions())):
        metric.update(leaking)
        score = metric.compute()
        assert score.on_real == 0.0
        assert score.value == pytest.approx(1.0 if isinstance(metric, LipLeak) else 10 / 30 / 2, abs=0.02)


def test_lips_that_follow_the_loudness_are_in_sync_and_another_clips_are_not():
    rng, metric = np.random.default_rng(3), LipSync(LipSyncOptions())
    for number in range(3):
        level = np.repeat(rng.uniform(0.05, 1, 20), 2)
        speech = rng.choice([-1.0, 1.0], 40 * 320) * np.repeat(level, 320) * 0.3
        own = mouths([*(10 * level), *([3.0] * 40)])
        metric.update(
            clip(f"c{number}", own, list(range(40)), list(range(40, 80)), speech.astype(np.float32))
        )
    score = metric.compute()
    assert score.value < 0.06
    assert score.chance > 0.2
    assert score.on_real > 0.2
    assert score.n == 3
    assert metric.compute() == score


def test_what_cannot_be_measured_is_left_out_with_the_reason():
    faceless = np.full((1, POINTS, 3), np.nan)
    tracks = np.concatenate([mouths([1.0, 2.0]), faceless])
    spoken = np.random.default_rng(1).normal(0, 0.3, 20 * 320).astype(np.float32)
    metric = SilentLips(SilentLipsOptions())
    metric.update(clip("spoken", tracks, [0, 1] * 10, [0, 1] * 10, spoken))
    metric.update(clip("faceless", tracks, [2] * 20, [0] * 20, spoken))
    score = metric.compute()
    assert math.isnan(score.value)
    assert score.n == 0
    assert score.details["why_left_out"] == {
        "spoken": "it has no silence that is long enough",
        "faceless": "no face was found in its frames",
    }


def test_the_mean_closeness_of_the_same_face_is_one_and_of_a_frozen_one_less():
    speech = half_spoken()
    rng = np.random.default_rng(2)
    tracks = np.stack([turned(mouths([rng.uniform(0, 9)])[0], *rng.uniform(-9, 9, 3)) for _ in range(40)])
    own, frozen = list(range(40)), [0] * 40
    same_face, still = Closeness(ClosenessOptions()), Closeness(ClosenessOptions())
    same_face.update(clip("a", tracks, own, own, speech))
    still.update(clip("a", tracks, frozen, own, speech))
    assert same_face.compute().value == 1.0
    found = still.compute()
    assert found.details["closeness"]["lip_dynamics"] == pytest.approx(0)
    assert found.details["closeness"]["head_motion"] == pytest.approx(0, abs=1e-6)
    assert found.value < 0.4


def test_figures_without_real_frames_stand_alone():
    tracks = mouths([1.0, 5.0, 2.0])
    made = clip("a", tracks, [0, 1, 2], [], half_spoken(3))
    metric = LipDynamics(Options())
    metric.update(made)
    score = metric.compute()
    assert score.on_real is None
    assert score.value > 0


def test_the_head_moves_in_the_video_not_in_its_crop():
    tracks = np.repeat(shape()[None], 10, axis=0)
    made = clip("a", tracks, list(range(10)), list(range(10)), half_spoken(10))
    made.crops["generated"] = np.stack([np.array([[1, 0, -3.0 * i], [0, 1, 0]]) for i in range(10)])
    metric = HeadMotion(Options())
    metric.update(made)
    score = metric.compute()
    assert score.on_real == pytest.approx(0, abs=1e-9)
    assert score.value == pytest.approx(math.sqrt(np.var(3.0 * np.arange(10) / 30) / 2))


def test_without_landmarks_a_metric_says_what_is_missing():
    made = clip("a", mouths([1.0]), [0], [0], half_spoken(1))
    made.landmarks = None
    with pytest.raises(InputError, match="nothing that finds the points"):
        LipDynamics(Options()).update(made)
