"""Cutting one source: its clips as bytes in a file of its own, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2vkit.data.preparation.cut import Cut, Cutting, Rejected, cut_source, fingerprint_of
from s2vkit.data.shards.shards import pack
from s2vkit.errors import InputError
from s2vkit.files import replacing, write_json
from s2vkit.interfaces.dataset import Source
from s2vkit.interfaces.face_detector import FaceDetector
from s2vkit.media import probe

UNDECODABLE = "undecodable"


@dataclass
class Cutter:
    """Cuts sources; cheap to pickle, its detector is built where it first cuts."""

    make_detector: Callable[[], FaceDetector]
    cutting: Cutting
    quality: int
    _detector: FaceDetector | None = None

    def cut(self, source: Source, out: Path) -> dict[str, Any]:
        """Cut a source and write OUT.tar, its clips' bytes, and OUT.json, what became of it.

        OUT.json comes last, so that it marks a finished source.
        """
        began = time.perf_counter()
        result: dict[str, Any] = {"name": source.name, "file": str(source.path)}
        try:
            result["fingerprint"] = fingerprint_of(source.path)
            if self._detector is None:
                self._detector = self.make_detector()
            found = cut_source(source, self.cutting, self._detector)
            clips = self._write(source, found.clips, out.with_suffix(".tar"))
            result |= {"status": "prepared", "seconds": found.seconds, "fps": found.fps}
            result["detail"] = "; ".join(found.notes)
            result["clips"] = clips
        except InputError as error:
            reason = error.reason if isinstance(error, Rejected) else UNDECODABLE
            detail = (error.detail if isinstance(error, Rejected) else "") or error.message
            result |= rejected(reason, detail) | _header(source, reason)
        except OSError as error:
            if error.errno is None or error.filename is None or error.filename2 is not None:
                raise
            if not _is_of(error.filename, source):  # the disk that is written to
                raise
            result |= rejected(UNDECODABLE, str(error.strerror))
        result["took"] = round(time.perf_counter() - began, 3)
        write_json(out.with_suffix(".json"), result)
        return result

    def _write(self, source: Source, cuts: list[Cut], out: Path) -> list[dict[str, Any]]:
        clips: list[dict[str, Any]] = []
        with replacing(out) as part, part.open("wb") as file:
            for number, cut in enumerate(cuts):
                key = source.name if len(cuts) == 1 else f"{source.name}-{number:03d}"
                about = self._about(key, source, cut)
                rate = self.cutting.sample_rate
                blob, placed = pack(key, cut.frames, cut.speech, rate, about, self.quality)
                clips.append(asdict(placed.moved(file.tell())))
                file.write(blob)
        return clips

    def _about(self, key: str, source: Source, cut: Cut) -> dict[str, Any]:
        cutting = self.cutting
        return {
            "key": key,
            "source": source.name,
            "labels": dict(source.labels),
            "start": round(float(cut.start), 4),
            "frames": len(cut.frames),
            "fps": cutting.fps,
            "sample_rate": cutting.sample_rate,
            "size": cutting.size,
        }


def rejected(reason: str, detail: str) -> dict[str, Any]:
    """Build the result of a rejected source."""
    return {"status": "rejected", "reason": reason, "detail": detail, "clips": []}


def _header(source: Source, reason: str) -> dict[str, Any]:
    """Return what the header of a video says of its length and rate; nothing where it is damaged."""
    if reason == UNDECODABLE:
        return {}
    try:
        info = probe(source.path)
    except InputError:
        return {}
    rates = [stream["fps"] for stream in info["streams"] if "fps" in stream]
    return {"seconds": float(info["seconds"]), "fps": float(rates[0]) if rates else None}


def _is_of(filename: Any, source: Source) -> bool:
    return Path(str(filename)) in (source.path, source.sound, source.spare)
