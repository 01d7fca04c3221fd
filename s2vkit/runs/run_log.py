"""The log file of a run: what it did and when, by Python's logging."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "run.log"
LEVELS = ("debug", "info", "warning", "error")
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@contextmanager
def log_file(folder: Path, level: str = "info") -> Iterator[None]:
    """Append what s2vkit logs from a level on to `run.log` in a run's folder; an error ends it."""
    logger, handler = logging.getLogger("s2vkit"), logging.FileHandler(folder / FILE, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.setLevel(level.upper())
    before = logger.level
    logger.setLevel(min(filter(None, (before, handler.level))))
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        logger.error("ended by %s: %s", type(error).__name__, error, exc_info=level == "debug")
        raise
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        handler.close()
