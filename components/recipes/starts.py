"""What recipes begin from, as params.yaml says it, seen without torch: whether it can be, and what must be made before."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from components.contracts.errors import ConfigError
from components.contracts.model_files import COMPATIBLE
from components.recipes.params import UNTRAINED, Begin
from components.recipes.section import unknown
from components.recipes.yaml_lines import Document

WORDS = ("start", "model", "race", "compatible_with")
MAKERS = ("pretrain", "finetune", "package")  # stages whose output is the folder of a model
_WHAT = (
    "A start is runs/NAME/pretrain, runs/NAME/finetune or runs/NAME/package of another recipe, a package, or a folder that "
    f"`diptych model import` wrote; {UNTRAINED} begins with weights that are drawn"
)


def check_starts(root: Path, params: Document) -> None:
    """Raise ConfigError, with the line, for a recipe whose start is not said, is not there, or waits for the recipe itself."""
    recipes: Mapping[str, Any] = params.values["recipes"]
    for name, said in recipes.items():
        key = f"recipes.{name}"
        if not isinstance(said, Mapping) or not isinstance(said.get("start"), str):
            raise ConfigError(
                f"{params.at(key)}: {key} is {said!r}, but must say what it begins from: {name}: {{start: {UNTRAINED}}}. {_WHAT}."
            )
        for word in said:
            if word not in WORDS:
                raise unknown(params, f"{key}.{word}", word, WORDS, f"{key!r}")
        if said.get("model", "recipe") not in ("recipe", "start"):
            raise ConfigError(
                f"{params.at(f'{key}.model')}: {key}.model is {said['model']!r}. Give recipe, to train the recipe's own "
                "architecture, or start, to train that of the start."
            )
        _check(root, params, name, said["start"])
        if (old := said.get("compatible_with", "")) and not (
            isinstance(old, str) and (root / old / COMPATIBLE).is_file()
        ):
            raise ConfigError(
                f"{params.at(f'{key}.compatible_with')}: {key}.compatible_with is {old!r}, where no model was laid in whose index could be "
                f"searched. Lay one in with: diptych run --recipe {name} --compatible-with {name}@champion; or leave it out."
            )
        if said.get("model") == "start" and said["start"] == UNTRAINED:
            raise ConfigError(
                f"{params.at(f'{key}.model')}: {key}.model is start, but nothing is begun from, so there is no architecture to "
                "take. Name a start, or leave model out."
            )


def _check(root: Path, params: Document, name: str, start: str) -> None:
    recipes: Mapping[str, Any] = params.values["recipes"]
    at, made = params.at(f"recipes.{name}.start"), made_by(start)
    if name in [other for other, _ in chain(recipes, name)]:
        raise ConfigError(
            f"{at}: {name} begins from {start}, which waits for {name} itself. Begin from a model that does not, or from {UNTRAINED}."
        )
    if start == UNTRAINED or (made is not None and made[0] in recipes) or (root / start).is_dir():
        return
    there = f"which no stage makes, since {made[0]} is not among the recipes" if made else "and there is nothing"
    raise ConfigError(f"{at}: recipes.{name}.start is {start!r}, {there}. {_WHAT}.")


def chain(recipes: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Yield recipe and stage that make what `name` begins from, then those of what that one begins from, and so on.

    Of `recipes` alone, as params.yaml has them; a chain that bites its tail ends where it does.
    """
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        said = recipes.get(name)
        start = said.start if isinstance(said, Begin) else said.get("start") if isinstance(said, Mapping) else None
        made = made_by(start) if isinstance(start, str) else None
        if made is None or made[0] not in recipes:
            return
        yield made
        name = made[0]


def made_by(start: str) -> tuple[str, str] | None:
    """Return recipe and stage that make a start; None for what no stage of the workspace makes."""
    parts = PurePosixPath(start).parts
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "runs" and parts[2] in MAKERS else None
