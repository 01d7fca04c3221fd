"""A page that runs an exported model in a browser: one folder, opened from the disk, nothing fetched."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from s2vkit.errors import InputError
from s2vkit.files import write_text

PACKAGE = "onnxruntime-web"  # of npm
_MODULE, _WASM = "dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"
_PAGE = ("index.html", "page.js", "player.js", "speech.js")


def find_runtime(given: Path | None, start: Path) -> Path:
    """Find the npm package ONNX Runtime Web: as given, or in a folder node_modules here or above.

    Raises InputError if it is not there.
    """
    places = [given, given / "node_modules" / PACKAGE] if given else []
    places += [] if given else [folder / "node_modules" / PACKAGE for folder in (start, *start.parents)]
    for place in places:
        if all((place / name).is_file() for name in (_MODULE, _WASM)):
            return place
    where = str(given) if given else "node_modules of this folder or one above"
    raise InputError(
        f"the page needs the npm package {PACKAGE}, which is not in {where}",
        hint=f"`npm install {PACKAGE}` here, or name its folder by --runtime",
    )


def check_for_page(facts: dict[str, Any]) -> None:
    """Raise InputError if the page cannot run such a model."""
    if any(facts["generator"].values()):
        raise InputError(
            "the page draws frames from their own speech alone, and this model takes more",
            hint="export it as onnx, and run the files by a program of your own",
        )


def write_page(folder: Path, facts: dict[str, Any], runtime: Path) -> None:
    """Turn a folder of ONNX files into a page that holds them and the runtime.

    A page from the disk may read no other file but scripts, so all of it is in scripts.
    """
    for name in _PAGE:
        with (files("s2vkit.export") / "page" / name).open("rb") as source, (folder / name).open("wb") as to:
            shutil.copyfileobj(source, to)
    model = {name: _packed(folder / file) for name, file in facts["files"].items()}
    _write_script(folder / "model.js", "S2VKIT_MODEL", {"facts": facts, "files": model})
    for file in facts["files"].values():
        (folder / file).unlink()
    parts = {"module": _packed(runtime / _MODULE), "wasm": _packed(runtime / _WASM)}
    _write_script(folder / "runtime.js", "S2VKIT_RUNTIME", parts)


def _write_script(path: Path, name: str, value: dict[str, Any]) -> None:
    write_text(path, f"globalThis.{name} = {json.dumps(value, separators=(',', ':'))};\n")


def _packed(path: Path) -> str:
    return base64.b64encode(gzip.compress(path.read_bytes(), 9, mtime=0)).decode()
