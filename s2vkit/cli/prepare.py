"""`s2vkit prepare`: videos of talking faces into a corpus of clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from s2vkit.cli import complete
from s2vkit.cli.parameters import sets_option, track_option

if TYPE_CHECKING:
    from s2vkit.recipe.load import Recipe

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    metavar="RECIPE",
    help="Take dataset, root and output from the `data:` of a recipe.",
    shell_complete=complete.recipes,
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="The kind of corpus: folder, cremad, voxceleb2 ...",
    shell_complete=complete.datasets,
)
@click.option("--root", type=_FOLDER, metavar="DIR", help="The folder of the original corpus.")
@click.option("--output", type=_FOLDER, metavar="DIR", help="The folder of the prepared corpus.")
@click.option(
    "--detector",
    metavar="NAME",
    help="The face detector; by default the installed one that gives landmarks.",
    shell_complete=complete.detectors,
)
@sets_option()
@click.option(
    "--workers", type=click.IntRange(min=0), metavar="N", help="Worker processes; by default one per core."
)
@click.option(
    "--rank",
    metavar="K/N",
    help="Do the K-th of N shares, K from 0; by default from torchrun's or Slurm's variables.",
)
@click.option(
    "--max-rejected",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="SHARE",
    help="Stop when more than this share of the files is rejected.",
)
@track_option("audio")
@track_option("video")
@click.option(
    "--seed", type=click.IntRange(min=0), help="The seed of the splits; by default the recipe's, or 1234."
)
def prepare(
    recipe: Path | None,
    dataset: str | None,
    root: Path | None,
    output: Path | None,
    detector: str | None,
    sets: tuple[str, ...],
    workers: int | None,
    rank: str | None,
    max_rejected: float,
    audio_track: int | None,
    video_track: int | None,
    seed: int | None,
) -> None:
    """Cut videos of talking faces into clips, and report what became of every file.

    The same command resumes one that was stopped or killed, and several may run at once, on one
    machine or on many. With --dataset, --set sets the dataset's options, e.g.
    --set fps=30; with --recipe, any value of the recipe.
    """
    options = {"face_detector": detector, "root": root, "corpus": output}
    given = {key: _quoted(str(value)) for key, value in options.items() if value is not None}
    numbers = {"audio_track": audio_track, "video_track": video_track}
    given |= {key: str(value) for key, value in numbers.items() if value is not None}
    corpus, cores = _corpus(recipe, dataset, given, sets, seed)

    from rich.console import Console

    from s2vkit.data.preparation.ranks import find_rank
    from s2vkit.engine.preparing import prepare_corpus

    prepare_corpus(
        corpus,
        console=Console(),
        workers=cores if workers is None else workers,
        rank=find_rank(rank),
        max_rejected=max_rejected,
    )


def _corpus(
    recipe: Path | None, dataset: str | None, given: dict[str, str], sets: tuple[str, ...], seed: int | None
) -> tuple[Any, int]:
    """Build the corpus that is meant, and say how many cores there are for it."""
    from s2vkit.plugins import registry
    from s2vkit.recipe.load import load_recipe, load_slot

    if (recipe is None) == (dataset is None):
        raise click.UsageError("give either --recipe or --dataset")
    if recipe is not None:
        short = [f"data.{key}={value}" for key, value in given.items()]
        loaded: Recipe = load_recipe(recipe, [*sets, *short], registry()).recipe
        slot, default_seed = loaded.data, loaded.seed
    else:
        _need(given, "root", "corpus")
        short = [f"{key}={value}" for key, value in given.items()]
        slot, default_seed = load_slot("dataset", str(dataset), [*sets, *short], registry()), 1234

    import os

    from s2vkit.build import build_dataset
    from s2vkit.data.corpus import FootageCorpus

    corpus = build_dataset(slot, default_seed if seed is None else seed, registry())
    if not isinstance(corpus, FootageCorpus):
        raise click.UsageError(f"dataset '{slot.use}' needs no preparing: `s2vkit run` makes it")
    return corpus, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def _need(given: dict[str, str], *names: str) -> None:
    for name in names:
        if name not in given:
            option = {"corpus": "output"}.get(name, name)
            raise click.UsageError(f"--dataset needs --{option} DIR")


def _quoted(value: str) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
