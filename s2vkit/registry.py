"""The registry: which component has which name, who owns it, and where its code is.

Registration is data. Nothing is imported until a component is first used.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, get_args

from s2vkit.checkpoints import Carrier, Checkpoint
from s2vkit.errors import PluginError
from s2vkit.options import KINDS, Better, Options, value_of

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TARGET = re.compile(r"[\w.]+:\w+")
_COMMAND = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

OUR_COMMANDS = frozenset(
    {
        "demo",
        "run",
        "sweep",
        "runs",
        "bundle",
        "benchmark",
        "verify",
        "generate",
        "validate",
        "show",
        "list-components",
        "describe",
        "weights",
        "cache",
        "new-plugin",
        "doctor",
        "prepare",
        "inspect",
        "evaluate",
        "export",
        "report",
        "study",
        "recipes",
        "schema",
        "serve",
    }
)
"""The commands that no plugin may claim."""


@dataclass(frozen=True)
class Entry:
    """One registered component."""

    kind: str
    name: str
    target: str
    options: type[Options]
    owner: str
    gives: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    summary: str = ""
    reference: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    better: Better = "none"
    carriers: tuple[Carrier, ...] = ()

    def carriers_for(self, options: Options) -> tuple[Carrier, ...]:
        """Return the packages of which one has the file that these options leave open."""
        return self.carriers if value_of(options, "file") is None else ()

    def load(self) -> Any:
        """Import the component; a failure keeps its cause and names the owner."""
        module, _, attr = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attr)
        except Exception as error:
            raise PluginError(
                f"{self.kind} '{self.name}' of {self.owner} cannot be loaded from "
                f"'{self.target}': {type(error).__name__}: {error}",
                hint="the plugin, or a package it needs, is broken or missing; "
                "`s2vkit doctor` lists what is installed",
            ) from error


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be loaded: whose it is and why."""

    owner: str
    error: str


@dataclass(frozen=True)
class Command:
    """A command that a plugin adds."""

    name: str
    target: str
    summary: str
    owner: str


@dataclass
class Registry:
    """Every component by kind and name, and the plugins that failed."""

    entries: dict[tuple[str, str], Entry] = field(default_factory=dict)
    commands: dict[str, Command] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Entry:
        """Find a component, or say which names there are and which is nearest."""
        entry = self.entries.get((kind, name))
        if entry is None:
            raise PluginError(f"unknown {kind} '{name}'", hint=self.hint(kind, name))
        return entry

    def names(self, kind: str) -> list[str]:
        """List the names of one kind, sorted."""
        return sorted(name for k, name in self.entries if k == kind)

    def of_kind(self, kind: str | None = None) -> list[Entry]:
        """List entries, of one kind or of all, in the order of kinds and names."""
        chosen = [e for e in self.entries.values() if kind in (None, e.kind)]
        return sorted(chosen, key=lambda e: (KINDS.index(e.kind), e.name))

    def hint(self, kind: str, name: str) -> str:
        """Suggest what the user may have meant by an unknown name."""
        known = self.names(kind)
        near = nearest(name, known)
        parts = [f"did you mean '{near}'?"] if near else []
        kinds = plural(kind)
        parts.append(f"known {kinds}: {', '.join(known)}" if known else f"no {kind} is installed")
        return "; ".join([" ".join(parts), *self._may_hold_it()])

    def _may_hold_it(self, max_count: int = 3) -> list[str]:
        lines = [
            f"plugin {failure.owner} failed to load and may hold it: {failure.error}"
            for failure in self.failures[:max_count]
        ]
        if len(self.failures) > max_count:
            lines.append(f"so did {len(self.failures) - max_count} more: see `s2vkit list-components`")
        return lines

    def add_all(self, entries: Iterable[Entry], commands: Iterable[Command]) -> None:
        """Add one plugin's components and commands: all of them, or none."""
        taken, taken_commands = dict(self.entries), dict(self.commands)
        for entry in entries:
            key = (entry.kind, entry.name)
            _refuse(f"{entry.kind} '{entry.name}'", entry.owner, taken.get(key))
            taken[key] = entry
        for command in commands:
            _refuse(f"command '{command.name}'", command.owner, taken_commands.get(command.name))
            taken_commands[command.name] = command
        self.entries, self.commands = taken, taken_commands


def _refuse(what: str, owner: str, existing: Entry | Command | None) -> None:
    if existing is not None:
        raise PluginError(f"{what} is claimed by {owner} but belongs to {existing.owner}")


class Collector:
    """Gathers what one plugin registers and checks its form."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[Entry] = []
        self.commands: list[Command] = []

    def register(
        self,
        kind: str,
        name: str,
        target: str,
        options: type[Options] = Options,
        *,
        gives: tuple[str, ...] = (),
        wants: tuple[str, ...] = (),
        summary: str = "",
        reference: str = "",
        checkpoints: tuple[Checkpoint, ...] = (),
        better: Better = "none",
        carriers: tuple[Carrier, ...] = (),
    ) -> None:
        """Register a component.

        `kind` is one of `s2vkit.options.KINDS`, `name` lower_snake, `target` "module:attr",
        `options` the model of what a recipe may set. `gives` and `wants` are words that the
        recipe's checker compares before anything is built; `summary` is one line;
        `reference` names the paper, equation or checkpoint; `checkpoints` are the files of
        weights that its option `checkpoint` reads; `better` says which way a metric's figures
        are better; `carriers` are packages of which one has the file that its option `file` names
        otherwise. Raises PluginError.
        """
        if kind not in KINDS:
            raise PluginError(f"unknown kind '{kind}'; kinds are {', '.join(KINDS)}")
        if not _NAME.fullmatch(name):
            raise PluginError(f"{kind} name '{name}' is not lower_snake")
        if not _TARGET.fullmatch(target):
            raise PluginError(f"{kind} '{name}': target '{target}' is not 'module:attr'")
        if not (isinstance(options, type) and issubclass(options, Options)):
            raise PluginError(f"{kind} '{name}': options must be a subclass of s2vkit.Options")
        if checkpoints and "checkpoint" not in options.model_fields:
            raise PluginError(f"{kind} '{name}' offers checkpoints but has no option 'checkpoint'")
        if carriers and "file" not in options.model_fields:
            raise PluginError(f"{kind} '{name}' names carriers of a file but has no option 'file'")
        if better not in get_args(Better) or (better != "none" and kind != "metric"):
            ways = ", ".join(get_args(Better))
            raise PluginError(f"{kind} '{name}': better={better!r}; a metric may say {ways}")
        self.entries.append(
            Entry(
                *(kind, name, target, options, self.owner, gives, wants, summary, reference),
                checkpoints=checkpoints,
                better=better,
                carriers=carriers,
            )
        )

    def register_command(self, name: str, target: str, summary: str) -> None:
        """Register `s2vkit NAME`, a click command at `target`. Raises PluginError."""
        if not _COMMAND.fullmatch(name):
            raise PluginError(f"command name '{name}' is not lower-case-with-dashes")
        if name in OUR_COMMANDS:
            raise PluginError(f"command '{name}' is claimed by {self.owner} but belongs to s2vkit")
        if not _TARGET.fullmatch(target):
            raise PluginError(f"command '{name}': target '{target}' is not 'module:attr'")
        self.commands.append(Command(name, target, summary, self.owner))


def plural(kind: str) -> str:
    """Put a kind into the plural."""
    if kind.endswith("marks"):
        return kind
    return kind + ("es" if kind.endswith("s") else "s")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word nearest to a misspelt one; dashes and underscores are alike."""
    by_plain = {k.replace("-", "_").lower(): k for k in known}
    close = difflib.get_close_matches(word.replace("-", "_").lower(), by_plain, n=1, cutoff=0.6)
    return by_plain[close[0]] if close else None
