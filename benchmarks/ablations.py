"""Run the ablations of recipes/ablations beside a finished run, and table their figures.

python benchmarks/ablations.py runs/speech2video          run what is not run yet, then the table
python benchmarks/ablations.py runs/speech2video --table  the table alone

Each ablation takes over the finished run's stages; the fingerprints decide which of them stand,
so most train the composer only. Options of the run itself go along: --set stages.compose.steps=500.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from s2vkit.engine.run import run_recipe
from s2vkit.files import read_json
from s2vkit.recipe.load import load_recipe

RECIPES = Path(__file__).parent.parent / "recipes" / "ablations"
METRICS = ("ssim", "psnr", "identity_accuracy", "emotion_accuracy", "mouth_aperture_correlation")


def main() -> None:
    """Run and table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the finished run of the whole recipe")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--only", nargs="+", default=[], help="names of ablations")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of every recipe")
    args = parser.parse_args()
    names = args.only or sorted(path.stem for path in RECIPES.glob("*.yaml"))
    folders = {name: args.run.with_name(f"{args.run.name}-{name}") for name in names}
    if not args.table:
        for name, folder in folders.items():
            run(RECIPES / f"{name}.yaml", folder, args.run, args.set)
    print(table({"everything": args.run, **folders}))


def run(recipe: Path, folder: Path, whole: Path, sets: list[str]) -> None:
    """Run one ablation, from the stages of the whole run."""
    if not folder.exists():
        (folder / "stages").mkdir(parents=True)
        shutil.copy(whole / "run.json", folder)
        for stage in (whole / "stages").iterdir():
            if not (stage / "checkpoint").exists() or (stage / "done.json").exists():
                ignored = shutil.ignore_patterns("checkpoint", "samples")
                shutil.copytree(stage, folder / "stages" / stage.name, ignore=ignored)
    loaded = load_recipe(recipe, [f"output={folder}", *sets])
    run_recipe(loaded, console=Console())


def table(folders: dict[str, Path]) -> str:
    """Lay out the figures of runs as Markdown; what is not there yet is a dash."""
    lines = ["| run | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name, folder in folders.items():
        found = read_json(folder / "metrics.json") or {}
        values = [found.get(metric, {}).get("value") for metric in METRICS]
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
