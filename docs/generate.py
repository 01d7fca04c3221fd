"""Write the parts of the documentation that the code itself knows.

python docs/generate.py           write docs/components.md and docs/cli.md
python docs/generate.py --check   say which is stale; exit code 1 if one is
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from s2vkit.cli.main import COMMANDS, cli
from s2vkit.cli.option_rows import OptionRow, option_rows
from s2vkit.errors import EXIT_CODES
from s2vkit.options import KINDS
from s2vkit.plugins import registry
from s2vkit.registry import Entry, plural

HERE = Path(__file__).parent
_MADE = "<!-- written by docs/generate.py; edit the code, then run it again -->\n"


def texts() -> dict[Path, str]:
    """Return every generated file's text as it should be."""
    return {HERE / "components.md": components(), HERE / "cli.md": command_line()}


def components() -> str:
    """Describe every component of our own distribution."""
    lines = [
        "# Components",
        _MADE,
        "Every word that a recipe can put after `use:`. `s2vkit list-components` also shows those "
        "of plugins from elsewhere, and `s2vkit describe KIND NAME` shows one of them. "
        "What `gives` and `wants` mean is said in [plugins.md](plugins.md).",
    ]
    for kind in KINDS:
        entries = [e for e in registry().of_kind(kind) if e.owner.startswith("s2vkit ")]
        if entries:
            lines += ["", f"## {plural(kind).replace('_', ' ').capitalize()}"]
            lines += [line for entry in entries for line in _component(entry)]
    return "\n".join(lines) + "\n"


def _component(entry: Entry) -> Iterator[str]:
    yield from ("", f"### `{entry.name}`", "", f"{_cell(entry.summary)}.", "")
    facts = {
        "from": entry.reference,
        "code": f"`{entry.target}`",
        "gives": ", ".join(entry.gives),
        "wants": ", ".join(entry.wants),
        "better": entry.better if entry.better != "none" else "",
    }
    yield from (f"- {word}: {_cell(fact)}" for word, fact in facts.items() if fact)
    rows = option_rows(entry.options)
    if rows:
        yield from ("", "| option | type | default | limits | meaning |", "|---|---|---|---|---|")
        yield from map(_option, rows)


def _option(row: OptionRow) -> str:
    name, words, default, limits, meaning = map(_cell, row.as_cells())
    shown = default if row.required else f"`{default}`"
    return f"| `{name}` | {words} | {shown} | {limits} | {meaning} |"


def command_line() -> str:
    """Describe every command and every exit code."""
    lines = ["# The command line", _MADE, "```text", "s2vkit [--debug] COMMAND ...", "```", ""]
    lines += ["| command | what it does |", "|---|---|"]
    lines += [f"| [`{name}`](#s2vkit-{name}) | {line} |" for name, (_, line) in COMMANDS.items()]
    with click.Context(cli, info_name="s2vkit") as root:
        for name in COMMANDS:
            command = cli.get_command(root, name)
            assert command is not None
            lines += _command(name, command)
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {_cell(meaning)} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join([*lines, *_COMPLETION]) + "\n"


_COMPLETION = [
    "",
    "## Completion",
    "",
    "Commands, options, kinds, components, recipes and devices are completed by the shell. "
    "Put one line into its start-up file:",
    "",
    "```bash",
    'eval "$(_S2VKIT_COMPLETE=bash_source s2vkit)"    # ~/.bashrc',
    'eval "$(_S2VKIT_COMPLETE=zsh_source s2vkit)"     # ~/.zshrc',
    "_S2VKIT_COMPLETE=fish_source s2vkit | source     # ~/.config/fish/completions/s2vkit.fish",
    "```",
    "",
    "`NO_COLOR` set to anything leaves colours out; tables in a pipe are plain columns.",
]


def _command(name: str, command: click.Command) -> Iterator[str]:
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if isinstance(p, click.Option)]
    words = " ".join(p.metavar or (p.name or "").upper() for p in arguments)
    yield from ("", f"## `s2vkit {name}`", "")
    yield from ("```text", f"s2vkit {name} {words} [OPTIONS]".replace("  ", " "), "```", "")
    yield from (line.strip() for line in (command.help or "").strip().splitlines())
    if options:
        yield from ("", "| option | meaning |", "|---|---|")
        yield from (f"| {_spelt(option)} | {_cell(_meaning(option))} |" for option in options)
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            yield from _command(f"{name} {inner}", one)


def _spelt(option: click.Option) -> str:
    word = "" if option.is_flag else f" {option.metavar or (option.name or '').upper()}"
    both = [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{name}{word}`" for name in both)


def _meaning(option: click.Option) -> str:
    said = option.help or ""
    if option.required:
        return f"{said} Required."
    if option.show_default is True:
        return f"{said} Default: {option.default}."
    return said


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(check: bool) -> int:
    """Write the files, or say which are stale: the exit code."""
    stale = [p for p, text in texts().items() if not p.is_file() or p.read_text("utf-8") != text]
    for path in stale:
        print(f"{'stale' if check else 'wrote'}: {path.relative_to(HERE.parent)}")
        if not check:
            path.write_text(texts()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
