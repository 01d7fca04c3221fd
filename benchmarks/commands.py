"""What light commands cost beside importing the libraries they are made of, in one run.

    python benchmarks/commands.py

The least of several tries, in turns, of processes of their own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from measuring import machine, print_table

RECIPE = Path(__file__).parent.parent / "recipes" / "tiny.yaml"
LIBRARIES = "import click, pydantic, rich, yaml"
COMMANDS = {
    "s2vkit --help": ["--help"],
    "s2vkit list-components": ["list-components"],
    "s2vkit describe teacher vggface": ["describe", "teacher", "vggface"],
    "s2vkit validate recipes/tiny.yaml": ["validate", str(RECIPE)],
}
ROUNDS = 10


def main() -> None:
    """Time the commands and print the table."""
    calls = {f"python -c '{LIBRARIES}'": ["-c", LIBRARIES]}
    calls |= {name: ["-m", "s2vkit", *args] for name, args in COMMANDS.items()}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, args in calls.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *args], check=True, capture_output=True)
            best[name] = min(best[name], time.perf_counter() - begun)
    base = next(iter(best.values()))
    print(machine())
    rows = [[name, f"{seconds:.2f}", f"{seconds / base:.1f}"] for name, seconds in best.items()]
    print_table(["", "seconds", "times the libraries"], rows)


if __name__ == "__main__":
    main()
