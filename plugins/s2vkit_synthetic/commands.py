"""`s2vkit synthesize`: the synthetic corpus on disk, laid out as CREMA-D is."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click

from s2vkit import ResourceError
from s2vkit_synthetic import FIRST_ID, SyntheticOptions

if TYPE_CHECKING:
    from s2vkit import RawClip


@click.command()
@click.option("--output", required=True, type=click.Path(path_type=Path), help="folder to fill")
@click.option("--speakers", default=8, type=click.IntRange(2, 64), help="number of speakers")
@click.option("--sentences", default=12, type=click.IntRange(1, 12), help="how many sentences")
@click.option("--size", default=128, type=click.IntRange(32, 256), help="height and width")
@click.option("--fps", default=25.0, type=click.FloatRange(5, 60), help="frames a second")
@click.option("--seed", default=0, type=click.IntRange(min=0), help="another seed, other takes")
def synthesize(output: Path, speakers: int, sentences: int, size: int, fps: float, seed: int) -> None:
    """Write the synthetic corpus as a CREMA-D-like folder.

    OUTPUT gets AudioWAV/NAME.wav (16 kHz, mono), Video/NAME.mp4 (with sound),
    Truth/NAME.npz (mouth_aperture and phoneme of each frame) and VideoDemographics.csv. Clips
    that are there already are kept, so an interrupted run can be repeated.
    """
    from s2vkit_synthetic.corpus import SyntheticCorpus

    options = SyntheticOptions(speakers=speakers, sentences=sentences, size=size, fps=fps, split="by_clip")
    corpus = SyntheticCorpus(options, seed=seed)
    try:
        for folder in ("AudioWAV", "Video", "Truth"):
            (output / folder).mkdir(parents=True, exist_ok=True)
        _write_people(output / "VideoDemographics.csv", speakers)
        clips = corpus.clips()
        with click.progressbar(range(len(clips)), label="clips") as indices:
            for index in indices:
                name = clips[index].name
                if not (output / "Truth" / f"{name}.npz").exists():
                    _write_clip(output, name, corpus.load(index), fps)
    except OSError as error:
        raise ResourceError(f"{output}: cannot be written: {error}") from error
    click.echo(f"{len(clips)} clips in {output}")


def _write_people(path: Path, speakers: int) -> None:
    """List the speakers as CREMA-D does; nobody drawn has a race or an ethnicity to state."""
    from s2vkit_synthetic.cast import cast

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["ActorID", "Age", "Sex", "Race", "Ethnicity"])
        for k, person in enumerate(cast(speakers)):
            sex = "Female" if person.sex == "f" else "Male"
            writer.writerow([FIRST_ID + k, person.age, sex, "SampleIndices", "SampleIndices"])


def _write_clip(output: Path, name: str, clip: RawClip, fps: float) -> None:
    """Write sound, picture and truth; the truth last, so that it marks a finished clip."""
    import numpy as np

    from s2vkit_synthetic.files import write_mp4, write_wav

    write_wav(output / "AudioWAV" / f"{name}.wav", clip.speech)
    write_mp4(output / "Video" / f"{name}.mp4", clip.frames, clip.speech, fps)
    np.savez_compressed(output / "Truth" / f"{name}.npz", **clip.truth)
