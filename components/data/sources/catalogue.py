"""The sources there are, and how params.yaml's `source:` becomes one of them."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import yaml

from components.contracts.errors import ConfigError
from components.contracts.source import Source

CATALOGUE = Path(__file__).with_name("catalogue.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of catalogue.yaml.

    Args:
        class_path: the source's class.
        licence: SPDX identifiers of its pictures.
        columns: labels that its rows have.
        size: in words.
    """

    class_path: str
    licence: str
    columns: Sequence[str]
    size: str


def read_catalogue() -> dict[str, Entry]:
    """Return name -> row."""
    rows = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return {name: Entry(**row) for name, row in rows.items()}


def build_source(params: Mapping[str, Any]) -> Source:
    """Return the source that params.yaml's `source:` names, such as {name: emoji, languages: [en]}.

    Raises ConfigError for a name or setting that does not exist, with the nearest one that does.
    """
    catalogue = read_catalogue()
    if not isinstance(params, Mapping) or "name" not in params:
        raise ConfigError(
            f"source in params.yaml is {params!r}. It needs a name, one of {', '.join(catalogue)}: `source: {{name: emoji}}`."
        )
    name = params["name"]
    if name not in catalogue:
        raise ConfigError(f"source.name is {name!r}, which is no source. {_nearest(name, list(catalogue))}")
    kind = load_class(catalogue[name])
    known = settings_of(catalogue[name])
    settings = {key: value for key, value in params.items() if key != "name"}
    if "path" not in known:
        settings.pop("path", None)  # params.yaml always has one, for DVC to watch
    for key in settings:
        if key not in known:
            raise ConfigError(
                f"source {name} takes no {key!r}; ignoring it would build other data. {_nearest(key, known)}"
            )
    return cast(Source, kind(**settings))


def settings_of(entry: Entry) -> list[str]:
    """Return what params.yaml may set of a source, besides its name."""
    return list(inspect.signature(load_class(entry)).parameters)


def load_class(entry: Entry) -> type:
    """Return the class of a row."""
    module, _, attribute = entry.class_path.rpartition(".")
    return cast(type, getattr(importlib.import_module(module), attribute))


def _nearest(given: object, known: list[str]) -> str:
    near = get_close_matches(str(given), known, n=1, cutoff=0)
    return f"There is {', '.join(known)}; did you mean {near[0]}?"
