"""Installing distributions from outside into a folder: their own environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

OUTSIDE = Path(__file__).parent / "outside"
_BUILD = """
import sys
from hatchling.builders.wheel import WheelBuilder
for root in sys.argv[2:]:
    for wheel in WheelBuilder(root).build(directory=sys.argv[1], versions=["standard"]):
        print(wheel)
"""


def install(folders: Sequence[Path], target: Path, wheels: Path) -> Mapping[str, str]:
    """Build each folder's wheel and unpack it into `target`: the environment to use it with."""
    command = [sys.executable, "-c", _BUILD, str(wheels), *map(str, folders)]
    built = subprocess.run(command, check=True, capture_output=True, text=True)
    for wheel in built.stdout.split():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(target)
    return {"PYTHONPATH": str(target)}
