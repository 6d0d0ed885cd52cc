"""What params.yaml sets of a drawn source, checked before anything is drawn."""

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from components.contracts.errors import ConfigError

Typed = TypeVar("Typed")


def typed(name: str, kind: type[Typed], given: Mapping[str, Any]) -> Typed:
    """Return settings as their type; ConfigError for one that does not exist, with the nearest that does."""
    known = list(inspect.signature(kind).parameters)
    if not isinstance(given, Mapping):
        raise ConfigError(f"source.{name} is {given!r}. Give settings by name, of {', '.join(known)}.")
    for key in given:
        if key not in known:
            near = get_close_matches(str(key), known, n=1, cutoff=0)[0]
            raise ConfigError(f"source.{name} takes no {key!r}. There is {', '.join(known)}; did you mean {near}?")
    return kind(**given)


def some(name: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return a list of words; ConfigError unless they are different ones of those there are."""
    listed = [] if isinstance(given, str) else list(given)
    if not listed or len(set(listed)) != len(listed) or not set(listed) <= set(known):
        raise ConfigError(f"source.{name} is {given!r}. Give a list of different ones of {', '.join(known)}.")
    return tuple(listed)


def share(name: str, given: float) -> float:
    """Return a share; ConfigError unless it is one."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ConfigError(f"source.{name} is {given!r}. Give a share from 0 to 1.")
    return float(given)
