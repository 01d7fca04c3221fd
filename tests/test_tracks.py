"""Which track and channels hold the speech, and which pictures are the film."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.reformatter import Colorspace
from helpers_media import grey, pitch, sine, write_sound

from s2vkit.errors import InputError
from s2vkit.media import read_speech
from s2vkit.media.film import Film, Scaler
from s2vkit.media.hdr import _display_light, to_bt709
from s2vkit.media.tracks import choose_video

RATE = 16000


def tracks(path: Path, sounds: list[np.ndarray], default: int | None = None, pictures: int = 0) -> Path:
    """Write several mono tracks of sound beside a grey film, one of them the default."""
    with av.open(str(path), "w") as out:
        film = out.add_stream("mpeg4", rate=25) if pictures else None
        if film is not None:
            film.width = film.height = 64
        voices = [out.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in sounds]
        for i, voice in enumerate(voices):
            voice.disposition = Disposition.default if i == default else Disposition(0)
        for _ in range(pictures):
            out.mux(film.encode(av.VideoFrame.from_ndarray(grey(), format="rgb24")))
        for voice, samples in zip(voices, sounds, strict=True):
            block = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), 0
            out.mux(voice.encode(frame))
            out.mux(voice.encode(None))
        if film is not None:
            out.mux(film.encode(None))
    return path


def hertz(path: Path, **words) -> float:
    return round(pitch(read_speech(path, **words).samples, RATE), -1)


LOW, HIGH, FAINT = sine(300, 1, RATE), sine(500, 1, RATE), sine(700, 1, RATE, 0.002)


def test_the_default_track_is_taken_not_the_first(tmp_path):
    path = tracks(tmp_path / "a.mkv", [LOW, HIGH], default=1, pictures=25)
    assert hertz(path) == 500
    (note,) = read_speech(path).notes
    assert note == "2 sound tracks: number 2 (pcm_s16le) is taken; audio_track chooses another"


@pytest.mark.parametrize("still", [FAINT, 0 * LOW])
def test_a_silent_track_is_no_speech_where_another_speaks(tmp_path, still):
    assert hertz(tracks(tmp_path / "a.mka", [still, HIGH], default=0)) == 500
    assert hertz(tracks(tmp_path / "b.mka", [LOW, HIGH], default=0)) == 300


def test_a_track_is_chosen_by_hand(tmp_path):
    path = tracks(tmp_path / "a.mka", [LOW, HIGH])
    assert hertz(path, track=2) == 500
    assert read_speech(path, track=1).notes == []
    with pytest.raises(InputError, match=r"has no sound track 3\s.*1 \(pcm_s16le\), 2 \(pcm_s16le\)"):
        read_speech(path, track=3)


CHANNELS = {
    "antiphase": ([LOW, -LOW], "stereo", 300, 0.5, "out of phase"),
    "left alone": ([LOW, 0 * LOW], "stereo", 300, 0.5, "only number 1 speaks"),
    "right beside an offset": ([0.01 + 0 * LOW, HIGH], "stereo", 500, 0.5, "only number 2 speaks"),
    "centre": ([HIGH / 2, HIGH / 2, LOW, HIGH, HIGH / 2, HIGH / 2], "5.1", 300, 0.5, "centre channel"),
    "no centre": ([LOW, LOW, 0 * LOW, HIGH, 0 * LOW, 0 * LOW], "5.1", 300, 0.5, "number 1, 2 speaks"),
    "both": ([LOW, LOW], "stereo", 300, 0.5, None),
}


@pytest.mark.parametrize("kind", CHANNELS)
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8", "pcm_f32le"])
def test_the_channels_that_speak_are_taken(tmp_path, kind, codec):
    channels, layout, pitched, level, said = CHANNELS[kind]
    path = write_sound(tmp_path / "a.wav", np.stack(channels), RATE, codec, layout)
    sound = read_speech(path)
    assert round(pitch(sound.samples, RATE), -1) == pitched
    assert np.abs(sound.samples).max() == pytest.approx(level, abs=0.02)
    assert [said in note for note in sound.notes] == ([True] if said else [])


def film(path: Path, counts: list[int], sizes: list[int], default: int | None = None) -> Path:
    """Write several tracks of that many pictures."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("mjpeg" if n == 1 else "mpeg4", rate=25) for n in counts]
        for i, (stream, size) in enumerate(zip(streams, sizes, strict=True)):
            stream.width = stream.height = size
            stream.pix_fmt = "yuvj420p" if counts[i] == 1 else "yuv420p"
            stream.disposition = Disposition.default if i == default else Disposition(0)
        for stream, count, size in zip(streams, counts, sizes, strict=True):
            for _ in range(count):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(grey(size), format="rgb24")))
            out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("default", [None, 0, 1])
def test_a_still_is_no_film(tmp_path, default):
    path = film(tmp_path / "a.mkv", [1, 5], [96, 32], default)
    with Film(path) as seen:
        assert seen.width == 32
        assert len(list(seen)) == 5
        assert seen.notes[0].startswith("2 video tracks: number 2 (mpeg4, 32 x 32) is taken")


def test_of_two_films_the_default_one_is_taken_then_the_larger(tmp_path):
    assert choose_video(film(tmp_path / "a.mkv", [5, 5], [32, 64])).index == 1
    path = film(tmp_path / "b.mkv", [5, 5], [32, 64], default=0)
    assert choose_video(path).index == 0
    assert choose_video(path, 2).index == 1
    with pytest.raises(InputError, match="has no video track 3"):
        Film(path, track=3)


UPRIGHT = np.zeros((32, 64, 3), np.uint8)
UPRIGHT[:16, :32] = 250  # bright in the upper left
MATRICES = {  # a b c d of the display matrix, and where the bright quarter comes: row, column
    (1, 0, 0, 1): (0, 0),
    (-1, 0, 0, 1): (0, 1),
    (1, 0, 0, -1): (1, 0),
    (-1, 0, 0, -1): (1, 1),
    (0, 1, 1, 0): (0, 0),
    (0, 1, -1, 0): (0, 1),
    (0, -1, 1, 0): (1, 0),
    (0, -1, -1, 0): (1, 1),
}


@pytest.fixture(scope="module")
def quarter(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("quarter") / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(1)
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(UPRIGHT, format="rgb24")))
        out.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("matrix", MATRICES)
def test_all_eight_display_matrices_are_followed(tmp_path, quarter, matrix):
    a, b, c, d = (65536 * one for one in matrix)
    data = bytearray(quarter)
    at = data.index(b"tkhd") + 44
    data[at : at + 20] = b"".join(v.to_bytes(4, "big", signed=True) for v in (a, b, 0, c, d))
    (tmp_path / "a.mp4").write_bytes(data)
    with Film(tmp_path / "a.mp4") as seen:
        frame = next(iter(seen))[1]
        picture = Scaler(seen)(frame)
        assert Scaler(seen).blank(frame).shape == picture.shape
    tall, wide = picture.shape[0] // 2, picture.shape[1] // 2
    assert (tall, wide) == ((32, 16) if matrix[1] else (16, 32))
    means = [[picture[i * tall :][:tall, j * wide :][:, :wide].mean() for j in (0, 1)] for i in (0, 1)]
    assert np.unravel_index(np.argmax(means), (2, 2)) == MATRICES[matrix]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 36, 30, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 9)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(grey()[:30, :36], format="rgb24")))
        out.mux(stream.encode(None))
    with Film(tmp_path / "a.mp4") as seen:
        assert Scaler(seen)(next(iter(seen))[1]).shape == (30, 64, 3)


def high_range(path: Path, codes: float, trc: int) -> Path:
    """A flat grey picture of BT.2100 whose components all have one code (0 to 1)."""
    flat = np.full((32, 48, 3), round(codes * 65535), np.uint16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.colorspace = trc, Colorspace.BT2020
        picture = av.VideoFrame.from_ndarray(flat, format="rgb48le")
        out.mux(stream.encode(picture.reformat(format="yuv420p10le", dst_colorspace=Colorspace.BT2020)))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("transfer", "trc", "white", "grey"), [("PQ", 16, 0.5807, 0.4403), ("HLG", 18, 0.75, 0.4971)]
)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_high_dynamic_range_is_brought_to_bt709(tmp_path, transfer, trc, white, grey, scale):
    """203 cd/m2 is diffuse white in both (BT.2408), 50 are a dark grey that a display shows as it is."""
    shown = []
    for codes in (white, grey):
        with Film(high_range(tmp_path / "a.mkv", codes, trc)) as seen:
            [picture] = [Scaler(seen, scale)(frame) for _, frame in seen]
            assert seen.notes == [f"pictures of high dynamic range ({transfer}) were brought to BT.709"]
        assert picture.shape == (round(32 * scale), round(48 * scale), 3)
        assert np.ptp(picture) <= 3
        shown.append(picture.mean())
    assert shown[0] == pytest.approx(230, abs=3)
    assert shown[1] == pytest.approx(255 * (50 / 203) ** (1 / 2.4), abs=3)


def test_the_primaries_of_bt2020_become_those_of_bt709():
    """A red of BT.709, as it is in the primaries of BT.2020, and one that only these have."""
    red = np.array([[[0.6274, 0.0691, 0.0164], [1, 0, 0]]]) * 60  # cd/m2
    codes = np.searchsorted(_display_light("PQ"), red).astype(np.uint16)
    [[known, wider]] = to_bt709(codes, "PQ").tolist()
    assert known == pytest.approx([255 * (60 / 203) ** (1 / 2.4), 0, 0], abs=4)
    assert wider[0] > known[0]
    assert wider[1:] == [0, 0]


def combed(shift: int) -> np.ndarray:
    """A picture of a bar, whose odd lines were taken when it had moved on."""
    picture = np.full((64, 96, 3), 30, np.uint8)
    picture[0::2, shift : shift + 24] = 220
    picture[1::2, shift + 12 : shift + 36] = 220
    return picture


@pytest.mark.parametrize("flagged", [True, False])
def test_interlaced_pictures_lose_their_combs(tmp_path, flagged):
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"x264-params": "tff=1"} if flagged else {}
        for i in range(4):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(combed(8 * i), format="rgb24")))
        out.mux(stream.encode(None))
    with Film(tmp_path / "a.mkv") as seen:
        scaler = Scaler(seen)
        shown = [(time, scaler(frame).astype(int)) for time, frame in seen]
        noted = [note for note in seen.notes if "deinterlaced" in note]
    combs = [np.abs(picture[1:-1] - (picture[:-2] + picture[2:]) // 2).mean() for _, picture in shown]
    assert len(shown) == 4
    np.testing.assert_allclose(np.diff([time for time, _ in shown]), 0.04, atol=2e-3)
    assert (max(combs) < 12) == flagged
    assert noted == (["4 interlaced pictures were deinterlaced"] if flagged else [])
