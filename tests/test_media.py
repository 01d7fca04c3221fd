from __future__ import annotations

import os
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers_media import add_video, grey, pitch, real_folder, sine, write_sound
from s2vkit_synthetic import SyntheticOptions
from s2vkit_synthetic.corpus import SyntheticCorpus

from s2vkit.errors import InputError
from s2vkit.media import (
    VideoWriter,
    has_codecs,
    iter_frames,
    probe,
    read_frames,
    read_speech,
    replacing,
    resample,
)

KINDS = [
    ("a.wav", "pcm_s16le", "mono", 8000),
    ("a.wav", "pcm_s16le", "stereo", 44100),
    ("a.wav", "pcm_s16le", "5.1", 48000),
    ("a.wav", "pcm_u8", "mono", 16000),
    ("a.wav", "pcm_s24le", "stereo", 48000),
    ("a.wav", "pcm_s32le", "mono", 22050),
    ("a.wav", "pcm_f32le", "stereo", 44100),
    ("a.wav", "pcm_f64le", "mono", 96000),
    ("a.flac", "flac", "stereo", 44100),
    ("a.mp3", "libmp3lame", "stereo", 44100),
    ("a.m4a", "aac", "5.1", 48000),
    ("a.ogg", "libopus", "stereo", 48000),
    ("a.mp4", "aac", "stereo", 44100),
    ("a.mkv", "pcm_s16le", "mono", 48000),
    ("a.flv", "aac", "mono", 44100),
    ("a.webm", "libopus", "mono", 48000),
    ("a.mpg", "mp2", "stereo", 44100),
]
COUNTS = {"mono": 1, "stereo": 2, "5.1": 6}
VIDEOS = (".mp4", ".mkv", ".flv", ".webm", ".mpg")


@pytest.mark.parametrize(("name", "codec", "layout", "rate"), KINDS)
def test_sound_of_any_kind_keeps_length_pitch_and_level(tmp_path, name, codec, layout, rate):
    channels = np.stack([sine(440, 1.5, rate)] * COUNTS[layout])
    frames = 40 if name.endswith(VIDEOS) else 0
    path = write_sound(tmp_path / name, channels, rate, codec, layout, frames=frames)
    sound = read_speech(path)
    assert sound.samples.dtype == np.float32
    assert sound.samples.ndim == 1
    lossless = name.endswith((".wav", ".flac", ".mkv"))
    assert len(sound.samples) == pytest.approx(24000, abs=1 if lossless else 800)
    middle = sound.samples[8000:16000]
    assert pitch(middle, 16000) == pytest.approx(440, abs=3)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.5 / 2**0.5, rel=0.1)
    assert sound.notes == (["the centre channel of 5.1 sound is taken"] if layout == "5.1" else [])


def test_channels_that_speak_are_averaged(tmp_path):
    left, right = sine(440, 1, 16000, 0.6), sine(300, 1, 16000, 0.3)
    path = write_sound(tmp_path / "a.wav", np.stack([left, right]), 16000, layout="stereo")
    np.testing.assert_allclose(read_speech(path).samples, (left + right) / 2, atol=2e-4)


def test_other_rates_can_be_asked_for(tmp_path):
    path = write_sound(tmp_path / "a.wav", sine(440, 1, 16000)[None], 16000)
    assert len(read_speech(path, sample_rate=22050).samples) == 22050


def test_what_the_new_rate_cannot_hold_is_filtered_out():
    above = resample(sine(9000, 1, 48000).astype(np.float32), 48000, 16000)
    below = resample(sine(3000, 1, 48000).astype(np.float32), 48000, 16000)
    assert np.abs(above[1000:-1000]).max() < 1e-3
    assert np.abs(below[1000:-1000]).max() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("source", [8000, 11025, 44100, 48000])
def test_resampling_keeps_the_place_of_a_click(source):
    samples = np.zeros(source, np.float32)
    samples[source // 2] = 1
    out = resample(samples, source, 16000)
    assert len(out) == 16000
    assert np.argmax(np.abs(out)) == pytest.approx(8000, abs=1)


def test_late_sound_of_a_video_keeps_its_place(tmp_path):
    click = np.zeros((1, 48000))
    click[0, 24000] = 0.9
    path = write_sound(tmp_path / "a.mkv", click, 48000, "pcm_s16le", frames=40, late=0.5)
    samples = read_speech(path).samples
    assert len(samples) == pytest.approx(24000, abs=2)
    assert np.argmax(np.abs(samples)) == pytest.approx(16000, abs=2)


def test_late_sound_without_a_video_starts_at_once(tmp_path):
    click = np.zeros((1, 48000))
    click[0, 24000] = 0.9
    path = write_sound(tmp_path / "a.mka", click, 48000, "pcm_s16le", late=0.5, fmt="matroska")
    assert np.argmax(np.abs(read_speech(path).samples)) == pytest.approx(8000, abs=2)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w") as out:
        sound = out.add_stream("libmp3lame", rate=44100, layout="mono")
        cover = out.add_stream("png")
        cover.width = cover.height = 64
        cover.pix_fmt = "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        samples = sine(440, 1, 44100).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        picture = av.VideoFrame.from_ndarray(grey(), format="rgb24")
        out.mux(cover.encode(picture))
        out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    assert probe(path)["streams"][-1]["cover"]
    assert len(read_speech(path).samples) == pytest.approx(16000, abs=800)
    with pytest.raises(InputError, match="has no pictures"):
        read_frames(path)


def test_samples_beyond_full_scale_are_scaled_with_a_note(tmp_path):
    path = float_wav(tmp_path / "a.wav", sine(440, 1, 16000, 3.0))
    sound = read_speech(path)
    assert np.abs(sound.samples).max() == pytest.approx(1)
    assert sound.notes == ["samples reach 3; all were scaled down to fit [-1, 1]"]


def float_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    data = np.asarray(samples, "<f4").tobytes()
    head = struct.pack("<IHHIIHH", 16, 3, 1, rate, rate * 4, 4, 32)
    body = b"WAVEfmt " + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def silent_video(path: Path) -> Path:
    with VideoWriter(path, (64, 64), 25) as writer:
        writer.write(np.stack([grey()] * 5))
    return path


def text(path: Path, words: str) -> Path:
    path.write_text(words)
    return path


def holed(value: float) -> np.ndarray:
    samples = sine(440, 1, 16000)
    samples[9000] = value
    return samples


BAD = {
    "missing": (lambda d: d / "none.wav", "no such file"),
    "folder": (lambda d: d, "is a folder"),
    "empty": (lambda d: text(d / "a.wav", ""), r"empty \(0 bytes\)"),
    "text": (lambda d: text(d / "a.wav", "hello " * 500), "not a sound or video file"),
    "text mp3": (lambda d: text(d / "a.mp3", "hello " * 500), "not a sound or video file"),
    "playlist": (
        lambda d: text(d / "a.mp3", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://h/a.ts\n"),
        "not a sound or video file",
    ),
    "concat list": (
        lambda d: text(d / "a.wav", f"ffconcat version 1.0\nfile {float_wav(d / 'b.wav', holed(0)).name}\n"),
        "not a sound or video file",
    ),
    "no sound": (lambda d: silent_video(d / "a.mp4"), "has no sound track"),
    "no samples": (lambda d: float_wav(d / "a.wav", np.zeros(0)), "holds no samples"),
    "noise as aac": (
        lambda d: noise(d / "a.aac"),
        "not a sound or video file|cannot be decoded|holds no samples",
    ),
    "silent": (lambda d: float_wav(d / "a.wav", np.zeros(16000)), "is silent .below -60 dBFS"),
    "offset": (lambda d: float_wav(d / "a.wav", np.full(16000, 0.3)), "is silent"),
    "faint": (lambda d: float_wav(d / "a.wav", sine(440, 1, 16000, 9e-4)), "is silent"),
    "nan": (lambda d: float_wav(d / "a.wav", holed(np.nan)), "NaN or infinite"),
    "infinite": (lambda d: float_wav(d / "a.wav", holed(-np.inf)), "NaN or infinite"),
    "short": (lambda d: float_wav(d / "a.wav", sine(440, 0.05, 16000)), "only 0.050 s of sound"),
    "slow": (lambda d: float_wav(d / "a.wav", sine(1, 9, 100), 100), "rate of 100 Hz"),
}


def noise(path: Path) -> Path:
    path.write_bytes(np.random.default_rng(0).bytes(20000))
    return path


@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_refused_in_one_message(tmp_path, kind):
    make, words = BAD[kind]
    path = make(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        read_speech(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_devices_are_refused():
    with pytest.raises(InputError, match="not a regular file"):
        read_speech("/dev/zero")


@pytest.mark.parametrize("name", ["http://127.0.0.1:1/a.wav", "concat:a.wav|a.wav", "file:a.wav"])
def test_protocols_are_only_names_of_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    float_wav(tmp_path / "a.wav", holed(0))
    with pytest.raises(InputError, match="no such file"):
        read_speech(name)


@pytest.mark.parametrize("name", ["-a.wav", "ä b %d 100%.wav", "concat:x.wav", "[a]*{b}.wav"])
def test_odd_names_are_read_and_written(tmp_path, monkeypatch, name):
    if os.name == "nt" and set(name) & set(":*"):
        pytest.skip("Windows allows no such name")
    monkeypatch.chdir(tmp_path)
    float_wav(Path(name), sine(440, 1, 16000))
    assert len(read_speech(name).samples) == 16000
    video = silent_video(Path(name + ".mp4"))
    assert read_frames(video)[0].shape == (5, 64, 64, 3)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac")])
def test_what_is_left_of_a_cut_off_file_is_used_with_a_note(tmp_path, name, codec):
    path = write_sound(tmp_path / name, sine(440, 3, 44100)[None], 44100, codec)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sound = read_speech(path)
    assert 1.0 < sound.seconds < 2.0
    assert any("it may be cut off" in note for note in sound.notes)


def test_a_video_cut_off_after_its_index_still_gives_sound_and_frames(tmp_path):
    path = tmp_path / "a.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (75, 64, 64, 3), np.uint8)
    with VideoWriter(path, (64, 64), 25, sine(440, 3, 16000)) as writer:
        writer.write(frames)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    sound = read_speech(path)
    assert 1.0 < sound.seconds < 2.9
    assert sound.notes
    assert 20 < len(read_frames(path)[0]) < 75


# Writing


def moving(count: int, width: int, height: int) -> np.ndarray:
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = 200
    frames[..., 1] = np.arange(count)[:, None, None] * 2
    return frames


@pytest.mark.parametrize("fps", [25, 30000 / 1001, Fraction(30000, 1001), 29.97])
@pytest.mark.parametrize("size", [(64, 64), (65, 63)])
def test_written_video_is_h264_and_aac_of_the_right_length(tmp_path, fps, size):
    width, height = size
    frames = moving(50, width, height)
    seconds = 50 / float(fps)
    path = tmp_path / "deep" / "a.mp4"
    with VideoWriter(path, size, fps, sine(440, seconds, 16000)) as writer:
        for start in range(0, 50, 7):
            writer.write(frames[start : start + 7])
    video, sound = probe(path)["streams"]
    assert (video["codec"], video["pix_fmt"], video["frames"]) == ("h264", "yuv420p", 50)
    assert (video["width"] % 2, video["height"] % 2) == (0, 0)
    assert float(video["fps"]) == pytest.approx(float(fps), rel=1e-4)
    assert (sound["codec"], sound["sample_rate"], sound["channels"]) == ("aac", 48000, 1)
    assert video["seconds"] == pytest.approx(seconds, abs=0.002)
    assert sound["seconds"] == pytest.approx(seconds, abs=0.002)
    again, rate = read_frames(path)
    assert float(rate) == pytest.approx(float(fps), rel=1e-4)
    error = np.abs(again[:, :height, :width].astype(int) - frames)
    assert error.mean() < 3
    samples = read_speech(path).samples
    assert len(samples) == pytest.approx(seconds * 16000, abs=32)
    assert pitch(samples[4000:20000], 16000) == pytest.approx(440, abs=3)


def test_the_index_stands_before_the_media(tmp_path):
    data = silent_video(tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_sound_and_pictures_are_in_step(tmp_path):
    frames = np.zeros((75, 64, 64, 3), np.uint8)
    frames[40] = 255
    speech = np.zeros(48000, np.float32)
    speech[round(40 / 25 * 16000)] = 1
    path = tmp_path / "a.mp4"
    with VideoWriter(path, (64, 64), 25, speech) as writer:
        writer.write(frames)
    flash = max(iter_frames(path), key=lambda pair: pair[1].mean())[0]
    click = np.argmax(np.abs(read_speech(path).samples)) / 16000
    assert flash == pytest.approx(1.6, abs=1e-3)
    assert click == pytest.approx(1.6, abs=2e-3)


def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        VideoWriter(path, (64, 64), 25, np.zeros(16000, np.float32)) as writer,
    ):
        writer.write(np.stack([grey()] * 10))
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.mp4"]  # noqa: PTH208


def test_a_full_disk_removes_the_temporary_file_and_goes_through(tmp_path):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    frames = np.random.default_rng(0).integers(0, 255, (20, 128, 128, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with (
            pytest.raises(OSError, match="File too large"),
            VideoWriter(tmp_path / "a.mp4", (128, 128), 25) as writer,
        ):
            writer.write(frames)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_a_frame_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not one frame"), VideoWriter(tmp_path / "a.mp4", (8, 8), 25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_frames_and_wrong_speech_are_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="not uint8"),
        VideoWriter(tmp_path / "a.mp4", (64, 32), 25) as writer,
    ):
        writer.write(np.zeros((1, 64, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="finite"):
        VideoWriter(tmp_path / "a.mp4", (64, 64), 25, holed(np.nan))
    with pytest.raises(InputError, match="is a folder"), VideoWriter(tmp_path, (64, 64), 25):
        pass


def test_one_input_gives_one_file(tmp_path):
    one, two = silent_video(tmp_path / "a.mp4"), silent_video(tmp_path / "b.mp4")
    assert one.read_bytes() == two.read_bytes()


def test_replacing_is_whole_or_nothing(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(ZeroDivisionError), replacing(path) as part:  # noqa: PT012
        part.write_text("newer")
        raise ZeroDivisionError
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


# Reading frames


def test_frames_can_be_limited_and_timed(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream = add_video(out)
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(grey(), format="rgb24")))
        out.mux(stream.encode(None))
    assert read_frames(path, max_frames=4)[0].shape == (4, 64, 64, 3)
    times = [time for time, _ in iter_frames(path)]
    np.testing.assert_allclose(np.diff(times), 0.04, atol=1e-3)


def test_a_sound_file_has_no_frames(tmp_path):
    path = float_wav(tmp_path / "a.wav", holed(0))
    with pytest.raises(InputError, match="has no pictures"):
        read_frames(path)


def test_the_codecs_that_the_writer_needs_are_there():
    codecs = has_codecs()
    assert codecs["write libx264"]
    assert codecs["write aac"]


# Real clips, where they are at hand


def test_every_real_clip_with_sound_is_read():
    folder = real_folder()
    clips = [p for p in folder.glob("*/*.m*") if p.name != "no_audio_track.mp4"]
    assert len(clips) >= 15
    for clip in clips:
        sound = read_speech(clip)
        told = probe(clip)["seconds"]
        assert sound.seconds == pytest.approx(told, abs=0.1), clip.name
        frames, fps = read_frames(clip, max_frames=2)
        assert frames.shape[0] == 2, clip.name
        assert fps == 25, clip.name


def test_the_real_clip_without_sound_is_refused():
    clip = real_folder() / "awkward" / "no_audio_track.mp4"
    with pytest.raises(InputError, match="has no sound track"):
        read_speech(clip)
    assert read_frames(clip, max_frames=1)[0].shape == (1, 256, 256, 3)


def test_the_same_frames_give_the_same_file_whatever_memory_held_before(tmp_path):
    corpus = SyntheticCorpus(SyntheticOptions(speakers=2, size=96, sentences=3), seed=1)
    np.save(tmp_path / "frames.npy", corpus.load(0).frames)
    program = (
        "import sys, numpy as np; from pathlib import Path; from s2vkit.media import VideoWriter;"
        "writer = VideoWriter(Path(sys.argv[1]), (96, 96), 25.0); writer.__enter__();"
        "writer.write(np.load(sys.argv[2])); writer.__exit__(None, None, None)"
    )
    for fill in ("85", "170"):  # with which glibc fills memory that it gives and takes back
        command = [sys.executable, "-c", program, str(tmp_path / f"{fill}.mp4"), str(tmp_path / "frames.npy")]
        subprocess.run(command, env={**os.environ, "MALLOC_PERTURB_": fill}, check=True)
    assert (tmp_path / "85.mp4").read_bytes() == (tmp_path / "170.mp4").read_bytes()
