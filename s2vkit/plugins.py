"""Finding and loading plugins: one at a time, all or nothing, never crashing the program."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points

import pluggy

from s2vkit import hookspecs
from s2vkit.errors import PluginError
from s2vkit.hookspecs import ENTRY_POINT_GROUP, PROJECT
from s2vkit.options import Field, Options
from s2vkit.registry import Collector, Failure, Registry


@cache
def registry() -> Registry:
    """Load every installed plugin once and give the registry they fill."""
    return load(entry_points(group=ENTRY_POINT_GROUP))


def load(points: Iterable[EntryPoint]) -> Registry:
    """Fill a registry from entry points; ours first, so that nobody takes our names."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    filled = Registry()
    for point in sorted(points, key=lambda p: (_distribution(p) != PROJECT, p.name, p.value)):
        owner = owner_of(point)
        try:
            _load_one(manager, point, owner, filled)
            filled.owners[point.name] = owner
        except (Exception, SystemExit) as error:  # foreign code: whatever it raises is its failure
            filled.failures.append(Failure(owner, _why(error)))
    return filled


class Origin(Options):
    """The owner of a plugin."""

    distribution: str = Field(description="name of the distribution, as pip knows it")
    version: str = Field(description="its version")


def load_named(plugins: Mapping[str, Origin]) -> Registry:
    """Load the plugins of these names alone. Raises PluginError that names what is missing."""
    found = [p for p in entry_points(group=ENTRY_POINT_GROUP) if p.name in plugins]
    chosen = [p for p in found if _plain_name(_distribution(p)) == _plain_name(plugins[p.name].distribution)]
    if missing := plugins.keys() - {p.name for p in chosen}:
        needed = [f"'{n}' of {plugins[n].distribution} {plugins[n].version}" for n in sorted(missing)]
        names = sorted({plugins[n].distribution for n in missing})
        raise PluginError(
            f"a plugin is not installed: {', '.join(needed)}", hint=f"install {', '.join(names)}"
        )
    filled = load(chosen)
    for failure in filled.failures:
        raise PluginError(f"plugin {failure.owner} failed to load: {failure.error}")
    return filled


def origin_of(owner: str) -> tuple[str, Origin]:
    """Parse what `owner_of` returned: the plugin's name, and who brings it."""
    match = re.fullmatch(r"(.+) (\S+) \((.+)\)", owner)
    distribution, version, name = match.groups() if match else (owner, "", owner)
    return name, Origin(distribution=distribution, version=version)


def _plain_name(distribution: str) -> str:
    """Write a distribution's name as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def owner_of(point: EntryPoint) -> str:
    """Name the distribution and version that brings a plugin, and the plugin."""
    name, version = _named(point.dist)
    return f"{name} {version} ({point.name})"


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def _distribution(point: EntryPoint) -> str:
    return _named(point.dist)[0]


@cache  # each asking parses the distribution's whole metadata
def _named(distribution: Distribution | None) -> tuple[str, str]:
    return (distribution.name, distribution.version) if distribution else ("?", "?")


def _load_one(manager: pluggy.PluginManager, point: EntryPoint, owner: str, filled: Registry) -> None:
    plugin = point.load()
    name = manager.register(plugin, owner)
    try:
        others = [p for p in manager.get_plugins() if p is not plugin]
        collector = Collector(owner)
        manager.check_pending()
        manager.subset_hook_caller("s2vkit_register", others)(register=collector.register)
        manager.subset_hook_caller("s2vkit_commands", others)(register=collector.register_command)
        if not (collector.entries or collector.commands):
            raise PluginError(
                f"'{point.value}' registers no component and no command; "
                "it needs a function s2vkit_register marked with @hookimpl"
            )
        filled.add_all(collector.entries, collector.commands)
    except Exception:
        manager.unregister(plugin, name)
        raise
