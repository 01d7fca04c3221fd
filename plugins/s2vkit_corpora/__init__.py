"""Real corpora of talking faces: CREMA-D, VoxCeleb2, and any folder of videos."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from s2vkit import Field, FootageOptions, Register, hookimpl


class CremadOptions(FootageOptions):
    """Options of CREMA-D."""

    split: Literal["by_clip", "by_actor", "sdfa"] = Field(
        default="by_clip",
        description="which clips are in val and test: 15 % each of the clips (the paper's observed "
        "speakers) or of the actors, drawn by the seed; or the actors of the SDFA papers",
    )


class VoxCeleb2Options(FootageOptions):
    """Options of VoxCeleb2."""

    val_speakers: int = Field(
        default=120, ge=0, description="speakers of dev that become val, drawn by the seed"
    )
    most_per_speaker: int | None = Field(
        default=None, ge=1, description="utterances taken of each speaker, drawn by the seed"
    )


class FolderOptions(FootageOptions):
    """Options of a folder of videos."""

    folders: list[str] = Field(
        default=[],
        description="labels that the folders' names are, from the root down, such as "
        "[identity, emotion]; '-' passes a level over",
    )
    table: str | None = Field(
        default=None,
        description="CSV or TSV with a column `file` (relative to root) and any of `speaker`, "
        "`emotion`, `split` or other labels",
    )
    split: Literal["by_clip", "by_speaker", "by_time", "table"] = Field(
        default="by_clip",
        description="whether val and test hold clips or speakers of their own, or the end of each clip: "
        "val, then test, for those who have one video a speaker",
    )
    val: float = Field(default=0.15, ge=0.0, lt=1.0, description="share of val")
    test: float = Field(default=0.15, ge=0.0, lt=1.0, description="share of test")

    @model_validator(mode="after")
    def _there_is_something_to_train_on(self) -> FolderOptions:
        if self.val + self.test >= 1.0:
            raise ValueError("val and test leave nothing to train on")
        if self.split == "table" and self.table is None:
            raise ValueError("split table needs a `table`")
        return self


@hookimpl
def s2vkit_register(register: Register) -> None:
    """Register the corpora."""
    register(
        "dataset",
        "cremad",
        "s2vkit_corpora.cremad:Cremad",
        CremadOptions,
        gives=("speech", "frames", "identity", "emotion"),
        summary="CREMA-D: 91 actors, 12 sentences, 6 emotions, 7,442 clips; ODbL; not downloaded",
        reference="Cao et al. 2014; github.com/CheyneyComputerScience/CREMA-D",
    )
    register(
        "dataset",
        "voxceleb2",
        "s2vkit_corpora.voxceleb2:VoxCeleb2",
        VoxCeleb2Options,
        gives=("speech", "frames", "identity"),
        summary="VoxCeleb2: 6,112 speakers in the wild, 1,128,246 utterances; not downloaded",
        reference="Chung et al. 2018; www.robots.ox.ac.uk/~vgg/data/voxceleb",
    )
    register(
        "dataset",
        "folder",
        "s2vkit_corpora.folder:Folder",
        FolderOptions,
        gives=("speech", "frames", "identity", "emotion"),
        summary="any folder of videos; labels by its folders' names, by a table, or none",
    )
