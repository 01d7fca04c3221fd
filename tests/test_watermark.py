"""The watermark: seen by nobody, read after what happens to videos, never found where none is."""

from __future__ import annotations

import av
import numpy as np
import pytest
from s2vkit_watermark import SpreadSpectrumOptions
from s2vkit_watermark.code import codewords, decode
from s2vkit_watermark.detector import Match, match_anywhere
from s2vkit_watermark.mark import SpreadSpectrum, demodulate
from s2vkit_watermark.pattern import Pattern

from s2vkit.media.video import VideoWriter

PAYLOAD, SECONDS, FPS = 0xA5C3, 2, 25
MARK = SpreadSpectrum(SpreadSpectrumOptions())


def scene(size: int, count: int = SECONDS * FPS, seed: int = 0) -> np.ndarray:
    """Draw a moving head with a mouth before a textured ground: uint8 (50, size, size, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    ground = 120 + 25 * np.sin(9 * x + 2) * np.cos(7 * y) + random.normal(0, 2, (size, size))
    frames = []
    for t in range(count):
        dx, dy = 0.03 * np.sin(t / 8), 0.02 * np.sin(t / 5)
        head = (x - 0.5 - dx) ** 2 + 0.7 * (y - 0.5 - dy) ** 2 < 0.09
        open_ = 0.02 + 0.03 * abs(np.sin(t / 2.3))
        mouth = ((x - 0.5 - dx) / 0.12) ** 2 + ((y - 0.65 - dy) / open_) ** 2 < 1
        grey = np.where(mouth, 60, np.where(head, 170 + 30 * (x - 0.5), ground))
        frames.append(np.stack([grey, grey * 0.9, grey * 0.8], -1))
    return np.rint(frames).clip(0, 255).astype(np.uint8)


def through_codec(frames: np.ndarray, crf: int, size: int | None = None) -> np.ndarray:
    """Encode frames as H.264, at another size if one is given, and decode them."""
    height, width = (size, size) if size else frames.shape[1:3]
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height = width - width % 2, height - height % 2
    codec.pix_fmt, codec.framerate = "yuv420p", FPS
    codec.time_base, codec.options = 1 / codec.framerate, {"crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    pictures = [av.VideoFrame.from_ndarray(np.ascontiguousarray(f), format="rgb24") for f in frames]
    small = [p.reformat(codec.width, codec.height, "yuv420p") for p in pictures]
    for n, picture in enumerate(small):
        picture.pts = n
    packets = [packet for picture in [*small, None] for packet in codec.encode(picture)]
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])


def detect(frames: np.ndarray, mark: SpreadSpectrum = MARK):
    luma = frames @ np.array([0.299, 0.587, 0.114], np.float32)
    return mark.detect(luma, np.arange(len(frames)) / FPS)


@pytest.fixture(scope="module")
def marked():
    return MARK.embed(scene(64), 0, FPS, PAYLOAD)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_nobody_sees_it(size):
    frames = scene(size, 8)
    error = np.square(MARK.embed(frames, 0, FPS, PAYLOAD).astype(float) - frames).mean()
    assert 10 * np.log10(255**2 / error) >= 38


ATTACKS = {
    "crf 28": lambda f: through_codec(f, 28),
    "crf 23, then 28": lambda f: through_codec(through_codec(f, 23), 28),
    "half the size": lambda f: through_codec(f, 23, f.shape[1] // 2),
    "twice the size": lambda f: through_codec(f, 23, f.shape[1] * 2),
    "a tenth cropped": lambda f: through_codec(f[:, f.shape[1] // 10 :, : -(f.shape[2] // 10)], 23),
    "brighter": lambda f: through_codec((f.astype(int) + 30).clip(0, 255).astype(np.uint8), 23),
    "gamma": lambda f: through_codec((255 * (f / 255) ** 1.4).astype(np.uint8), 23),
    "mirrored": lambda f: through_codec(f[:, :, ::-1], 23),
    "the beginning cut": lambda f: f[5:],
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_all_bits_are_read_after(attack, marked):
    assert detect(attack(marked)).payload == PAYLOAD


def test_a_larger_video_is_read_after_a_crop_and_compression():
    large = MARK.embed(scene(128), 0, FPS, PAYLOAD)
    assert detect(through_codec(large[:, 6:-7, 8:-5], 28)).payload == PAYLOAD


@pytest.mark.parametrize("payload", [0, 1, 65535])
def test_any_payload_is_read(payload):
    assert detect(MARK.embed(scene(64), 3, FPS, payload)).payload == payload


def test_unmarked_and_foreign_videos_are_not_called_marked():
    frames = scene(64)
    foreign = SpreadSpectrum(SpreadSpectrumOptions(key="another"))
    for video in (frames, through_codec(frames, 23), foreign.embed(frames, 0, FPS, PAYLOAD)):
        found = detect(video)
        assert (found.found, found.payload) == (False, None)
        assert found.score < found.threshold
    assert detect(foreign.embed(frames, 0, FPS, PAYLOAD), foreign).payload == PAYLOAD


def test_a_still_or_short_or_black_video_is_not_called_marked():
    still = np.repeat(scene(64)[:1], 50, 0)
    for video in (still, still[:3], scene(64)[:20], np.zeros_like(still)):
        assert not detect(video).found


def test_the_bound_holds_over_keys():
    """Theory: of unmarked scores at one place, at most a share x e^(1 - x) reaches x."""
    picture = demodulate(scene(64)[..., 0].astype(np.float32), np.arange(50) / FPS)
    scores = []
    for key in range(600):
        pattern = Pattern(str(key))
        spectrum = pattern.spectrum(picture, 64)
        weighted = spectrum / np.sqrt(np.abs(spectrum)) * pattern.phases.conj()
        scores.append(abs(weighted.sum()) ** 2 / np.square(np.abs(weighted)).sum())
    for x in (2.0, 3.0, 5.0):
        assert np.mean(np.array(scores) >= x) <= x * np.exp(1 - x)
    assert np.mean(scores) == pytest.approx(1, abs=0.2)


def test_unmarked_searches_stay_below_what_theory_allows():
    picture = demodulate(scene(64)[..., 0].astype(np.float32), np.arange(50) / FPS)
    best = max(match_anywhere(Pattern(f"key {n}"), picture).score for n in range(4))
    assert best < 43  # the threshold; what a search of this many places finds by chance is 20 to 27


def test_the_bound_falls_with_the_score_and_never_exceeds_one():
    bounds = [Match(0, score, 1).bound for score in (0.5, 5.0, 20.0, 40.0, 60.0)]
    assert bounds[0] == bounds[1] == 1.0
    assert sorted(bounds, reverse=True) == bounds
    assert bounds[-1] < 1e-15


def test_code_words_lie_eight_apart_and_three_errors_are_mended():
    words = codewords()
    assert words.shape == (65536, 32)
    distances = (32 - words[1:] @ words[0]) / 2
    assert distances.min() == 8
    noisy = words[PAYLOAD].copy()
    noisy[[3, 17, 30]] *= -1
    assert decode(noisy[None])[0] == [PAYLOAD]


def test_frames_of_other_rates_and_shapes_are_marked(tmp_path):
    for fps, shape in ((30000 / 1001, (50, 64, 96, 3)), (12.5, (30, 80, 64, 3))):
        frames = np.full(shape, 128, np.uint8) + np.random.default_rng(1).integers(0, 4, shape, np.uint8)
        luma = MARK.embed(frames, 0, fps, 77).mean(-1, dtype=np.float32)
        assert MARK.detect(luma, np.arange(len(frames)) / fps).payload == 77


def test_the_file_that_is_written_holds_it(tmp_path):
    from s2vkit.media.frames import read_frames

    with VideoWriter(tmp_path / "a.mp4", (64, 64), FPS) as video:
        video.write(MARK.embed(scene(64), 0, FPS, PAYLOAD))
    assert detect(read_frames(tmp_path / "a.mp4")[0]).payload == PAYLOAD
