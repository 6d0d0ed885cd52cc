"""The evaluation sets that a recipe lists, checked before any work: sets of anybody's, beside the data's own pools."""

import re
from pathlib import Path, PurePosixPath

from components.contracts.errors import ConfigError
from components.contracts.evaluator import Evaluator
from components.contracts.sample import SPLITS
from components.data.sources.catalogue import build_source
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
        path = PurePosixPath(str(said["path"]))
        if path.parts[:2] != ("data", "sets") or len(path.parts) < 3 or ".." in path.parts:
            raise ConfigError(
                f"{document.at(f'{key}.path')}: the set {name} is in {str(path)!r}, but sets are in {PLACE}, where DVC sees when one changes. Put it, or a "
                f"link to it, there: {PLACE}/{name}."
            )
        if not (root / path).exists():
            raise ConfigError(
                f"{document.at(f'{key}.path')}: there is no {path}. Put the set {name} there, or take it out."
            )
        if (source := said.get("source")) is not None:
            try:
                build_source({**source, "path": str(path)})
            except ConfigError as err:
                raise ConfigError(f"{document.at(f'{key}.source')}: {err}") from err
        for place, described in enumerate(said.get("evaluators") or ()):
            below = f"{key}.evaluators.{place}"
            check_keys(document, below, described)
            fits(document, below, described, Evaluator)
            built(document, below, described, Evaluator)
