"""The evaluation sets that a recipe lists, checked before any work: sets of anybody's, beside the data's own pools."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Evaluator
from components.contracts.sample import SPLITS
from components.data.sources.catalogue import build_source, read_catalogue, settings_of
from components.recipes.class_keys import check_keys
from components.recipes.section import built, fits
from components.recipes.yaml_lines import Document

PLACE = "data/sets"  # DVC watches it
KEY = "evaluation.sets"


def check_sets(document: Document, root: Path) -> None:
    """Raise ConfigError, with the line, for a set that is not there, whose name metrics cannot bear, or that asks what cannot be asked."""
    for name, said in ((document.values["evaluation"] or {}).get("sets") or {}).items():
        key = f"{KEY}.{name}"
        if not re.fullmatch(r"\w+", str(name)) or name in SPLITS:
            raise ConfigError(
                f"{document.at(key)}: a set is called {name!r}, but its numbers bear its name. Take letters, digits and _, and none of "
                f"{', '.join(SPLITS)}, which are the data's own."
            )
        _check_place(document, key, name, said, root)
        if (source := said.get("source")) is not None:
            try:
                build_source({**source, "path": said["path"]} if said.get("path") else source)
            except ConfigError as err:
                raise ConfigError(f"{document.at(f'{key}.source')}: {err}") from err
        for place, described in enumerate(said.get("evaluators") or ()):
            below = f"{key}.evaluators.{place}"
            check_keys(document, below, described)
            fits(document, below, described, Evaluator)
            built(document, below, described, Evaluator)


def _check_place(document: Document, key: str, name: str, said: Mapping[str, Any], root: Path) -> None:
    """Raise ConfigError, with the line, for a set without a path that needs one, with one that nothing would read, or that is not where sets are."""
    source = said.get("source")
    known = source.get("name") if isinstance(source, Mapping) else None
    row = read_catalogue().get(str(known))
    reads = row is None or "path" in settings_of(row)  # of a name that is no source build_source says so
    idle = [word for word in ("split", "namesakes") if word in said] if source is not None else []
    if idle:
        raise ConfigError(
            f"{document.at(f'{key}.{idle[0]}')}: {idle[0]} is of sets in CLIP_benchmark's layout, and {name} comes from a source, all of whose samples are "
            "the set. Take it out."
        )
    if said.get("path") is None:
        if source is None:
            raise ConfigError(
                f"{document.at(key)}: the set {name} has neither a path nor a source, so there is nothing to measure. Say `path: {PLACE}/{name}`, or "
                "which source it comes from, such as `source: {name: emoji_tones}`."
            )
        if row is not None and reads:
            raise ConfigError(
                f"{document.at(f'{key}.source')}: the set {name} has no path, but the source {known} reads one. Say `path: {PLACE}/{name}` "
                "beside it."
            )
        return
    if not reads:
        raise ConfigError(
            f"{document.at(f'{key}.path')}: the set {name} has a path, but the source {known} reads none, so that nothing there would be "
            "measured. Take the path out."
        )
    path = PurePosixPath(str(said["path"]))
    if path.parts[:2] != ("data", "sets") or len(path.parts) < 3 or ".." in path.parts:
        raise ConfigError(
            f"{document.at(f'{key}.path')}: the set {name} is in {str(path)!r}, but sets are in {PLACE}, where DVC sees when one changes. Put it "
            f"there: {PLACE}/{name}."
        )
    if link := next((one for one in (root / path, *(root / path).rglob("*")) if one.is_symlink()), None):
        raise ConfigError(
            f"{document.at(f'{key}.path')}: {link.relative_to(root)} is a link, and DVC does not look behind one, so that a change there would not be "
            f"measured. Put the files there; on one disk `cp -al` takes no room."
        )
    if not (root / path).exists():
        raise ConfigError(
            f"{document.at(f'{key}.path')}: there is no {path}. Put the set {name} there, or take it out."
        )
