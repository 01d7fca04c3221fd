"""The shell of every page: one static file that opens from the disk and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from s2vkit.errors import InputError

_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="s2vkit">
<title>$title</title>
<style>
$style</style></head><body>
<header id="top"><h1>$title</h1><p class="soft">$subtitle</p>
$summary</header>
$contents<main>
$body
</main>
<script>$script</script></body></html>
""")

MARK = '<meta name="generator" content="s2vkit">'
"""What tells a page of ours from other files."""


@dataclass(frozen=True)
class Section:
    """One part of a page; `traced` says in HTML which files it was drawn from, and how."""

    name: str
    inside: str
    traced: str = ""

    @property
    def anchor(self) -> str:
        """Return the section's name within addresses."""
        return "-".join("".join(c if c.isalnum() else " " for c in self.name.lower()).split())

    def __str__(self) -> str:
        traced = f'<p class="trace">{self.traced}</p>' if self.traced else ""
        return f'<section id="{self.anchor}"><h2>{escape(self.name)}</h2>\n{self.inside}{traced}</section>'


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    summary: str = "",
    empty: str = "Nothing is there yet.",
) -> str:
    """Write a whole page of the sections that hold something; `summary` and insides are HTML."""
    filled = [section for section in sections if section.inside]
    links = "".join(f'<li><a href="#{s.anchor}">{escape(s.name)}</a></li>' for s in filled)
    contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n' if len(filled) > 2 else ""
    return _PAGE.substitute(
        policy=_policy(),
        title=escape(title),
        subtitle=escape(subtitle),
        summary=summary,
        contents=contents,
        style=_static("page.css"),
        script=_static("page.js"),
        body="\n".join(map(str, filled)) or f"<p>{escape(empty)}</p>",
    )


def check_place(page: Path) -> None:
    """Raise InputError if a page would take the place of a file that is no page of ours."""
    if page.is_dir():
        raise InputError(f"{page}: is a folder", hint="name the page: -o PAGE.html")
    if not page.is_file():
        return
    with page.open("rb") as file:
        if MARK.encode() not in file.read(4096):
            raise InputError(f"{page}: is there, and no page of s2vkit's", hint="choose another -o PAGE")


@cache
def _static(name: str) -> str:
    return (files("s2vkit.report") / "static" / name).read_text(encoding="utf-8")


@cache
def _policy() -> str:
    """Allow what lies in the page, clips beside it, and no script but ours; no network at all."""
    digest = base64.b64encode(hashlib.sha256(_static("page.js").encode()).digest()).decode()
    return (
        "default-src 'none'; img-src data:; media-src data: file:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
