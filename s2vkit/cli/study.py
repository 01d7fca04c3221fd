"""`s2vkit study`: people compare the clips of runs and of other generators; what their votes say."""

from __future__ import annotations

from pathlib import Path

import click

from s2vkit.cli.parameters import device_option

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("study")
def study() -> None:
    """Compare the clips of runs by human raters: a page for them, and the analysis of their votes.

    The page is one file beside its clips. It needs no server and no network, and does not
    know which clip is whose.
    """


@study.command("make")
@click.argument("runs", type=_FOLDER, nargs=-1, metavar="[RUN]...")
@click.option(
    "--videos",
    type=_FOLDER,
    multiple=True,
    metavar="DIR",
    help="The videos of another generator as one more system, each named as the clip; may be given "
    "several times, with runs or without.",
)
@click.option(
    "--real",
    type=_FOLDER,
    metavar="DIR",
    help="The real videos, for --truth and --checks where no run is named.",
)
@click.option(
    "-o",
    "--output",
    type=_FOLDER,
    required=True,
    metavar="DIR",
    help="The folder of the study; raters get DIR/page, never DIR/key.json.",
)
@click.option(
    "--clips",
    type=click.IntRange(1, 500),
    default=8,
    show_default=True,
    metavar="N",
    help="Clips, each shown by every two systems.",
)
@click.option(
    "--question",
    "questions",
    multiple=True,
    metavar="TEXT",
    help="What is asked of each pair: natural, lips, emotion, or a question of your own; may be "
    "given several times. Without it, those three.",
)
@click.option(
    "--checks",
    type=click.IntRange(0, 50),
    default=2,
    show_default=True,
    metavar="N",
    help="Pairs of a real and a degraded clip, to detect inattentive raters.",
)
@click.option("--truth", is_flag=True, help="Include the real clips as one more system.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for drawing clips and sides.")
@device_option()
@click.option("--force", is_flag=True, help="Replace a study that is there.")
def make(
    runs: tuple[Path, ...],
    videos: tuple[Path, ...],
    real: Path | None,
    output: Path,
    clips: int,
    questions: tuple[str, ...],
    checks: int,
    truth: bool,
    seed: int,
    device: str,
    force: bool,
) -> None:
    """Write a page that shows raters blinded pairs of clips from RUNs and folders of videos.

    Each run's model generates the same held-out clips from their speech; the videos of other
    generators are matched with them by name. Votes are kept in the
    rater's browser, who sends them as a CSV file; `s2vkit study analyse` reads those.
    """
    from rich.console import Console

    from s2vkit.engine.view import View
    from s2vkit.study.make import make_study, size_of
    from s2vkit.study.plan import questions_of

    with View(Console()) as view:
        made = make_study(
            runs,
            output,
            clips=clips,
            questions=questions_of(questions),
            seed=seed,
            checks=checks,
            truth=truth,
            view=view,
            videos=videos,
            real=real,
            device=device,
            force=force,
        )
    shown = len({clip.clip for clip in made.shown.values()})
    click.echo(
        f"{len(made.pairs)} pairs of {len(made.systems)} systems on {shown} clips, "
        f"{len(made.questions)} questions each"
    )
    megabytes = size_of(output) / 1e6
    click.echo(f"raters open {output / 'page' / 'index.html'} (the folder: {megabytes:.1f} MB)")
    click.echo(f"keep {output / 'key.json'} to yourself: it maps each clip to its system")


@study.command("analyse")
@click.argument("folder", type=_FOLDER, metavar="DIR")
@click.argument("votes", type=_FILE, nargs=-1, required=True, metavar="VOTES.csv...")
@click.option(
    "-o",
    "--output",
    type=_FOLDER,
    metavar="OUT",
    help="Where analysis.json, .md and .csv go; by default DIR itself.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
def analyse(folder: Path, votes: tuple[Path, ...], output: Path | None, seed: int) -> None:
    """Analyse the votes on the study in DIR, with intervals over raters.

    Rows that cannot be used are rejected and counted. Of a rater's votes on one pair and
    question the last counts, in the order of files and rows.
    """
    from rich.console import Console

    from s2vkit.files import write_json, write_text
    from s2vkit.study.analysis import analyse as find
    from s2vkit.study.plan import read_study
    from s2vkit.study.tables import as_csv, as_markdown, print_analysis
    from s2vkit.study.votes import read_votes

    plan = read_study(folder)
    box = read_votes(votes, plan)
    found = find(plan, box, seed=seed)
    print_analysis(found, Console())
    for example in found["set_aside_examples"]:
        click.echo(f"rejected: {example}", err=True)
    out = output or folder
    write_json(out / "analysis.json", found)
    write_text(out / "analysis.md", as_markdown(found))
    write_text(out / "analysis.csv", as_csv(found))
    click.echo(f"wrote {out / 'analysis.json'}, .md and .csv")
