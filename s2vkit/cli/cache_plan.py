"""What of a recipe is cached and what is computed live, for `s2vkit show` and `s2vkit cache`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from s2vkit.units import size_text

if TYPE_CHECKING:
    from s2vkit.recipe.load import Loaded
    from s2vkit.registry import Registry

_WAYS = {
    "cached": "cached",
    "live": "computed live in each step",
    "shards": "decoded from the shards whenever it is read",
}


def print_cache_plan(loaded: Loaded, registry: Registry, *, as_json: bool = False) -> None:
    """Print what the stages of a recipe read, how, and how large it is; nothing is made."""
    import threading
    from pathlib import Path

    from rich.console import Console

    from s2vkit.cli.tables import print_table
    from s2vkit.engine.setup import RunSetup
    from s2vkit.runs.cache_plan import plan_cache

    output = Path(loaded.recipe.output)
    run = RunSetup(loaded, output, Console(quiet=True), threading.Event(), registry)
    parts = plan_cache(run.cache)
    if as_json:
        rows = [{"what": part.what, "way": part.way, "bytes": part.size} for part in parts]
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [[part.what, _WAYS[part.way], f"about {size_text(part.size)}"] for part in parts]
    print_table(["what", "how", "size"], cells, title=f"what the stages of {loaded.path} read")
    kept = sum(part.size for part in parts if part.way == "cached")
    compute = loaded.recipe.compute
    click.echo(
        f"about {size_text(kept)} in {loaded.recipe.cache}, with compute.frozen_features: "
        f"{compute.frozen_features}, compute.cache_gb: {compute.cache_gb:g}"
    )
