"""A comparison of two systems at two seeds, all in small."""

from __future__ import annotations

import io
from pathlib import Path

from helpers_toy import REGISTRY, write_recipe
from rich.console import Console

from s2vkit.benchmark.systems import run_comparison
from s2vkit.recipe.comparison import load_comparison

COMPARISON = """
format: 1
name: Table 1, toy
output: {folder}/table
seeds: [1, 2]
systems:
  ours: small.yaml
  flat:
    recipe: small.yaml
    title: no gradient
    set: {{stages: {{compose: {{losses: {{gradient: null}}}}}}}}
set:
  generator: {{width: 8}}
unseen: {{speakers: 4}}
"""


def write_comparison(folder: Path, text: str = COMPARISON) -> Path:
    write_recipe(folder)
    path = folder / "table1.yaml"
    path.write_text(text.format(folder=folder))
    return path


def compare_toy(folder: Path, *sets: str, **how) -> str:
    text = io.StringIO()
    console = Console(file=text, width=200)
    loaded = load_comparison(write_comparison(folder), sets, REGISTRY)
    run_comparison(loaded, console=console, registry=REGISTRY, command="s2vkit run table1.yaml", **how)
    return text.getvalue()
