"""What several files of tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# One of several workers computes on one thread, and so do the processes that it starts: more of them
# than there are cores wait for each other. Set before torch is imported, which reads it once.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

LONG = (
    *("swaps", "resume", "run_errors", "probes", "compare_run", "engine", "cache", "contracts", "cut_sync"),
    *("pretended_devices", "export", "validation", "plugins", "several_processes", "outside_sides"),
    *("checkpoints", "more_teachers", "craft", "footage", "new_plugin", "adversarial", "start_from"),
)
"""The files that take longest, longest first, without `test_` and `.py`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files: each runs in one worker, and the others wait for one that begins late."""
    places = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))


@pytest.fixture(scope="session", autouse=True)
def own_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the certificates of tests out of the user's folder."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S2VKIT_CONFIG", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def same_precision_everywhere() -> Iterator[None]:
    """Have `auto` take fp32 on every CPU: tests compare numbers, and on some it would take bf16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cpu.get_capabilities", dict, raising=False)
        yield


@pytest.fixture(scope="module")
def no_curves() -> Iterator[None]:
    """Draw no curves in this module's runs: their own tests do, and they take longest here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
        yield
