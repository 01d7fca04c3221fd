"""Whether a part keeps to the words of its contract: an ability that is misspelt is never used."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from torch import nn

_NEAR = 0.75  # of 1, from which on two names count as one, misspelt
_SHORTEST = 4  # letters; shorter names are near to too many others


def misspelt(part: Any, contract: type) -> Iterator[tuple[str, str]]:
    """Return names of a part that are close to, but not, one of its contract's, and that one.

    A name is let be where the part has what it is close to as well.
    """
    abilities = {name for name in _public(contract) - _public(nn.Module) if len(name) >= _SHORTEST}
    own = {name for cls in _between(type(part), contract) for name in vars(cls)}
    names = {name for name in own | set(vars(part)) if len(name) >= _SHORTEST and not name.startswith("_")}
    for name in sorted(names - abilities):
        close = difflib.get_close_matches(name, abilities - names, n=1, cutoff=_NEAR)
        yield from ((name, ability) for ability in close)


def hidden(part: Any, contract: type) -> list[str]:
    """Name the submodules of a part that a name of its contract's class hides: a method's, or a value's."""
    inner = {name for name, _ in part.named_children()} if isinstance(part, nn.Module) else set()
    return sorted(inner & {name for name in dir(contract) if not name.startswith("_")})


def _between(own: type, contract: type) -> list[type]:
    """List the classes of a part that are not its contract's own."""
    return [cls for cls in own.__mro__ if cls not in contract.__mro__]


def _public(cls: type) -> set[str]:
    """Name what a class has and what it says its instances have."""
    annotated = {name for base in cls.__mro__ for name in getattr(base, "__annotations__", {})}
    return {name for name in {*dir(cls), *annotated} if not name.startswith("_")}
