"""What was recorded at a time stays at that time, and what is left out is reported."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers_film import FindsDrawn, Portrait, clicks, flashing, steady, write_film
from helpers_media import pitch, sine, write_sound

from s2vkit.data.preparation.cut import Cutting, Cuttings, cut_source
from s2vkit.errors import InputError
from s2vkit.interfaces.dataset import Source
from s2vkit.media import read_speech
from s2vkit.media.film import Film
from s2vkit.media.sound import Block, Reading
from s2vkit.media.timing import Piece, Timeline, spans


def placed(times: list[float | None], append: bool = False) -> tuple[list[float], list, int, list[str]]:
    """Place pieces of 0.5 s: their times, the holes, how many strayed, and the notes."""
    strays, notes = [], []
    line = Timeline[int]("sound", 0.1, lambda: strays.append(1), notes.append, append)
    given = [time for time, _ in line.place(Piece(t, 0.5, i) for i, t in enumerate(times))]
    return given, line.holes, len(strays), notes


def test_time_stamps_are_believed_as_far_as_they_agree():
    assert placed([3, 3.5, 4]) == ([3, 3.5, 4], [], 0, [])
    assert placed([7]) == ([7], [], 0, [])
    assert placed([0, 0.5, 20, 20.5]) == ([0, 0.5, 20, 20.5], [(1, 20)], 0, [])
    assert placed([0, 0.5, 20, 1.5, 2]) == ([0, 0.5, 1.5, 2], [(1, 1.5)], 1, [])
    assert placed([900, 0, 0.5]) == ([0, 0.5], [], 1, [])
    assert placed([0, 0.5, -50, 1, 1e9]) == ([0, 0.5, 1], [], 2, [])
    assert placed([None, None, 1]) == ([0, 0.5, 1], [], 0, [])
    assert placed([]) == ([], [], 0, [])


def test_a_restart_is_reported():
    left = "time starts again after 2.00 s of sound; the rest of it is left out"
    assert placed([5, 5.5, 6, 6.5, 0, 0.5, 1]) == ([5, 5.5, 6, 6.5], [], 0, [left])
    times, _, _, notes = placed([5, 5.5, 6, 6.5, 0, 0.5, 1], append=True)
    assert times == [5, 5.5, 6, 6.5, 7, 7.5, 8]
    assert notes == ["time starts again after 2.00 s of sound; the rest of it follows on there"]
    far = placed([0, 0.5, 1e6, 1e6 + 0.5])
    assert far == (
        [0, 0.5],
        [],
        0,
        ["time leaps to 1000000 s after 1.00 s of sound; the rest of it is left out"],
    )


def test_spans_are_written_short():
    assert spans([(1.2, 2)]) == "1.20-2.00 s"
    assert spans([(n, n + 1) for n in range(5)]).endswith("2.00-3.00 s and 2 more")


def cut(path: Path, **options) -> Cuttings:
    small = {"size": 32, "min_face": 24, "detect_at": 160, **options}
    return cut_source(Source("a", path, {}, "train"), Cutting(**small), FindsDrawn())


FACE = Portrait(lambda t: (80, 60, 50))


def hum(seconds: float) -> np.ndarray:
    return clicks(seconds) + sine(200, seconds, 22050, 0.1).astype(np.float32)


def test_video_after_a_long_hole_is_cut_and_the_hole_reported(tmp_path):
    times = np.concatenate([steady(25, 1.6), steady(25, 1.6, 14)])
    found = cut(write_film(tmp_path / "a.mkv", times, FACE, hum(16.1)))
    assert [(clip.start, len(clip.frames)) for clip in found.clips] == [(0, 40), (14, 40)]
    assert found.notes[0] in ("no pictures at 1.60-14.00 s", "no pictures at 1.59-14.00 s")
    click = np.argmax(np.abs(found.clips[1].speech[8000:])) + 8000  # the one of second 15
    assert click == pytest.approx(16000, abs=200)


def test_what_is_left_out_is_reported_with_its_times(tmp_path):
    def face(time: float) -> tuple[float, float, float]:
        return (80, 60, 50 if time < 2 else 10)

    draw = Portrait(face, background=lambda time: 30 if time < 2 else 150)
    found = cut(write_film(tmp_path / "a.mkv", steady(25, 4), draw, hum(4)))
    (note,) = found.notes
    assert note.startswith("left out: 2.00-4.00 s (the face is 10 pixels high")


def holed(path: Path, begin: float, late: float, **words) -> Path:
    """Sound of 300 Hz and, `late` s after `begin`, of 500 Hz."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for start, hertz in ((0.0, 300), (begin + late, 500)):
            wave = (sine(hertz, begin, 16000) * 32767).astype(np.int16)
            for at in range(0, len(wave), 1600):
                frame = av.AudioFrame.from_ndarray(wave[None, at : at + 1600], format="s16", layout="mono")
                frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
                frame.pts = round(start * 16000) + at
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("late", [0.5, 12.0])
def test_holes_in_sound_files_stay(tmp_path, late):
    sound = read_speech(holed(tmp_path / "a.mka", 1.0, late))
    assert sound.seconds == pytest.approx(2 + late, abs=0.01)
    assert not sound.samples[16500 : round((1 + late) * 16000) - 500].any()
    assert pitch(sound.samples[round((1 + late) * 16000) :], 16000) == pytest.approx(500, abs=3)
    assert sound.notes == [f"the recording has holes, silent here: 1.00-{1 + late:.2f} s"]


def test_an_overlap_is_left_out_and_moves_nothing():
    reading = Reading("a", 16000)
    low, high = (sine(hertz, 1, 16000).astype(np.float32) for hertz in (300, 500))
    reading.take(0.0, Block(16000, low))
    reading.take(0.5, Block(16000, high))
    sound = reading.finish(0.0, False, 0.1)
    assert sound.seconds == pytest.approx(1.5)
    np.testing.assert_array_equal(sound.samples, np.concatenate([low, high[8000:]]))


@pytest.mark.parametrize("ending", [".aac", ".mp3"])
def test_an_estimated_length_is_no_promise(tmp_path, ending):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * 44100)
    noise[: 2 * 44100] = 0  # silence takes few bytes, so that the estimate is far too long
    codec = "aac" if ending == ".aac" else "libmp3lame"
    path = tmp_path / f"a{ending}"
    with av.open(str(path), "w", options={"write_xing": "0"} if ending == ".mp3" else {}) as out:
        stream = out.add_stream(codec, rate=44100, layout="mono", options={"q": "1", "flags": "+qscale"})
        frame = av.AudioFrame.from_ndarray(noise.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = 44100
        for block in (frame, None):
            out.mux(stream.encode(block))
    sound = read_speech(path)
    assert sound.seconds == pytest.approx(4, abs=0.1)
    assert sound.notes == []


def test_wrapped_time_stamps_go_on(tmp_path):
    wrap = 2**33 / 90000
    path = tmp_path / "a.ts"
    start = wrap - 0.8 - 1.4  # the muxer adds 1.4 s
    write_film(path, steady(25, 1.6, start), FACE, np.tile(hum(0.8), 2), sound_start=start)
    with Film(path) as film:
        times = [time for time, _ in film]
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)
    (clip,) = cut(path).clips
    assert len(clip.frames) == 40


def edited(path: Path, skips: list[float]) -> Path:
    """Have the edit list of each track of an MP4, in turn, begin so many seconds later."""
    data = bytearray(path.read_bytes())
    at = 0
    for seconds in skips:
        scale_at = data.index(b"mdhd", at) + 4 + 12  # after version, flags and two times
        elst = data.index(b"elst", at) + 4
        [rate] = struct.unpack_from(">I", data, scale_at)
        version, count, length, begin = struct.unpack_from(">IIIi", data, elst)
        assert (version, count) == (0, 1)
        shorter = length - round(seconds * 1000)  # the film's own clock counts milliseconds
        struct.pack_into(">Ii", data, elst + 8, shorter, begin + round(seconds * rate))
        at = max(scale_at, elst)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("skips", [[0.4, 0.4], [0.4, 0.2]])
def test_edit_lists_are_followed(tmp_path, skips):
    """What a phone trims stays in the file, and only the edit list says that it is not shown."""
    film = write_film(tmp_path / "a.mp4", steady(25, 2.4), flashing(), clicks(2.4))
    film = edited(film, skips)
    with Film(film) as seen:
        bright = [time - seen.origin for time, frame in seen if frame.to_ndarray(format="gray").mean() > 150]
    assert bright[0] == pytest.approx(1 - skips[0], abs=0.021)
    sound = read_speech(film)
    assert np.abs(sound.samples).argmax() / 16000 == pytest.approx(1 - skips[1], abs=0.021)
    assert sound.seconds == pytest.approx(2.4 - skips[1], abs=0.05)


def sphere(path: Path, samples: np.ndarray, coding: str = "pcm") -> Path:
    kind = {"pcm": ("01", "<i2", 2), "ulaw": ("1", "u1", 1)}[coding]
    head = (
        f"NIST_1A\n   1024\nsample_count -i {len(samples)}\nsample_n_bytes -i {kind[2]}\n"
        f"channel_count -i 1\nsample_byte_format -s{len(kind[0])} {kind[0]}\nsample_rate -i 16000\n"
        f"sample_coding -s{len(coding)} {coding}\nend_head\n"
    )
    path.write_bytes(head.encode().ljust(1024, b"\0") + np.asarray(samples, kind[1]).tobytes())
    return path


def test_nist_sphere_and_tta_are_read(tmp_path):
    wave = sine(440, 1, 16000)
    files = [
        sphere(tmp_path / "a.wav", wave * 32767),
        sphere(tmp_path / "b.sph", np.where(wave > 0, 0x80, 0x00), "ulaw"),
        write_sound(tmp_path / "a.tta", wave[None], 16000, "tta"),
    ]
    for path in files:
        sound = read_speech(path)
        assert sound.seconds == pytest.approx(1), path
        assert pitch(sound.samples, 16000) == pytest.approx(440, abs=3)
        assert sound.notes == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "a JPEG picture"),
        (bytes(999), "zeros alone"),
    ],
)
def test_what_is_no_media_is_named(tmp_path, data, said):
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(InputError, match=said):
        read_speech(tmp_path / "a.mp4")
