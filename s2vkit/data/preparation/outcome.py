"""What became of every source: the report, its summary, and when there is no use going on."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from s2vkit.data.preparation.listing import Listing
from s2vkit.errors import InputError
from s2vkit.files import replacing

REPORT = "report.csv"
COLUMNS = ("file", "status", "reason", "seconds", "fps", "speaker", "clips", "emotion", "split", "detail")
_ENOUGH = 200  # sources after which a share says something


def stop_if_hopeless(tally: Counter[str], total: int, max_rejected: float, example: dict[str, Any]) -> None:
    """Raise InputError if more than the share `most` is rejected, of enough or of all."""
    done, rejected = tally.total(), tally["rejected"]
    if done < min(total, _ENOUGH) or rejected <= max_rejected * done:
        return
    why = f"{example.get('file')}: {example.get('reason')} ({example.get('detail')})"
    raise InputError(
        f"stopped: {rejected} of {done} files were rejected, more than {max_rejected:.0%}; the last: {why}",
        hint=f"{REPORT} gives each reason; fix the cause, or allow more with --max-rejected",
    )


def write_report(out: Path, listing: Listing, results: Iterable[dict[str, Any]]) -> None:
    """Write report.csv: a line a source, in the dataset's order."""
    by_name = {result["name"]: result for result in results}
    root = Path(listing.options.root or ".")
    with replacing(out / REPORT) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for source in listing.sources:
            result = by_name.get(source.name)
            if result is None:
                continue
            row = {k: _shown(result.get(k)) for k in ("status", "reason", "seconds", "fps", "detail")}
            writer.writerow(
                {
                    **row,
                    "file": _beside(source.path, root),
                    "speaker": source.labels.get("identity", ""),
                    "emotion": source.labels.get("emotion", ""),
                    "clips": len(result["clips"]),
                }
            )


def read_report(out: Path) -> list[dict[str, str]]:
    """Read report.csv. Raises InputError if it is missing or damaged."""
    try:
        with (out / REPORT).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{out / REPORT}: cannot be read: {error}") from error


def summary(rows: Iterable[dict[str, str]]) -> list[tuple[str, int, int, float]]:
    """Sum a report up by outcome: what, files, clips, hours; prepared first."""
    files: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for row in rows:
        what = row["reason"] or row["status"]
        files[what] += 1
        clips[what] += int(row["clips"])
        seconds[what] += float(row["seconds"] or 0)  # type: ignore[assignment]
    order = sorted(files, key=lambda what: (what != "prepared", -files[what], what))
    return [(what, files[what], clips[what], seconds[what] / 3600) for what in order]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _beside(path: Path, root: Path) -> str:
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(path)
