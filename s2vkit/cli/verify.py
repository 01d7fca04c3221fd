"""`s2vkit verify`: whether files say that a model made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from s2vkit.interfaces.watermark import Watermark
    from s2vkit.marking.verify import Verdict

CODES = {"signed": 0, "marked": 10, "unknown": 11, "altered": 12}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A run or bundle: look for its watermark and key too, and report whether it made the file.",
)
@click.option(
    "--trust",
    "roots",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="Trust signatures of this root too; may be given several times. The local root is trusted.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="Search this many seconds of a video for the watermark.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of what was found, as JSON.")
def verify(
    files: tuple[Path, ...], model: Path | None, roots: tuple[Path, ...], seconds: float, as_json: bool
) -> int:
    """Report for each FILE whether it is signed, altered since, only watermarked, or neither.

    FILEs may be of any origin: C2PA signatures of any tool are read, and the watermarks of all
    installed plugins. The exit code is 0 if all are signed, 10 if one is only marked, 11 if one is
    unknown, 12 if one was altered (the highest of them), and 4 if one cannot be read.
    """
    from s2vkit.errors import InputError
    from s2vkit.inference.marking import known_watermarks, model_bits
    from s2vkit.marking.credentials import local_root
    from s2vkit.marking.signing import MISSING, can_sign
    from s2vkit.marking.verify import verify as check

    if not can_sign():
        click.echo(f"note: signatures are not read: {MISSING}", err=True)
    watermarks: Mapping[str, Watermark] = known_watermarks(model)
    trusted = b"\n".join([*map(_read, roots), *filter(None, [local_root()])])
    bits = model_bits(model) if model else None
    code, unread, listed = 0, 0, []
    for path in files:
        try:
            verdict = check(path, watermarks, trusted, seconds)
        except InputError as error:
            click.echo(f"error: {error}", err=True)
            unread = InputError.exit_code
            listed.append({"file": str(path), "state": "error", "error": error.message})
            continue
        code = max(code, CODES[verdict.state])
        listed.append(verdict.plain())
        if not as_json:
            click.echo("\n".join(_lines(verdict, bits)))
    if as_json:
        click.echo(json.dumps(listed, indent=1, ensure_ascii=False))
    return unread or code


def _read(path: Path) -> bytes:
    from s2vkit.errors import InputError

    text = path.read_bytes() if path.is_file() else b""
    if b"BEGIN CERTIFICATE" not in text:
        raise InputError(f"{path}: holds no certificate in PEM", hint="--trust takes the root's certificate")
    return text


def _lines(verdict: Verdict, bits: int | None) -> list[str]:
    lines = [f"{verdict.path}: {verdict.state}"]
    if signature := verdict.signature:
        trust = "trusted" if signature.trusted else "a signer that is not known here"
        made = ", made by a trained model" if signature.ai_made else ""
        said = f"signed by {signature.issuer or 'nobody named'} ({trust}) with {signature.generator}{made}"
        lines.append(f"  {said}")
        if not signature.valid:
            lines.append(f"  the file is not what was signed: {', '.join(signature.problems)}")
    if found := verdict.watermark:
        detection: Any = found.detection
        lines.append(
            f"  watermark {found.name}, bits {detection.payload:#06x}, at {found.start:.1f} to "
            f"{found.end:.1f} s (by chance: under {max(detection.false_positives, 1e-99):.0e})"
        )
        if bits is not None:
            own = "the bits of this model" if detection.payload == bits else "not the bits of this model"
            lines.append(f"  {own} ({bits:#06x})")
    if verdict.state == "unknown":
        lines.append("  neither a signature nor a watermark; that says nothing of who made it")
    return lines
