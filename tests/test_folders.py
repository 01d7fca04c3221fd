"""Folders and tables as people have them: links, pipes, sounds beside videos, any spelling."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from helpers_film import FindsDrawn, Portrait, clicks, steady, write_film
from helpers_footage import dataset_of
from helpers_media import sine, write_sound

from s2vkit.data.preparation.cut import Cutting, cut_source, fingerprint_of
from s2vkit.errors import InputError
from s2vkit.interfaces.dataset import Source


def touch(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def names(dataset) -> list[str]:
    return [source.name for source in dataset.sources()]


def test_linked_folders_are_entered_once_and_cycles_reported(tmp_path):
    touch(tmp_path / "else", "1.mp4", "deep/2.mp4")
    root = touch(tmp_path / "in", "bob/3.mp4")
    (root / "ann").symlink_to(tmp_path / "else")
    (root / "again").symlink_to(root / "bob")
    (tmp_path / "else" / "up").symlink_to(tmp_path / "in")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    dataset = dataset_of("folder", root, tmp_path / "o", folders=["identity"])
    assert names(dataset) == ["ann_1", "ann_deep_2", "bob_3"]
    assert [s.labels["identity"] for s in dataset.sources()] == ["ann", "ann", "bob"]
    assert dataset.survey().notes == (
        f"passed over: 1 links that lead nowhere, such as {root / 'gone.mp4'}",
        f"passed over: 2 links to folders that are read already, such as {root / 'again'}",
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_passed_over_and_never_opened(tmp_path):
    root = touch(tmp_path / "in", "a.mp4")
    os.mkfifo(root / "pipe.mp4")
    dataset = dataset_of("folder", root, tmp_path / "o")
    assert names(dataset) == ["a"]
    assert dataset.survey().notes == (
        f"passed over: 1 pipes, sockets or devices, such as {root / 'pipe.mp4'}",
    )
    with pytest.raises(InputError, match="is not a regular file"):
        fingerprint_of(root / "pipe.mp4")


FACE = Portrait(lambda t: (80, 60, 50))


@pytest.mark.parametrize("own", ["none", "silent", "audible"])
def test_a_sound_file_beside_a_silent_video_is_its_sound(tmp_path, own):
    root = tmp_path / "in"
    root.mkdir()
    sound = {"none": None, "silent": 0 * clicks(1.2), "audible": clicks(1.2)}[own]
    write_film(root / "a.mkv", steady(25, 1.2), FACE, sound)
    write_sound(root / "a.WAV", sine(300, 1.2, 16000)[None], 16000, fmt="wav")
    (source,) = dataset_of("folder", root, tmp_path / "o").sources()
    assert source.spare == root / "a.WAV"
    found = cut_source(source, Cutting(size=32, min_face=24, detect_at=160), FindsDrawn())
    assert (abs(found.clips[0].speech[3000:15000]).mean() > 0.2) == (own != "audible")
    assert found.notes == ([] if own == "audible" else ["its sound is that of a.WAV"])


ACCENT = "jos\u00e9/\u00fcben.mp4"
SPELLINGS = {
    "as it is": lambda file, root: file,
    "backslashes": lambda file, root: file.replace("/", "\\"),
    "dot": lambda file, root: f"./{file}",
    "absolute": lambda file, root: str(root / file),
    "of another machine": lambda file, root: f"D:\\films\\{file}".replace("/", "\\"),
    "without a suffix": lambda file, root: file.removesuffix(".mp4"),
    "another suffix": lambda file, root: file.replace(".mp4", ".wav"),
    "decomposed": lambda file, root: unicodedata.normalize("NFD", file),
    "capitals": lambda file, root: file.upper(),
    "name alone": lambda file, root: file.rpartition("/")[2],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_tables_name_files_in_any_spelling_and_encoding(tmp_path, spelling, encoding):
    if (spelling, encoding) == ("decomposed", "cp1252"):
        pytest.skip("Windows-1252 has no combining accents")
    root = touch(tmp_path / "in", ACCENT, "bob/1.mp4")
    said = [SPELLINGS[spelling](file, root) for file in (ACCENT, "bob/1.mp4")]
    table = tmp_path / "t.csv"
    text = f"File Name;Speaker ID;mood\r\n{said[0]};Jos\u00e9;x\r\n{said[1]};Bob;x\r\n"
    table.write_bytes(text.encode(encoding))
    dataset = dataset_of("folder", root, tmp_path / "o", table=str(table))
    assert [s.labels.get("identity") for s in dataset.sources()] == ["Bob", "Jos\u00e9"]
    notes = ["the table is read as Windows-1252"] if encoding == "cp1252" else []
    assert list(dataset.survey().notes) == [*notes, "columns of the table that are not read: mood"]


def labelled(tmp_path: Path, text: str):
    root = touch(tmp_path / "in", "a/1.mp4", "b/1.mp4", "b/2.mp4")
    (tmp_path / "t.csv").write_text(text)
    return dataset_of("folder", root, tmp_path / "o", table=str(tmp_path / "t.csv"))


def test_doubles_in_a_table_are_reported_and_contradictions_refused(tmp_path):
    dataset = labelled(tmp_path, "file,speaker\na/1.mp4,ann\n./a/1.mp4,ann\n1.mp4,zoe\n,x\nb/2,bob\n")
    assert [s.labels.get("identity") for s in dataset.sources()] == ["ann", None, "bob"]
    survey = dataset.survey()
    assert survey.missing == ("1.mp4",)  # there are two
    assert survey.notes == (
        "1 rows of the table name no file",
        "1 rows of the table are there twice",
        "1 videos are not in the table, such as b/1.mp4",
    )
    with pytest.raises(InputError, match=r"disagree about 'a/1\.mp4': identity is 'ann' and 'zoe'"):
        labelled(tmp_path, "file,speaker\na/1.mp4,ann\na\\1.mp4,zoe\n").sources()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,speaker\nc.mp4,ann\n", "not one of its 1 files is a video below `root`"),
        ("file,speaker,Speaker ID\na/1.mp4,x,y\n", "columns 'speaker' and 'Speaker ID' both tell identity"),
        ("file,speaker\n,\n", "no row that names a file"),
        ("file,speaker\na/1.mp4,\0\n", "no text in UTF-8"),
    ],
)
def test_tables_that_would_label_nothing_are_refused_before_anything_is_cut(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        labelled(tmp_path, text).survey()


def test_a_source_that_is_a_folder_or_gone_has_no_fingerprint(tmp_path):
    for path in (tmp_path, tmp_path / "gone.mp4"):
        with pytest.raises(InputError, match=r"is a folder|no such file"):
            fingerprint_of(path)
    assert Source("a", tmp_path, {}, "train").spare is None
