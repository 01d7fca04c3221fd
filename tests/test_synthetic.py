"""The synthetic corpus: its names and splits, its determinism, and that sound and picture agree."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
import time
import wave
from functools import cache
from pathlib import Path

import av
import numpy as np
import pydantic
import pytest
import torch
from click.testing import CliRunner
from s2vkit_synthetic import SyntheticOptions, espeak, s2vkit_commands, s2vkit_register
from s2vkit_synthetic.cast import cast
from s2vkit_synthetic.commands import synthesize
from s2vkit_synthetic.corpus import SyntheticCorpus
from s2vkit_synthetic.espeak import Phoneme, speak
from s2vkit_synthetic.expression import EXPRESSIONS, express
from s2vkit_synthetic.sentences import EMOTIONS, SENTENCES
from s2vkit_synthetic.speech import PROSODY, loudness
from s2vkit_synthetic.viseme import PHONEMES, codes, speaking

from s2vkit import Dataset, RawClip, ResourceError

SMALL = {"speakers": 3, "size": 32, "sentences": 3}


def corpus(seed: int = 0, **options: object) -> SyntheticCorpus:
    return SyntheticCorpus(SyntheticOptions(**{**SMALL, **options}), seed=seed)


@cache
def clip(name: str, seed: int = 0, size: int = 32) -> RawClip:
    whole = corpus(seed, sentences=12, size=size, takes=4)
    return whole.load([c.name for c in whole.clips()].index(name))


def same(a: RawClip, b: RawClip) -> bool:
    truths = all(
        np.array_equal(a.truth[k], b.truth[k]) for k in ("mouth_aperture", "eyelid_closure", "phoneme")
    )
    return np.array_equal(a.frames, b.frames) and np.array_equal(a.speech, b.speech) and truths


def test_clips_are_named_and_labelled_as_in_crema_d() -> None:
    whole = corpus(speakers=2, sentences=12)
    clips = whole.clips()
    assert isinstance(whole, Dataset)
    assert len(clips) == len({c.name for c in clips}) == 2 * 12 * 6
    assert clips[0].name == "1001_IEO_NEU_XX"
    assert whole.labels == {"identity": ("1001", "1002"), "emotion": tuple(EMOTIONS)}
    for c in clips:
        actor, sentence, emotion, level = c.name.split("_")
        assert c.labels["identity"] == actor
        assert c.labels["sentence"] == sentence
        assert EMOTIONS[c.labels["emotion"]] == emotion
        assert sentence in SENTENCES
        assert level == "XX"


def test_takes_have_names_of_their_own() -> None:
    names = [c.name for c in corpus(takes=2, sentences=3, emotions=["anger"]).clips()]
    assert names[:2] == ["1001_IEO_ANG_XX", "1001_IEO_ANG_HI"]
    assert len(set(names)) == 3 * 3 * 2


def test_by_sentence_holds_out_two_sentences_of_twelve() -> None:
    of_split: dict[str, set[str]] = {}
    for c in corpus(sentences=12).clips():
        of_split.setdefault(c.split, set()).add(c.labels["sentence"])
    assert {k: len(v) for k, v in of_split.items()} == {"train": 9, "val": 1, "test": 2}
    assert not of_split["train"] & of_split["test"]


def test_by_actor_holds_out_people_by_seed() -> None:
    def held(seed: int) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for c in corpus(seed, speakers=10, split="by_actor").clips():
            found.setdefault(c.split, set()).add(c.labels["identity"])
        return found

    first = held(0)
    assert sorted(len(v) for v in first.values()) == [2, 2, 6]
    assert not first["train"] & (first["test"] | first["val"])
    assert first == held(0)
    assert any(held(seed) != first for seed in range(1, 5))


def test_by_clip_splits_70_15_15() -> None:
    splits = [c.split for c in corpus(speakers=8, sentences=12, split="by_clip").clips()]
    shares = [splits.count(k) / len(splits) for k in ("train", "val", "test")]
    assert shares == pytest.approx([0.70, 0.15, 0.15], abs=0.01)


def test_a_speaker_may_have_few_training_clips() -> None:
    whole = corpus(sentences=12)
    fewer = corpus(sentences=12, train_clips={"1002": 10})

    def of(one: SyntheticCorpus, speaker: str) -> list[tuple[str, str]]:
        return [(c.name, c.split) for c in one.clips() if c.labels["identity"] == speaker]

    assert of(fewer, "1001") == of(whole, "1001")
    assert of(fewer, "1003") == of(whole, "1003")
    assert set(of(fewer, "1002")) < set(of(whole, "1002"))
    splits = [split for _, split in of(fewer, "1002")]
    assert {k: splits.count(k) for k in ("train", "val", "test")} == {"train": 10, "val": 6, "test": 12}
    last = len(fewer.clips()) - 1
    assert same(fewer.load(last), whole.load(len(whole.clips()) - 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"speakers": 1},
        {"train_clips": {"1009": 10}},
        {"train_clips": {"1001": 0}},
        {"size": 300},
        {"emotions": ["joy"]},
        {"emotions": ["fear", "fear"]},
        {"sentences": 2, "split": "by_sentence"},
        {"speakers": 2, "split": "by_actor"},
        {"speed": 2},
    ],
)
def test_options_that_make_no_corpus_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        SyntheticOptions(**wrong)


@pytest.mark.parametrize(("size", "fps"), [(32, 25.0), (48, 30.0)])
def test_frames_sound_and_truth_have_one_length(size: int, fps: float) -> None:
    small = corpus(size=size, fps=fps)
    made = small.load(4)
    frames = len(made.frames)
    assert made.frames.shape == (frames, size, size, 3)
    assert made.frames.dtype == np.uint8
    assert made.speech.dtype == np.float32
    assert made.speech.shape == (round(frames * small.sample_rate / small.fps),)
    assert 0.02 < np.abs(made.speech).max() <= 1.0
    assert made.truth["mouth_aperture"].dtype == np.float32
    assert {k: v.shape for k, v in made.truth.items()} == {
        "mouth_aperture": (frames,),
        "eyelid_closure": (frames,),
        "phoneme": (frames,),
        "landmarks": (frames, 68, 2),
    }
    assert 1.0 < frames / small.fps < 4.0


def test_a_clip_does_not_depend_on_what_was_loaded_before() -> None:
    first, again = corpus(), pickle.loads(pickle.dumps(corpus()))
    torch.manual_seed(1)
    alone = [first.load(k) for k in (0, 20, 47)]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    backwards = [again.load(k) for k in (47, 20, 0)][::-1]
    assert all(same(a, b) for a, b in zip(alone, backwards, strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_another_process_makes_the_same_clip() -> None:
    code = (
        "import hashlib; from s2vkit_synthetic import SyntheticOptions as O;"
        "from s2vkit_synthetic.corpus import SyntheticCorpus as C;"
        "r = C(O(speakers=3, size=32, sentences=3), seed=0).load(20);"
        "print(hashlib.sha256(r.frames.tobytes() + r.speech.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = corpus().load(20)
    digest = hashlib.sha256(here.frames.tobytes() + here.speech.tobytes()).hexdigest()
    assert done.stdout.strip() == digest


def test_seeds_and_takes_differ_but_speakers_stay() -> None:
    one, other = clip("1001_TSI_NEU_XX", 0), clip("1001_TSI_NEU_XX", 1)
    assert not same(one, other)
    stranger = clip("1002_TSI_NEU_XX", 0)
    middle = [np.median(c.frames, axis=0) for c in (one, other, stranger)]
    assert np.abs(middle[0] - middle[1]).mean() * 3 < np.abs(middle[0] - middle[2]).mean()


def test_people_differ_more_than_sentences() -> None:
    def still(speaker: int, sentence: str) -> np.ndarray:
        return np.median(clip(f"{speaker}_{sentence}_NEU_XX").frames, axis=0)

    own = [np.abs(still(s, "IEO") - still(s, "TSI")).mean() for s in (1001, 1002, 1003)]
    others = [np.abs(still(1001, "IEO") - still(s, "TSI")).mean() for s in (1002, 1003)]
    assert max(own) * 3 < min(others)


def test_lips_are_shut_on_m_b_p_and_open_on_open_vowels() -> None:
    made = clip("1001_MTI_NEU_XX")
    said = np.array([PHONEMES[k] for k in made.truth["phoneme"]])
    mouth_aperture = made.truth["mouth_aperture"]
    assert mouth_aperture[said == "m"].min() < 0.03
    assert mouth_aperture[said == "b"].min() < 0.03
    assert mouth_aperture[said == "ɑː"].max() > 0.8
    assert mouth_aperture[:2].max() < 0.1
    assert mouth_aperture[-2:].max() < 0.1


@pytest.mark.parametrize("name", ["1001_MTI_NEU_XX", "1002_TIE_ANG_XX", "1003_TAI_SAD_XX"])
def test_openness_follows_the_sound_without_delay(name: str) -> None:
    made = clip(name)
    level = np.sqrt(loudness(made.speech, 25.0))  # nearer to what is heard than the RMS is
    mouth_aperture = made.truth["mouth_aperture"]

    def agree(frames: int) -> float:
        return float(np.corrcoef(np.roll(mouth_aperture, frames)[4:-4], level[4:-4])[0, 1])

    by_shift = {k: agree(k) for k in range(-4, 5)}
    assert max(by_shift.values()) > 0.55
    assert abs(max(by_shift, key=by_shift.__getitem__)) <= 1


def test_openness_is_seen_as_a_dark_gap() -> None:
    made = clip("1001_MTI_NEU_XX", size=64)
    mouth = made.frames[:, 40:56, 26:38].astype(float)
    dark = (mouth.sum(-1) < 200).mean((1, 2))
    assert np.corrcoef(dark, made.truth["mouth_aperture"])[0, 1] > 0.75


def test_emotions_are_seen_and_heard() -> None:
    made = {e: clip(f"1002_IEO_{code}_XX") for e, code in EMOTIONS.items()}
    loud = {e: float(np.sqrt((c.speech**2).mean())) for e, c in made.items()}
    assert loud["anger"] > 1.3 * loud["neutral"] > 1.6 * loud["sadness"]
    length = {e: len(c.frames) for e, c in made.items()}
    assert length["fear"] < length["neutral"] < length["sadness"]
    faces = {e: np.median(c.frames, axis=0) for e, c in made.items()}
    for e, face in faces.items():
        others = [np.abs(face - f).mean() for k, f in faces.items() if k != e]
        assert min(others) > 1.0


def test_a_weaker_emotion_lies_nearer_to_neutral() -> None:
    assert express("anger", 0.0) == EXPRESSIONS["neutral"]
    assert express("anger", 1.0) == EXPRESSIONS["anger"]
    assert 0 < express("anger", 0.5).brow_in < EXPRESSIONS["anger"].brow_in
    assert set(PROSODY) == set(EXPRESSIONS) == set(EMOTIONS)


def test_the_cast_has_64_people_of_both_sexes_whose_voices_agree() -> None:
    people = cast(64)
    assert len(set(people)) == 64
    assert cast(8) == people[:8]
    women = [p.voice.pitch for p in people if p.sex == "f"]
    men = [p.voice.pitch for p in people if p.sex == "m"]
    assert len(women) == len(men) == 32
    assert np.median(women) > 1.5 * np.median(men)


def test_every_voice_of_the_cast_exists() -> None:
    for variant in sorted({p.voice.variant for p in cast(64)}):
        samples, phonemes = speak("Mama", f"gmw/en-US+{variant}", rate=200, pitch=50, spread=50)
        assert np.abs(samples).max() > 0.02
        assert phonemes


def test_a_voice_that_is_not_there_is_refused() -> None:
    with pytest.raises(ResourceError, match="nobody"):
        speak("Hello", "gmw/nobody", rate=150, pitch=50, spread=50)


def test_without_espeak_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    assert len(corpus().clips()) == 3 * 3 * 6
    with pytest.raises(ResourceError) as caught:
        corpus().load(0)
    assert 'pip install "s2vkit[synthetic]"' in str(caught.value)


def test_a_data_folder_that_is_damaged_is_a_resource_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import espeakng_loader

    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: f"{tmp_path}/no.so")
    with pytest.raises(ResourceError, match="cannot be loaded"):
        speak("Hello", "gmw/en-US", rate=150, pitch=50, spread=50)


def test_a_closure_shorter_than_a_frame_is_still_seen() -> None:
    phonemes = [Phoneme("ɑː", 0.1, 0.401), Phoneme("b", 0.401, 0.418), Phoneme("ˈɑːɹ", 0.418, 0.8)]
    level = np.ones(250)
    mouth = speaking(phonemes, level, 25, 25.0, gain=1.0)
    assert mouth["open"][10] <= 0.02
    assert PHONEMES[codes(phonemes, 25, 25.0)[10]] == "b"
    assert mouth["open"][7] > 0.8
    assert all(v.min() >= 0 and v.max() <= 1 for v in mouth.values())


def test_the_plugin_registers_one_dataset_and_one_command() -> None:
    found: list[tuple[object, ...]] = []
    s2vkit_register(register=lambda *a, **k: found.append((*a, k)))
    s2vkit_commands(register=lambda *a: found.append(a))
    assert found[0][:2] == ("dataset", "synthetic")
    assert found[0][4]["gives"] == (
        "speech",
        "frames",
        "identity",
        "emotion",
        "mouth_aperture",
        "eyelid_closure",
        "landmarks",
    )
    assert found[1][0] == "synthesize"


@pytest.mark.parametrize("variant", ["f3", "grandma", "m1"])
def test_espeak_forgets_what_it_said_and_when(variant: str) -> None:
    def mama() -> np.ndarray:
        return speak("Mama", f"gmw/en-US+{variant}", rate=150, pitch=40, spread=50)[0]

    first = mama()
    speak("Papa and others", "gmw/en-US+m3", rate=250, pitch=80, spread=90)
    time.sleep(1.01 - time.time() % 1.0)  # eSpeak seeds its noise with the second
    assert np.array_equal(first, mama())
    assert espeak.SAMPLE_RATE == 22050


def test_synthesize_writes_a_crema_d_like_folder_and_goes_on(tmp_path: Path) -> None:
    command = ["--output", str(tmp_path), "--speakers", "2", "--sentences", "1", "--size", "32"]
    first = CliRunner().invoke(synthesize, command, catch_exceptions=False)
    assert "12 clips" in first.output
    names = sorted(p.stem for p in (tmp_path / "Video").glob("*.mp4"))
    assert names == sorted(p.stem for p in (tmp_path / "AudioWAV").glob("*.wav"))
    assert len(names) == 12
    lines = (tmp_path / "VideoDemographics.csv").read_text().splitlines()
    assert lines[0] == "ActorID,Age,Sex,Race,Ethnicity"
    assert [line.split(",")[0] for line in lines[1:]] == ["1001", "1002"]
    with av.open(str(tmp_path / "Video" / "1001_IEO_FEA_XX.mp4")) as file:
        pictures = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    with np.load(tmp_path / "Truth" / "1001_IEO_FEA_XX.npz") as truth:
        assert len(pictures) == len(truth["mouth_aperture"]) == len(truth["phoneme"])
    with wave.open(str(tmp_path / "AudioWAV" / "1001_IEO_FEA_XX.wav")) as file:
        assert file.getframerate() == 16000
        assert file.getnframes() == round(len(pictures) * 16000 / 25)
    kept = (tmp_path / "Video" / "1001_IEO_FEA_XX.mp4").stat().st_mtime_ns
    CliRunner().invoke(synthesize, command, catch_exceptions=False)
    assert (tmp_path / "Video" / "1001_IEO_FEA_XX.mp4").stat().st_mtime_ns == kept
