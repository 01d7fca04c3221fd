"""What several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def no_curves() -> Iterator[None]:
    """Draw no curves in this module's runs: their own tests do, and they take longest here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("s2vkit.rendering.held_out.draw_curves", lambda *args: True)
        yield
