"""A part of a preparation on the disk: what is cut of it, and its shard once all of it is."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2vkit.data.shards.shard_store import shard_name
from s2vkit.data.shards.shards import join, placed
from s2vkit.files import read_json, replacing, write_json


@dataclass(frozen=True)
class Part:
    """Part `number` of the corpus that is prepared in `out`."""

    out: Path
    number: int

    @property
    def lock(self) -> Path:
        """The file that whoever works on the part holds locked."""
        return self.out / "parts" / f".{self.number:06d}.lock"

    @property
    def folder(self) -> Path:
        """Where its sources' clips lie until all are cut."""
        return self.out / "parts" / f"{self.number:06d}"

    @property
    def _file(self) -> Path:
        return self.folder.with_suffix(".json")

    @property
    def _next(self) -> Path:
        return self.folder.with_suffix(".next.tar")

    @property
    def done(self) -> bool:
        """Whether its shard is written."""
        return self._file.exists()

    def place(self, source: int) -> Path:
        """Name, without a suffix, what is written of a source."""
        return self.folder / f"{source:08d}"

    def result_of(self, source: int) -> dict[str, Any] | None:
        """Read what became of a source; None if it is not cut yet."""
        result: dict[str, Any] | None = read_json(self.place(source).with_suffix(".json"))
        return result

    def results(self) -> list[dict[str, Any]]:
        """Read what became of each source of a part that is done."""
        stored = read_json(self._file) or {"results": []}
        if stored.get("moves") and self._next.exists():
            self._next.replace(self.out / shard_name(self.number))
        found: list[dict[str, Any]] = stored["results"]
        return found

    def close(self, sources: list[int]) -> None:
        """Make the shard, all sources being cut."""
        results = [{**(self.result_of(i) or {}), "source": i} for i in sources]
        files = [self.place(i).with_suffix(".tar") for i in sources]
        self._write(results, files, self.out / shard_name(self.number))
        write_json(self._file, {"results": results})
        shutil.rmtree(self.folder, ignore_errors=True)

    def drop(self, reasons: dict[int, dict[str, Any]]) -> None:
        """Take the clips of some sources out of the shard again; `reasons` is by source.

        A kill on the way leaves the part as it was, or lets `results` finish the change.
        """
        results = self.results()
        for result in results:
            result.update(reasons.get(result["source"], {}))
        shard = self.out / shard_name(self.number)
        self._write(results, [shard] * len(results), self._next)
        write_json(self._file, {"results": results, "moves": True})
        if self._next.exists():
            self._next.replace(shard)
        if not any(result["clips"] for result in results):
            shard.unlink(missing_ok=True)

    def _write(self, results: list[dict[str, Any]], files: list[Path], out: Path) -> None:
        """Write the results' clips as one shard, and say in the results where they lie now."""
        blocks = [[placed(clip) for clip in result["clips"]] for result in results]
        if not any(blocks):
            return
        with replacing(out) as shard:
            laid = iter(join(list(zip(files, blocks, strict=True)), shard))
        for result in results:
            result["clips"] = [vars(next(laid)) for _ in result["clips"]]
