"""Whether the recipes and the scale that params.yaml names are there: what can be seen at once, without torch."""

import difflib
from pathlib import Path

from components.contracts.errors import ConfigError
from components.recipes.params import UNTRAINED
from components.recipes.starts import check_starts
from components.recipes.yaml_lines import Document, read_yaml

RECIPES = "components/recipes"
SCALES = f"{RECIPES}/scales"


def check_names(root: Path) -> tuple[str, ...]:
    """Return the recipes of params.yaml.

    Raises ConfigError with line and nearest name for one, or a scale, that has no file; for a start that cannot be one; for a
    key that is said twice; for a file that is no YAML.
    """
    params = read_yaml(root / "params.yaml")
    recipes = params.values.get("recipes")
    if not isinstance(recipes, dict) or not recipes:
        raise ConfigError(
            f"{params.at('recipes')}: recipes is {recipes!r}, but must name at least one, and what it begins from: "
            f"recipes: {{clip: {{start: {UNTRAINED}}}}}"
        )
    for name in recipes:
        exists(root, RECIPES, name, params, f"recipes.{name}")
    check_starts(root, params)
    if "scale" in params.values:
        exists(root, SCALES, params.values["scale"], params, "scale")
    return tuple(recipes)


def exists(root: Path, folder: str, name: object, said_by: Document, key: str) -> None:
    """Raise ConfigError unless `folder` has a file of this name; `said_by` names it under `key`."""
    known = sorted(path.stem for path in (root / folder).glob("*.yaml"))
    if name not in known:
        what = "scale" if folder == SCALES else "recipe"
        raise ConfigError(f"{said_by.at(key)}: there is no {what} {name!r}. {nearest(name, known, folder)}")


def nearest(name: object, known: list[str], folder: str) -> str:
    """Return what there is, and which of it was most likely meant."""
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0)
    return f"{folder} has {', '.join(known) or 'none'}" + (f"; did you mean {near[0]}?" if near else ".")
