"""Ways to damage bytes, texts, data and folders, drawn by a generator."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    7,
    10**9,
    2**63,
    -(2**70),
    0.5,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
    "",
    " ",
    "~",
    "~/x",
    "null",
    "../..",
    "/",
    "/dev/zero",
    "a" * 5000,
    "\u00fc\u4e2d\U0001f600",
    "\0",
    "{x}",
    "%s",
    "${HOME}",
    "1e3",
    "0x1f",
    "on",
    "cpu",
    "none",
    [],
    {},
    [[]],
    [None],
    {"use": "none"},
    {"use": None},
    {"": 1},
    [1, "a", {}],
]
LINES = [
    "\t- x",
    "<<: {a: 1}",
    "&a [*a]",
    "a: !!python/object:os.system x",
    "---",
    "? x",
    "- " * 300,
    "{" * 200,
    "\x07",
    "x: 'y",
]


def damage_bytes(data: bytes, draw: random.Random) -> bytes:
    """Flip, cut, blank, double or swap pieces of some bytes; often near the start."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        size = len(out)
        if not size:
            break
        near = draw.random() < 0.5
        at = draw.randrange(min(size, 2000) if near else size)
        long = min(size - at, int(10 ** draw.uniform(0, 4)))
        kind = draw.randrange(7)
        if kind == 0:
            for _ in range(draw.choice([1, 3, 30])):
                out[draw.randrange(at, min(size, at + 2000))] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            out[at : at + long] = bytes(long)
        elif kind == 3:
            out[at : at + long] = draw.randbytes(long)
        elif kind == 4:
            out[at:at] = out[at : at + long]
        elif kind == 5:
            del out[at : at + long]
        else:
            out[at : at + 4] = draw.choice([b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x01", b"\x80\0\0\0"])
    return bytes(out)


def damage_data(data: Any, draw: random.Random) -> Any:
    """Change values, keys and shapes of plain data; a deep copy is returned."""
    data = json.loads(json.dumps(data))
    places = list(_places(data))
    for _ in range(draw.choice([1, 1, 2, 4])):
        if not places:
            return draw.choice(ODD)
        holder, key = draw.choice(places)
        if (isinstance(holder, list) and not key < len(holder)) or (
            isinstance(holder, dict) and key not in holder
        ):
            continue
        kind = draw.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[_misspelt(str(key), draw)] = holder.pop(key)
        elif kind == 2:
            holder[key] = draw.choice(places)[0]
            data = json.loads(json.dumps(data, default=str, check_circular=False)) if _flat(data) else None
            places = list(_places(data))
        else:
            holder[key] = draw.choice(ODD)
    return data


def _flat(data: Any, depth: int = 0) -> bool:
    """Return whether data is no deeper than JSON can be written, that is, holds no circle."""
    if depth > 60:
        return False
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return all(_flat(one, depth + 1) for one in inner)


def _misspelt(key: str, draw: random.Random) -> str:
    at = draw.randrange(len(key) + 1)
    return draw.choice(
        [key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper(), key + " ", f"{key}.{key}"]
    )


def _places(data: Any):
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in list(inner):
        yield data, key
        yield from _places(value)


def damage_text(text: str, draw: random.Random) -> str:
    """Change lines of a text, or insert odd ones."""
    lines = text.splitlines()
    for _ in range(draw.choice([1, 2, 4])):
        at = draw.randrange(len(lines) + 1)
        kind = draw.randrange(6)
        if kind == 0:
            lines.insert(at, draw.choice(LINES))
        elif kind == 1 and lines:
            lines.insert(at, draw.choice(lines))
        elif at < len(lines):
            line = lines[at]
            cut = draw.randrange(len(line) + 1)
            lines[at] = [
                line[:cut],
                line[cut:],
                "  " + line,
                line[:cut] + draw.choice(":,'\"#\u00fc{[&*!|>%@`\t") + line[cut:],
            ][draw.randrange(4)]
    return draw.choice(["\n", "\n", "\r\n"]).join(lines)


def damage_folder(folder: Path, draw: random.Random) -> str:
    """Damage one to three files of a folder; says which and how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    done = []
    for path in draw.sample(files, min(len(files), draw.choice([1, 1, 2, 3]))):
        kind = draw.randrange(7)
        data = path.read_bytes()
        if kind == 0:
            path.unlink()
        elif kind == 1:
            path.write_bytes(b"")
        elif kind == 2:
            path.unlink()
            path.mkdir()
        elif kind == 3:
            path.unlink()
            path.symlink_to(draw.choice(["nowhere", ".", "/dev/null", path.name]))
        elif kind == 4 and path.suffix in (".json", ".jsonl"):
            try:
                path.write_text(json.dumps(damage_data(json.loads(data), draw), default=str))
            except ValueError:
                path.write_bytes(damage_bytes(data, draw))
        else:
            path.write_bytes(damage_bytes(data, draw))
        done.append(f"{path.relative_to(folder)}:{kind}")
    if draw.random() < 0.1:
        inner = [path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()]
        if inner:
            shutil.rmtree(draw.choice(inner))
    return " ".join(done)
