"""`s2vkit inspect`: what is in a prepared corpus."""

from __future__ import annotations

import click


@click.command()
def inspect() -> None:
    """Look at CORPUS."""
