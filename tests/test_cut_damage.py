"""Damaged and odd files: each gives clips or a reason, quickly, and none a crash."""

from __future__ import annotations

import struct
import time
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers_film import FindsDrawn, Portrait, clicks, steady, write_film

from s2vkit.data.preparation.cut import REASONS, Cutting, Rejected, cut_source
from s2vkit.interfaces.dataset import Source

MOST = 20  # s, for one small file on a busy machine; each takes some hundredths
ENDINGS = [".mp4", ".mkv", ".flv", ".avi", ".mpg", ".ts", ".webm"]
counted: list[str] = []


def outcome(path: Path, sound: Path | None = None) -> str:
    """Cut a file: 'clips', or the reason it was rejected for."""
    begun = time.monotonic()
    options = Cutting(size=16, min_face=12, detect_at=64, shortest=0.4)
    try:
        made = cut_source(Source("a", path, {}, "train", sound), options, FindsDrawn())
    except Rejected as aside:
        result = aside.reason if aside.detail else "no detail"
    else:
        for clip in made.clips:
            assert clip.frames.shape[1:] == (16, 16, 3)
            assert len(clip.speech) == round(len(clip.frames) * 640)
            assert np.isfinite(clip.speech).all()
            assert np.abs(clip.speech).max() <= 1
        assert made.clips
        result = "clips"
    assert result in {"clips", *REASONS}
    assert time.monotonic() - begun < MOST
    counted.append(f"{path.name}: {result}")
    return result


def face(size: tuple[int, int] = (64, 48)) -> Portrait:
    return Portrait(lambda t: (size[0] / 2, size[1] / 2, 0.6 * size[1]), size=size)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    found = {}
    for ending in ENDINGS:
        rate = 48000 if ending == ".webm" else 22050
        sound = clicks(1, rate) + np.random.default_rng(1).normal(0, 0.05, rate).astype(np.float32)
        steadily = Fraction(25) if ending in (".avi", ".mpg") else None
        path = write_film(folder / f"a{ending}", steady(25, 1), face(), sound, sound_rate=rate, rate=steadily)
        found[ending] = path.read_bytes()
    return found


@pytest.mark.parametrize("ending", ENDINGS)
def test_whole_files_give_clips(tmp_path, whole, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(whole[ending])
    assert outcome(path) == "clips"


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_files(tmp_path, whole, ending):
    data = whole[ending]
    results = []
    for share in (0.001, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.99):
        path = tmp_path / f"cut{share}{ending}"
        path.write_bytes(data[: max(1, int(share * len(data)))])
        results.append(outcome(path))
    assert results[0] != "clips"


@pytest.mark.parametrize("ending", ENDINGS)
def test_bits_flipped(tmp_path, whole, ending):
    rng = np.random.default_rng(ENDINGS.index(ending))
    for i in range(14):
        data = np.frombuffer(whole[ending], np.uint8).copy()
        places = rng.integers(0, len(data), max(1, int(len(data) * 10 ** rng.uniform(-4, -1.5))))
        data[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
        path = tmp_path / f"flip{i}{ending}"
        path.write_bytes(data.tobytes())
        outcome(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_hole_of_zeros_and_a_head_that_is_missing(tmp_path, whole, ending):
    data = whole[ending]
    third = len(data) // 3
    for name, bad in (("hole", data[:third] + bytes(third) + data[2 * third :]), ("tail", data[third:])):
        path = tmp_path / f"{name}{ending}"
        path.write_bytes(bad)
        outcome(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_renamed_files_are_what_they_hold(tmp_path, whole, ending):
    for wrong in (".wav", ".mp4" if ending != ".mp4" else ".avi", ".txt"):
        path = tmp_path / f"a{wrong}"
        path.write_bytes(whole[ending])
        assert outcome(path) == "clips"


NO_FILMS = {
    "empty.mp4": b"",
    "one.mkv": b"\0",
    "zeros.flv": bytes(5000),
    "text.avi": b"hello " * 900,
    "noise.mpg": np.random.default_rng(0).bytes(20000),
    "list.m3u8": b"#EXTM3U\nfile:///etc/passwd\n",
    "concat.txt": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "riff.avi": b"RIFF\xff\xff\xff\xffAVI ",
    "ftyp.mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp41",
    "huge.mp4": b"\xff\xff\xff\xffftypisom" * 9,
    "ebml.mkv": b"\x1a\x45\xdf\xa3" + b"\xff" * 64,
    "flv.flv": b"FLV\x01\x05\0\0\0\x09\0\0\0\0",
}


@pytest.mark.parametrize("name", NO_FILMS)
def test_what_is_no_film(tmp_path, name):
    (tmp_path / name).write_bytes(NO_FILMS[name])
    assert outcome(tmp_path / name) in ("undecodable", "no_sound_track")


def test_a_folder_a_missing_file_and_a_pipe(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "none.mp4", tmp_path / "pipe.mp4"):
        assert outcome(path) == "undecodable"


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(np.zeros(16000, np.int16).tobytes())
    assert outcome(path) == "undecodable"


@pytest.mark.parametrize(("width", "height"), [(65000, 65000), (20000, 20000), (5000, 5000)])
def test_huge_declared_sizes_are_refused(tmp_path, whole, width, height):
    data = bytearray(whole[".avi"])  # strf: BITMAPINFOHEADER holds width and height
    at = data.index(b"strf") + 12
    data[at : at + 8] = struct.pack("<ii", width, height)
    head = data.index(b"avih") + 8 + 32
    data[head : head + 8] = struct.pack("<II", width, height)
    (tmp_path / "a.avi").write_bytes(bytes(data))
    outcome(tmp_path / "a.avi")
    path = tmp_path / "big.y4m.avi"
    path.write_bytes(bytes(data).replace(b"FMP4", b"MJPG").replace(b"mp4v", b"MJPG"))
    assert outcome(path) != "clips"


FORMATS = [
    ("yuv444p", "libx264"),
    ("yuv422p10le", "libx264"),
    ("yuv420p10le", "libx264"),
    ("gray", "libx264"),
    ("yuvj420p", "mjpeg"),
    ("rgb24", "png"),
    ("rgba", "png"),
    ("gray16be", "png"),
    ("yuva420p", "ffv1"),
    ("yuv410p", "ffv1"),
    ("gbrp16le", "ffv1"),
    ("bgr0", "ffv1"),
    ("nv12", "rawvideo"),
    ("yuyv422", "rawvideo"),
    ("ya8", "png"),
    ("yuv440p", "ffv1"),
    ("rgb48be", "png"),
]


@pytest.mark.parametrize(("pix_fmt", "codec"), FORMATS)
def test_unusual_pixel_formats(tmp_path, pix_fmt, codec):
    path = tmp_path / ("a.mov" if codec == "png" else "a.mkv")
    sound = clicks(1)
    write_film(path, steady(25, 1), face(), sound, pix_fmt=pix_fmt, codecs=(codec, "pcm_s16le"))
    grey = pix_fmt.startswith(("gray", "ya"))
    assert outcome(path) == ("no_face" if grey else "clips")


@pytest.mark.parametrize(
    "turn", [(0, 65536, 0, -65536, 0), (-65536, 0, 0, 0, -65536), (0, -65536, 0, 65536, 0)]
)
def test_turned_phones_films(tmp_path, whole, turn):
    data = bytearray(whole[".mp4"])
    at = data.index(b"tkhd") + 44
    data[at : at + 20] = struct.pack(">5i", *turn)
    (tmp_path / "a.mp4").write_bytes(bytes(data))
    assert outcome(tmp_path / "a.mp4") == "clips"


def streams(path: Path, video: int, audio: int) -> Path:
    """A film whose streams hold that many pictures and blocks of sound."""
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        out.start_encoding()
        for i in range(video):
            frame = av.VideoFrame.from_ndarray(face()(i / 25), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        for i in range(audio):
            block = np.full((1, 640), 100, np.int16)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, 640 * i, Fraction(1, 16000)
            out.mux(sound.encode(frame))
    return path


@pytest.mark.parametrize(
    ("video", "audio", "expected"),
    [
        (0, 25, "undecodable"),
        (25, 0, "no_sound_track"),
        (0, 0, "undecodable"),
        (1, 25, "too_short"),
        (25, 1, "too_short"),
        (2, 2, "too_short"),
    ],
)
@pytest.mark.parametrize("ending", [".mkv", ".avi", ".mov"])
def test_streams_of_no_length(tmp_path, video, audio, expected, ending):
    found = outcome(streams(tmp_path / f"a{ending}", video, audio))
    assert found in {expected, "undecodable", "no_sound_track"}


@pytest.mark.parametrize("late", [-0.3, 0.2, 0.45, 0.9, 5.0])
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_late_and_early_sound(tmp_path, late, ending):
    path = tmp_path / f"a{ending}"
    write_film(path, steady(25, 2, max(0, -late)), face(), clicks(2), sound_start=max(0, late))
    assert outcome(path) == ("clips" if late < 5 else "too_short")


def test_a_size_that_changes_on_the_way(tmp_path):
    path = tmp_path / "a.ts"
    parts = [
        write_film(tmp_path / f"{i}.ts", steady(25, 1, i), face(size), clicks(1), sound_start=i)
        for i, size in enumerate([(64, 48), (96, 64)])
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    outcome(path)


def test_separate_sound_that_is_damaged_or_missing(tmp_path, whole):
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[".mp4"])
    (tmp_path / "bad.wav").write_bytes(b"RIFF....WAVE")
    assert outcome(path, tmp_path / "bad.wav") in ("undecodable", "no_sound_track")
    assert outcome(path, tmp_path / "none.wav") == "undecodable"


def test_there_were_two_hundred():
    assert len(counted) >= 200 or len(counted) < 150, "run the whole file"
