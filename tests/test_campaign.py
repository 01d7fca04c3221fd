"""The quick part of the campaign of damaged things, and what watches over it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the campaign forks")

_CASES = """
import os, sys, time
import s2vkit.errors
from campaign import watch
watch.LIMIT = 4.0

def case(number, folder):
    folder.mkdir(exist_ok=True)
    (folder / "a").write_text("here")
    if number == 1:
        raise KeyError("a bug")
    if number == 2:
        os._exit(3)
    if number == 3:
        time.sleep(60)
    if number == 4:
        open(os.path.expanduser("~/stray"), "w").close()
    return "well"

from pathlib import Path
found = watch.run_cases(case, list(range(6)), Path(sys.argv[1]).resolve(), time.monotonic() + 60)
print([outcome for _, outcome, _ in found])
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *args]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=120)


def test_errors_crashes_hangs_and_stray_writes_are_found(tmp_path):
    done = run("-c", _CASES, str(tmp_path))
    assert done.stdout == "['well', 'error', 'crash', 'hang', 'stray write', 'well']\n", done.stderr


def test_a_few_damaged_recipes_media_and_tables(tmp_path):
    kinds = [word for kind in ("recipes", "media", "tables") for word in ("--kind", kind)]
    done = run("-m", "campaign", "--seed", "7", "--seconds", "5", "--share", "0.01", *kinds)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recipes: 0 of" not in done.stdout
