"""The registry: which component answers to which word, whose it is, and where its code lies.

Registration is data. Nothing is imported until a component is first used.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from s2vkit.errors import PluginError
from s2vkit.options import KINDS, Options

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TARGET = re.compile(r"[\w.]+:\w+")


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

    def load(self) -> Any:
        """Import the component; a failure keeps its cause and says whose it is."""
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
        """Say what the user may have meant by an unknown name."""
        known = self.names(kind)
        near = nearest(name, known)
        parts = [f"did you mean '{near}'?"] if near else []
        parts.append(f"known {kind}s: {', '.join(known)}" if known else f"no {kind} is installed")
        hint = " ".join(parts)
        for failure in self.failures:
            hint += f"; plugin {failure.owner} failed to load and may hold it: {failure.error}"
        return hint

    def add_all(self, entries: Iterable[Entry], commands: Iterable[Command]) -> None:
        """Take in one plugin's components and commands: all of them, or none."""
        entries, commands = list(entries), list(commands)
        seen: dict[Any, Entry | Command] = {}
        for item in (*entries, *commands):
            key = (item.kind, item.name) if isinstance(item, Entry) else item.name
            what = f"{item.kind} '{item.name}'" if isinstance(item, Entry) else f"command '{key}'"
            held = self.entries.get(key) if isinstance(item, Entry) else self.commands.get(key)
            held = held or seen.get(key)
            if held is not None:
                raise PluginError(f"{what} is claimed by {item.owner} but belongs to {held.owner}")
            seen[key] = item
        self.entries.update({(e.kind, e.name): e for e in entries})
        self.commands.update({c.name: c for c in commands})


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
    ) -> None:
        """Register a component.

        `kind` is one of `s2vkit.options.KINDS`, `name` lower_snake, `target` "module:attr",
        `options` the model of what a recipe may set. `gives` and `wants` are words that the
        recipe's checker compares before anything is built; `summary` is one line;
        `reference` names the paper, equation or checkpoint. Raises PluginError.
        """
        if kind not in KINDS:
            raise PluginError(f"unknown kind '{kind}'; kinds are {', '.join(KINDS)}")
        if not _NAME.fullmatch(name):
            raise PluginError(f"{kind} name '{name}' is not lower_snake")
        if not _TARGET.fullmatch(target):
            raise PluginError(f"{kind} '{name}': target '{target}' is not 'module:attr'")
        if not (isinstance(options, type) and issubclass(options, Options)):
            raise PluginError(f"{kind} '{name}': options must be a subclass of s2vkit.Options")
        self.entries.append(
            Entry(kind, name, target, options, self.owner, gives, wants, summary, reference)
        )

    def register_command(self, name: str, target: str, summary: str) -> None:
        """Register a command of the command line."""
        if not _TARGET.fullmatch(target):
            raise PluginError(f"command '{name}': target '{target}' is not 'module:attr'")
        self.commands.append(Command(name, target, summary, self.owner))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word nearest to a misspelt one; dashes and underscores are alike."""
    by_plain = {k.replace("-", "_").lower(): k for k in known}
    close = difflib.get_close_matches(word.replace("-", "_").lower(), by_plain, n=1, cutoff=0.6)
    return by_plain[close[0]] if close else None
