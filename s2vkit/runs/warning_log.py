"""What a run was warned of, kept in its folder: one JSON object a line, in warnings.jsonl."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from s2vkit.errors import S2vkitError
from s2vkit.files import read_lines, write_text
from s2vkit.report.page import write_page

FILE = "warnings.jsonl"


def now() -> str:
    """Return the time as it is written into run folders: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class Notes:
    """Keeps warnings with their time and stage; of equal ones of a stage only the first."""

    def __init__(self, folder: Path) -> None:
        self.path, self.stage = folder / FILE, ""
        self._kept = read_lines(self.path)
        self._torn = self.path.is_file() and self.path.read_bytes()[-1:] not in (b"\n", b"")

    def add(self, text: str, source: str = "s2vkit") -> None:
        """Keep a warning of the stage that runs."""
        note = {"time": now(), "stage": self.stage, "source": source, "text": text}
        same = ("stage", "source", "text")
        if any(all(kept.get(key) == note[key] for key in same) for kept in self._kept):
            return
        self._kept.append(note)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            broken = "\n" if self._torn else ""  # a kill cut the last line short
            file.write(broken + json.dumps(note, ensure_ascii=False) + "\n")
        self._torn = False

    def forget(self, stage: str) -> None:
        """Drop what an earlier turn of a stage was warned of: it begins from nothing."""
        if any(note.get("stage") == stage for note in self._kept):
            self._kept = [note for note in self._kept if note.get("stage") != stage]
            lines = [json.dumps(note, ensure_ascii=False) + "\n" for note in self._kept]
            write_text(self.path, "".join(lines))
            self._torn = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep Python's own warnings too; they are shown as ever."""
        show = warnings.showwarning

        def keep(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            where = "/".join(Path(filename).parts[-2:])  # no more: a page may go elsewhere
            self.add(f"{category.__name__}: {message} ({where}:{lineno})", "python")
            show(message, category, filename, lineno, file, line)

        warnings.showwarning = keep
        try:
            yield
        finally:
            warnings.showwarning = show

    @contextmanager
    def telling_why(self) -> Iterator[None]:
        """Have the page of a run that cannot go on show how far it came, and why no further."""
        try:
            yield
        except S2vkitError as error:
            self.add(f"the run ended here: {error.message}")
            write_page(self.path.parent)
            raise
