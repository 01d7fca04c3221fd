"""CREMA-D, VoxCeleb2 and folders: names, labels, splits and counts; and small ones cut for real."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import s2vkit_corpora.voxceleb2 as voxceleb2
from helpers_footage import cut_all, dataset_of, listing_of, write_sound, write_video

from s2vkit.data.preparation.finish import read_sources
from s2vkit.data.preparation.outcome import read_report
from s2vkit.data.shards.shard_store import ShardStore
from s2vkit.errors import InputError, RecipeError
from s2vkit.testing import check_component

SPLITS = ("train", "val", "test")


def splits(sources) -> tuple[int, ...]:
    counts = Counter(source.split for source in sources)
    return tuple(counts[split] for split in SPLITS)


def people(sources) -> tuple[int, ...]:
    return tuple(len({s.labels["identity"] for s in sources if s.split == split}) for split in SPLITS)


# CREMA-D

SENTENCES = {
    "IEO": 1456,
    "TIE": 545,
    "IOM": 546,
    "IWW": 546,
    "TAI": 546,
    "MTI": 540,
    "IWL": 546,
    "ITH": 540,
    "DFA": 546,
    "ITS": 545,
    "TSI": 546,
    "WSI": 540,
}


def cremad_names() -> list[str]:
    """All 7,442 names: three actors lack a sentence in all emotions, two a neutral one."""
    lack = {("1002", "MTI"), ("1004", "ITH"), ("1005", "WSI")}
    lone = {"1006_TIE_NEU_XX", "1007_ITS_NEU_XX"}
    names = []
    for actor in map(str, range(1001, 1092)):
        for sentence in SENTENCES:
            for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"):
                lmh = sentence == "IEO" and emotion != "NEU"
                for level in ("LO", "MD", "HI") if lmh else ("XX",):
                    names.append(f"{actor}_{sentence}_{emotion}_{level}")
    return [n for n in names if (n[:4], n[5:8]) not in lack and n not in lone]


@pytest.fixture(scope="module")
def cremad(tmp_path_factory):
    root = tmp_path_factory.mktemp("CREMA-D")
    for folder in ("VideoFlash", "AudioWAV", "AudioMP3"):
        (root / folder).mkdir()
    for name in cremad_names():
        (root / "VideoFlash" / f"{name}.flv").touch()
    for name in cremad_names()[:50]:
        (root / "AudioWAV" / f"{name}.wav").touch()
    demographics = ["ActorID,Age,Sex,Race,Ethnicity"]
    demographics += [f"{a},{20 + a % 50},{'Male' if a % 2 else 'Female'},x,y" for a in range(1001, 1092)]
    (root / "VideoDemographics.csv").write_text("\n".join(demographics))
    return root


def test_cremad_has_the_clips_of_the_paper(cremad):
    sources = dataset_of("cremad", cremad, cremad / "out").sources()
    assert len(sources) == 7442
    assert Counter(s.labels["sentence"] for s in sources) == SENTENCES
    assert Counter(s.labels["emotion"] for s in sources) == {
        "anger": 1271,
        "disgust": 1271,
        "fear": 1271,
        "happiness": 1271,
        "sadness": 1271,
        "neutral": 1087,
    }
    levels = Counter(s.labels["level"] for s in sources)
    assert levels == {"XX": 6077, "LO": 455, "MD": 455, "HI": 455}
    each = Counter(Counter(s.labels["identity"] for s in sources).values())
    assert each == {82: 86, 76: 3, 81: 2}
    assert sum(s.sound is not None for s in sources) == 50
    assert sources[0].labels["sex"] == "male"


def test_cremad_splits(cremad):
    by_clip = dataset_of("cremad", cremad, cremad / "out").sources()
    assert splits(by_clip) == (5210, 1116, 1116)  # 70, 15, 15 %
    assert people(by_clip) == (91, 91, 91)
    again = dataset_of("cremad", cremad, cremad / "out").sources()
    other = dataset_of("cremad", cremad, cremad / "out", seed=8).sources()
    assert [s.split for s in again] == [s.split for s in by_clip] != [s.split for s in other]
    by_actor = dataset_of("cremad", cremad, cremad / "out", split="by_actor").sources()
    assert people(by_actor) == (63, 14, 14)
    sdfa = dataset_of("cremad", cremad, cremad / "out", split="sdfa").sources()
    assert people(sdfa) == (71, 10, 10)
    assert sum(splits(sdfa)) == 7442
    assert splits(sdfa)[2] == 820
    tested = {s.labels["identity"] for s in sdfa if s.split == "test"}
    assert tested == {"1015", "1020", "1021", "1030", "1033", "1052", "1062", "1081", "1082", "1089"}


def test_a_clip_more_or_less_moves_few_others(cremad, tmp_path):
    whole = {s.name: s.split for s in dataset_of("cremad", cremad, tmp_path).sources()}
    dataset = dataset_of("cremad", cremad, tmp_path)
    dataset.__dict__["_videos"] = dict(list(dataset._videos.items())[5:])
    fewer = {s.name: s.split for s in dataset.sources()}
    assert sum(whole[name] != split for name, split in fewer.items()) <= 5


def test_cremads_survey_tells_what_is_missing_and_extra(cremad, tmp_path):
    survey = dataset_of("cremad", cremad, cremad / "out").survey()
    assert (survey.found, survey.expected, survey.missing, survey.extra) == (7442, 7442, (), ())
    notes = " | ".join(survey.notes)
    assert "1064_IEO_DIS_MD" in notes
    assert "7392 videos have no wav" in notes
    assert "ODbL" in survey.licence
    few = tmp_path / "VideoFlash"
    few.mkdir()
    (few / "1001_DFA_ANG_XX.flv").touch()
    (few / "1001_DFA_ANGRY.flv").touch()
    (few / "1001_DFA_DIS_XX.flv").write_text("version https://git-lfs.github.com/spec/v1\noid x")
    survey = dataset_of("cremad", tmp_path, tmp_path / "out").survey()
    assert survey.found == 2
    assert len(survey.missing) == 7460
    assert survey.extra == ("1001_DFA_ANGRY.flv",)
    assert any("git-lfs pointers" in note for note in survey.notes)
    assert any("20 combinations" in note for note in survey.notes)


@pytest.mark.parametrize("dataset", ["cremad", "voxceleb2"])
def test_a_root_without_the_corpus_says_where_it_is_from(tmp_path, dataset):
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError) as error:
            dataset_of(dataset, root, tmp_path / "out").sources()
        assert "get the corpus from https://" in str(error.value)
        assert "licence: " in str(error.value)


def test_a_small_cremad_is_cut(tmp_path):
    """Flash video beside wav, and the four files that are known to be bad."""
    root, out = tmp_path / "CREMA-D", tmp_path / "out"
    video, wav = root / "VideoFlash", root / "AudioWAV"
    good = ["1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1002_TSI_NEU_XX", "1015_WSI_SAD_XX"]
    for i, name in enumerate(good):
        write_video(video / f"{name}.flv", seed=i)
        write_sound(wav / f"{name}.wav", hertz=200 + 30 * i)
    whole = write_video(tmp_path / "whole.flv", 3.0, seed=8).read_bytes()
    (video / "1076_MTI_NEU_XX.flv").write_bytes(whole[:300])  # cut short
    write_sound(wav / "1076_MTI_NEU_XX.wav")
    write_video(video / "1076_MTI_SAD_XX.flv", sound=False, seed=9)
    write_sound(wav / "1076_MTI_SAD_XX.wav", level=0.0)
    (video / "1064_TIE_SAD_XX.flv").write_bytes(without_duration(whole))
    write_sound(wav / "1064_TIE_SAD_XX.wav", 3.0)
    write_video(video / "1064_IEO_DIS_MD.flv", 8.0, seed=10)
    write_sound(wav / "1064_IEO_DIS_MD.wav", 2.0)
    cut_all(listing_of(dataset_of("cremad", root, out, split="sdfa"), "cremad"), out)
    report = {Path(row["file"]).stem: row for row in read_report(out)}
    assert {name for name, row in report.items() if row["status"] == "prepared"} >= {*good, "1064_TIE_SAD_XX"}
    assert report["1076_MTI_NEU_XX"]["reason"] == "undecodable"
    assert report["1076_MTI_SAD_XX"]["reason"] == "silent"
    store = ShardStore(out)
    index = {clip.name: i for i, clip in enumerate(store.clips)}
    assert store.clips[index["1001_DFA_ANG_XX"]].labels == {
        "identity": "1001",
        "emotion": "anger",
        "sentence": "DFA",
        "level": "XX",
    }
    assert store.clips[index["1015_WSI_SAD_XX"]].split == ""
    assert store.frames(index["1002_TSI_NEU_XX"]).shape == (30, 32, 32, 3)
    assert abs(store.speech(index["1001_IEO_HAP_LO"])).max() == pytest.approx(0.3, abs=0.02)
    if report["1064_IEO_DIS_MD"]["status"] == "prepared":  # as long as its sound, not its video
        assert store.clips[index["1064_IEO_DIS_MD"]].frames <= 70


def without_duration(flv: bytes) -> bytes:
    """Set the duration that a flash file's header states to nothing."""
    at = flv.index(b"duration") + len(b"duration") + 1
    return flv[:at] + bytes(8) + flv[at + 8 :]


# VoxCeleb2


def all_of_voxceleb2(root: Path, monkeypatch):
    """The dataset as with all 6,112 speakers' folders, an utterance each, and their metadata."""
    names = [f"id{number:05d}" for number in range(6112)]
    rows = ["VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set"]
    rows += [
        f"{name} ,n{i:06d} ,{'fm'[i % 2]} ,{'dev' if i < 5994 else 'test'}" for i, name in enumerate(names)
    ]
    (root / "vox2_meta.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    dataset = dataset_of("voxceleb2", root, root / "out")
    dataset.__dict__["_speakers"] = {"dev": names[:5994], "test": names[5994:]}
    monkeypatch.setattr(voxceleb2, "_utterances", lambda place: [("21Uxsk56VDQ", "00001")])
    sounds = {"id00000": frozenset({"00001.m4a"})}
    monkeypatch.setattr(
        type(dataset), "_sounds", lambda self, which, who, video: sounds.get(who, frozenset())
    )
    return dataset


def test_voxceleb2_splits_by_its_own_sets(tmp_path, monkeypatch):
    dataset = all_of_voxceleb2(tmp_path, monkeypatch)
    sources = dataset.sources()
    assert people(sources) == (5874, 120, 118)
    survey = dataset.survey()
    assert (survey.found, survey.expected) == (6112, 1_128_246)
    assert (survey.missing, survey.extra) == ((), ())
    first = sources[0]
    assert first.name == "id00000_21Uxsk56VDQ_00001"
    assert first.path == tmp_path / "dev/mp4/id00000/21Uxsk56VDQ/00001.mp4"
    assert first.sound == tmp_path / "dev/aac/id00000/21Uxsk56VDQ/00001.m4a"
    assert sources[1].sound is None
    assert first.labels == {"identity": "id00000", "gender": "f"}
    tests = [s for s in sources if s.split == "test"]
    assert {s.path.parts[-5] for s in tests} == {"test"}
    vals = {s.name for s in sources if s.split == "val"}
    dataset.seed = 1
    assert vals != {s.name for s in dataset.sources() if s.split == "val"}


def test_voxceleb2s_survey(tmp_path):
    root = tmp_path / "part"
    for speaker in ("id00012", "id00013", "notes"):
        (root / "dev" / "mp4" / speaker / "abc").mkdir(parents=True)
        (root / "dev" / "mp4" / speaker / "abc" / "00001.mp4").touch()
    survey = dataset_of("voxceleb2", root, tmp_path / "out").survey()
    assert survey.found == 2
    assert survey.missing == ("5992 of 5994 speakers of dev", "118 of 118 speakers of test")
    assert survey.extra == ("dev/mp4/notes",)
    assert [note.split(":")[0] for note in survey.notes] == ["vox2_meta.csv is not there", "no aac folders"]
    (root / "vox2_meta.csv").write_text("VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set\nid00012 ,n1 ,m ,dev\n")
    survey = dataset_of("voxceleb2", root, tmp_path / "out").survey()
    assert "dev/mp4/id00013 (not in vox2_meta.csv)" in survey.extra
    (root / "vox2_meta.csv").write_text("id,sex\n")
    with pytest.raises(InputError, match="its header is not"):
        dataset_of("voxceleb2", root, tmp_path / "out").survey()


def test_voxceleb2_can_be_thinned(tmp_path):
    for n in range(5):
        path = tmp_path / "dev/mp4/id00001" / f"video{n % 2}" / f"{n:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    thin = dataset_of("voxceleb2", tmp_path, tmp_path / "out", most_per_speaker=3).sources()
    assert len(thin) == 3
    again = dataset_of("voxceleb2", tmp_path, tmp_path / "out", most_per_speaker=3).sources()
    assert thin == again


def test_a_small_voxceleb2_is_cut(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    for n, (which, speaker) in enumerate([("dev", "id00012"), ("dev", "id00015"), ("test", "id00017")]):
        place = Path(speaker) / "21Uxsk56VDQ"
        write_video(root / which / "mp4" / place / "00001.mp4", sound=False, seed=n)
        write_sound(root / which / "aac" / place / "00001.m4a")
        write_video(root / which / "mp4" / place / "00002.mp4", seed=n + 10)
    dataset = dataset_of("voxceleb2", root, out, val_speakers=1)
    cut_all(listing_of(dataset, "voxceleb2"), out)
    store = ShardStore(out)
    assert len(store.clips) == 6
    assert [s.split for s in dataset.relabel(read_sources(out))] == [s.split for s in dataset.sources()]
    assert all(abs(store.speech(i)).max() > 0.1 for i in range(6))
    assert "emotion" not in store.index.labels


# Folders


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "in"
    for name in (
        "ann/happy/1.mp4",
        "ann/sad/1.mp4",
        "bob/happy/2.MOV",
        "bob/happy/2.avi",
        ".hidden/x.mp4",
        "bob/._2.mp4",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_folders_names_are_labels(videos, tmp_path):
    sources = dataset_of("folder", videos, tmp_path / "o", folders=["identity", "emotion"]).sources()
    assert {s.name: dict(s.labels) for s in sources} == {
        "ann_happy_1": {"identity": "ann", "emotion": "happy"},
        "ann_sad_1": {"identity": "ann", "emotion": "sad"},
        "bob_happy_2_MOV": {"identity": "bob", "emotion": "happy"},
        "bob_happy_2_avi": {"identity": "bob", "emotion": "happy"},
    }
    only = dataset_of("folder", videos, tmp_path / "o", folders=["-", "emotion"]).sources()
    assert only[0].labels == {"emotion": "happy"}
    assert dataset_of("folder", videos, tmp_path / "o").sources()[0].labels == {}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_gives_labels(videos, tmp_path, separator):
    table = tmp_path / "table.csv"
    rows = [
        ("File", "Speaker", "emotion", "split", "licence"),
        ("ann/happy/1.mp4", "Anna", "", "train", "x"),
        ("ann/sad/1.mp4", "Anna", "sad", "val", "x"),
        ("gone.mp4", "Zoe", "", "train", "x"),
    ]
    table.write_text("\ufeff" + "\n".join(separator.join(row) for row in rows), encoding="utf-8")
    dataset = dataset_of("folder", videos, tmp_path / "o", table=str(table), folders=["identity"])
    labels = {s.name: dict(s.labels) for s in dataset.sources()}
    assert labels["ann_happy_1"] == {"identity": "Anna"}
    assert labels["ann_sad_1"] == {"identity": "Anna", "emotion": "sad"}
    assert labels["bob_happy_2_avi"] == {"identity": "bob"}
    survey = dataset.survey()
    assert survey.missing == ("gone.mp4",)
    assert survey.notes == (
        "columns of the table that are not read: licence",
        "2 videos are not in the table, such as bob/happy/2.MOV",
    )
    by_table = dataset_of("folder", videos, tmp_path / "o", table=str(table), split="table")
    with pytest.raises(InputError, match=r"'bob/happy/2\.MOV' is in split ''"):
        by_table.sources()


def test_folders_are_split_by_clip_or_by_speaker(tmp_path):
    root = tmp_path / "in"
    for s in range(10):
        for n in range(4):
            path = root / f"p{s}" / f"{n}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    how = {"folders": ["identity"], "val": 0.1, "test": 0.2}
    by_clip = dataset_of("folder", root, tmp_path / "o", **how).sources()
    assert splits(by_clip) == (28, 4, 8)
    by_speaker = dataset_of("folder", root, tmp_path / "o", split="by_speaker", **how).sources()
    assert (splits(by_speaker), people(by_speaker)) == ((28, 4, 8), (7, 1, 2))
    with pytest.raises(InputError, match="no speaker is known of it"):
        dataset_of("folder", root, tmp_path / "o", split="by_speaker").sources()


def test_the_prepared_corpus_in_the_root_is_no_footage(videos):
    (videos / "out" / "shards").mkdir(parents=True)
    (videos / "out" / "clip.mp4").touch()
    names = [s.name for s in dataset_of("folder", videos, videos / "out").sources()]
    assert len(names) == 4


def test_a_folder_without_videos_says_what_there_is(tmp_path):
    for name in ("a.txt", "b.txt", "c.wav"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"no video in 3 files \(2 \.txt, 1 \.wav\)"):
        dataset_of("folder", tmp_path, tmp_path / "o").sources()


@pytest.mark.parametrize(
    ("text", "said"), [("name,who\na,b\n", "no column `file`"), ("", "no column `file`")]
)
def test_a_wrong_table_is_told(videos, tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=said):
        dataset_of("folder", videos, tmp_path / "o", table=str(tmp_path / "t.csv")).sources()


def test_options_that_make_no_sense_are_refused(videos, tmp_path):
    with pytest.raises(RecipeError, match="leave nothing to train on"):
        dataset_of("folder", videos, tmp_path / "o", val=0.5, test=0.5)
    with pytest.raises(RecipeError, match="needs a `table`"):
        dataset_of("folder", videos, tmp_path / "o", split="table")


def test_the_corpora_keep_their_contract_on_real_trees(videos, cremad, tmp_path):
    corpus = str(tmp_path / "o")
    check_component("dataset", "folder", root=str(videos), corpus=corpus, folders=["identity"])
    check_component("dataset", "cremad", root=str(cremad), corpus=corpus)
    root = tmp_path / "VoxCeleb2"
    write_video(root / "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4")
    check_component("dataset", "voxceleb2", root=str(root), corpus=corpus)
