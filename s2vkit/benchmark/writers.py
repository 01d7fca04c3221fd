"""The forms in which a comparison is written to files."""

from __future__ import annotations

from collections.abc import Callable

from s2vkit.benchmark.comparison import Comparison
from s2vkit.benchmark.formats import csv_table, markdown
from s2vkit.benchmark.latex import latex

FORMATS: dict[str, tuple[str, Callable[[Comparison], str]]] = {
    "markdown": ("md", markdown),
    "csv": ("csv", csv_table),
    "latex": ("tex", latex),
}
"""Format -> the ending of its file, and what writes it."""
