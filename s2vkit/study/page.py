"""The page of a study: one static file beside its clips, which fetches nothing else."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from s2vkit.files import write_text

_PLACE = "__STUDY__"


def write_study_page(folder: Path, data: dict[str, Any]) -> Path:
    """Write index.html into a folder; clips are `clips/ID.mp4` beside it. Gives its path."""
    template = (files("s2vkit.study") / "page.html").read_text(encoding="utf-8")
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    path = folder / "index.html"
    write_text(path, template.replace(_PLACE, text))
    return path
