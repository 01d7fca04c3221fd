"""Speech at one level, where there is voice, and as recordings vary: whole, in pieces and live."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_generate import pipeline_of

from s2vkit.inference.entrance import Entrance, loudness_of, prepare
from s2vkit.inference.frame_stream import FrameStream, Scene
from s2vkit.inference.recording import PIECE, SampledRecording
from s2vkit.interfaces.audio_encoder import AudioEncoder
from s2vkit.speech.activity import band_power, voice_activity
from s2vkit.speech.changes import vary
from s2vkit.speech.conditions import RECORDING_CONDITIONS
from s2vkit.speech.level import OffsetFilter, limit, measure_loudness, normalize_speech

RATE = 16000
LEVEL = -24.0


def voice(seconds=2.0, seed=0):
    """Bursts of a buzz with overtones, as syllables are, with pauses in quiet noise between them."""
    rng = np.random.default_rng(seed)
    clock = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * k * clock + k) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 2.5 * clock), 0, 1)
    return (0.1 * buzz * syllables + 1e-4 * rng.standard_normal(len(clock))).astype(np.float32)


def encoder_of(level):
    encoder = AudioEncoder()
    encoder.sample_rate, encoder.level = RATE, level
    return encoder


def difference(speech, other):
    """Return by how many dB one waveform is another's multiple, and how much else there is in it."""
    gain = float((speech * other).sum() / (other * other).sum())
    rest = speech - gain * other
    return 20 * np.log10(gain), float(np.sqrt((rest**2).mean() / (speech**2).mean()))


@pytest.mark.parametrize(
    ("name", "decibels", "rest"),
    [
        ("level_-20", 0.05, 0.01),
        ("level_-10", 0.05, 0.01),
        ("level_+6", 0.05, 0.01),
        ("offset", 0.05, 0.02),
        ("wild_sample", 1.0, 0.3),
        ("silence", 0.2, 0.05),
        ("silence_after", 0.2, 0.05),
        ("noise", 1.5, 0.3),
        ("hum", 1.5, 0.4),
        ("mp3", 0.5, 0.3),
    ],
)
def test_a_changed_recording_comes_out_at_the_same_level(name, decibels, rest):
    speech, condition = voice(), RECORDING_CONDITIONS[name]
    clean, _ = normalize_speech(speech, RATE, LEVEL)
    changed, _ = normalize_speech(condition.apply(speech, RATE, 1), RATE, LEVEL)
    first = round(condition.lead * RATE)
    gain, other = difference(changed[first : first + len(clean)], clean)
    assert abs(gain) < decibels
    assert other < rest


def test_silence_is_no_voice():
    speech = voice()
    long = np.concatenate([np.zeros(10 * RATE, np.float32), speech, np.zeros(20 * RATE, np.float32)])
    _, kept = normalize_speech(speech, RATE, LEVEL)
    _, kept_of_long = normalize_speech(long, RATE, LEVEL)
    assert abs(len(kept_of_long) - len(kept)) < 0.35 * RATE  # what it is widened by, at either end
    active = voice_activity(band_power([long], RATE))
    assert not active[: 10 * 100 - 11].any()
    assert not active[12 * 100 + 21 :].any()


@pytest.mark.parametrize("samples", [1, 80, 200, 1000])
def test_the_shortest_speech_is_speech(samples):
    speech, kept = normalize_speech(voice()[:samples], RATE, LEVEL)
    assert len(speech) == len(kept) == samples
    assert np.isfinite(speech).all()


def test_silence_stays_finite():
    speech, _ = normalize_speech(np.zeros(RATE, np.float32), RATE, LEVEL)
    assert not speech.any()


def test_a_wild_sample_is_limited():
    assert limit(np.array([0.3, -0.5, 40.0, -1.0], np.float32)).tolist()[:2] == pytest.approx([0.3, -0.5])
    assert np.abs(limit(np.array([40.0, -1.0], np.float32))).max() <= 1.0


def cuts(samples, seed):
    rng, at = np.random.default_rng(seed), 0
    while at < len(samples):
        length = int(rng.integers(1, 900))
        yield samples[at : at + length]
        at += length


def test_the_offset_filter_does_not_see_pieces():
    speech = voice() + 0.05
    whole, piecewise = OffsetFilter(RATE).push(speech), OffsetFilter(RATE)
    pieces = np.concatenate([piecewise.push(piece) for piece in cuts(speech, 3)])
    np.testing.assert_allclose(pieces, whole, atol=1e-5)
    assert abs(float(whole.mean())) < 1e-3


def test_loudness_does_not_see_pieces():
    speech = voice()
    whole, pieces = measure_loudness([speech], RATE), measure_loudness(cuts(speech, 4), RATE)
    assert pieces.decibels == pytest.approx(whole.decibels, abs=1e-3)
    np.testing.assert_array_equal(pieces.active, whole.active)


@pytest.mark.parametrize("known", [True, False], ids=["whole", "live"])
def test_the_entrance_does_not_see_pieces(known):
    encoder, speech = encoder_of(LEVEL), voice()
    loudness = loudness_of(encoder, [speech]) if known else None
    whole = Entrance(encoder, loudness).push(speech)
    entrance = Entrance(encoder, loudness)
    pieces = [entrance.push(piece) for piece in cuts(speech, 5)]
    np.testing.assert_allclose(np.concatenate([p.speech for p in pieces]), whole.speech, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([p.voice for p in pieces]), whole.voice, atol=1e-5)
    if known:
        np.testing.assert_allclose(whole.speech, prepare(encoder, speech).speech, atol=1e-6)


def test_an_encoder_without_a_level_reads_what_was_recorded():
    speech = voice()
    assert prepare(encoder_of(None), speech).speech is speech


@pytest.mark.parametrize("gain", [0.05, 1.0, 3.0])
def test_live_speech_settles_at_the_level_within_two_seconds(gain):
    speech = voice(4.0)
    clean = prepare(encoder_of(LEVEL), speech).speech
    live = Entrance(encoder_of(LEVEL)).push(gain * speech)
    decibels, _ = difference(live.speech[2 * RATE :], clean[2 * RATE :])
    assert abs(decibels) < 3.0
    assert len(live.voice) > RATE


def test_varied_speech_is_another_recording_of_the_same_length():
    speech = voice()
    for seed in range(12):
        varied = vary(speech, RATE, np.random.default_rng(seed))
        assert varied.shape == speech.shape
        assert varied.dtype == np.float32
        assert np.isfinite(varied).all()
        np.testing.assert_array_equal(varied, vary(speech, RATE, np.random.default_rng(seed)))
    assert any((vary(speech, RATE, np.random.default_rng(s)) != speech).any() for s in range(3))


@pytest.mark.parametrize("name", RECORDING_CONDITIONS)
def test_every_condition_changes_a_recording_in_the_same_way_each_time(name):
    speech, condition = voice(), RECORDING_CONDITIONS[name]
    changed = condition.apply(speech, RATE, 7)
    np.testing.assert_array_equal(changed, condition.apply(speech, RATE, 7))
    assert len(changed) >= len(speech) + round(condition.lead * RATE)
    assert len(changed) != len(speech) or np.abs(changed - speech).max() > 1e-4


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    text = f"audio_encoder: {{use: cpc, channels: 16, front: log_mel, summary: layers, level: {LEVEL}}}"
    return pipeline_of(tmp_path_factory.mktemp("hearing"), text)


@pytest.mark.parametrize(("gain", "offset"), [(0.1, 0.0), (2.0, 0.0), (1.0, 0.1)])
def test_another_microphone_draws_the_same_person(pipeline, gain, offset):
    speech = voice()
    clean = pipeline.condition(speech, 50)
    other = pipeline.condition(gain * speech + np.float32(offset), 50)
    torch.testing.assert_close(other.features, clean.features, atol=0.02, rtol=0.05)
    for side, code in clean.codes.items():
        torch.testing.assert_close(other.codes[side], code, atol=0.02, rtol=0.05)


def test_silence_around_speech_changes_no_code(pipeline):
    speech = voice()
    long = np.concatenate([np.zeros(5 * RATE, np.float32), speech, np.zeros(9 * RATE, np.float32)])
    clean, other = pipeline.condition(speech, 50), pipeline.condition(long, 400)
    for side, code in clean.codes.items():
        assert float((other.codes[side] - code).norm() / code.norm()) < 0.1


def test_speech_with_pauses_is_summarized_in_equal_pieces(pipeline, monkeypatch):
    """Kernels are prepared and cached for each length: memory must not grow with their number."""
    pause = np.zeros(RATE, np.float32)
    recording = SampledRecording(np.concatenate([voice(), pause, voice(), pause[:5000], voice()] * 3), RATE)
    stream, lengths = pipeline.open_stream(), []

    class Recorder:
        def encode(self, speech):
            lengths.append(speech.shape[1])
            return stream.encode(speech)

        def finish(self):
            return stream.finish()

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "open_stream", Recorder)
        pieces = pipeline.codes_of(recording)
    assert len(lengths) > 2
    assert set(lengths[:-1]) == {int(PIECE * RATE)}
    assert lengths[-1] <= PIECE * RATE
    whole = pipeline.condition(recording.samples, 50)
    for side, code in whole.codes.items():
        torch.testing.assert_close(pieces[side], code, atol=1e-4, rtol=1e-3)


def test_a_film_is_of_the_level_of_its_whole(pipeline):
    """What flows through in pieces is prepared as the whole is, because it was measured before."""
    speech = 0.1 * voice()
    recording = SampledRecording(speech, RATE)
    loudness = pipeline.loudness_of(recording)
    codes = pipeline.codes_of(recording, loudness)
    whole = pipeline.condition(speech, 50)
    for side, code in whole.codes.items():
        torch.testing.assert_close(codes[side], code, atol=1e-4, rtol=1e-3)
    stream = FrameStream(pipeline, Scene(heard=codes, loudness=loudness))
    frames = torch.cat([*stream.push(speech[:7000]), *stream.push(speech[7000:]), *stream.finish()])
    together = torch.cat(list(pipeline.generate(whole)))
    torch.testing.assert_close(frames, together, atol=1e-3, rtol=1e-3)
