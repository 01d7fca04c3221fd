"""What several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the certificates of tests out of the user's folder."""
    folder = tmp_path_factory.mktemp("config")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S2VKIT_CONFIG", str(folder))
        yield folder


@pytest.fixture(scope="module")
def no_curves() -> Iterator[None]:
    """Draw no curves in this module's runs: their own tests do, and they take longest here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
        yield
