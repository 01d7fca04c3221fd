"""How often D_sync takes a matched pair of a frame and its speech for more real than a mismatched one.

python benchmarks/sync_pairs.py RUN [--batches 100]

Takes D_sync of a finished run as it was when `compose` began and as it was when `compose` ended, and shows it
held-out batches of real pairs, drawn at random as the stage `pretrain_sync` draws those that it trains on.
Prints the AUC of matched against mismatched pairs, a mean over batches; 0.5 is guessing. A run's own log
has that of a few pairs of val.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import torch
from measuring import print_table
from rich.console import Console

from s2vkit.benchmark.measure import opened
from s2vkit.engine.loading import BatchDataset
from s2vkit.plugins import registry
from s2vkit.tensors import load_modules

PAIRS = "pretrain_sync"  # the stage that shows pairs
SYNC = "discriminator.sync"
WHEN = {"compose begins": PAIRS, "compose has ended": "compose"}  # whose weights it has then


def main() -> None:
    """Print the AUC of both splits at both times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--batches", type=int, default=100, help="of each split")
    given = parser.parse_args()
    rows = []
    with opened(given.run, Console(stderr=True), registry(), device="cpu") as run, torch.no_grad():
        (step,) = (step for step in run.plan.steps if step.name == PAIRS)
        sources = run.cache.sources(step.stage, run.store)
        for when, name in WHEN.items():
            weights = given.run / "stages" / name / "weights.safetensors"
            load_modules(weights, {SYNC: run.graph.modules()[SYNC].eval()})
            for split in ("val", "test"):
                drawn = BatchDataset(sources, step.stage, PAIRS, seed=run.recipe.seed, split=split)
                loaded = (drawn.complete(drawn[number]) for number in range(given.batches))
                batches = (one.to(torch.device("cpu")) for one in loaded)
                found = [float(step.stage.validate(batch)["auc"]) for batch in batches]
                rows.append((when, split, f"{fmean(found):.3f}"))
    print_table(("when", "split", "AUC"), rows)


if __name__ == "__main__":
    main()
