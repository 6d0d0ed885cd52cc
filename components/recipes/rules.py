"""Whether the rules of a promotion can decide at all: by metrics that are measured and, where two models are compared in them, kept query by query."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from components.contracts.errors import ConfigError
from components.contracts.promotion import Rules
from components.evaluation.catalogue import better, kind_of, kinds, kinds_with_rows, unit, why_no_rows, with_rows
from components.recipes.params import Params
from components.recipes.recipe import read_recipe
from components.recipes.yaml_lines import Document, read_yaml

UNLISTED = ("retrieval", "canary", "leakage", "zero_shot", "judged", "compatible")
"""Kinds that the stage evaluate may give without the recipe listing them: asked always, of sets, of thumbs, or of a start."""


def check_judgeable(root: Path, rules: Rules) -> None:
    """Raise ConfigError, with the line, for a metric that nothing gives, one to be compared of which no row a query is kept, and a margin that no share can fall by.

    Each challenger would be refused because of the first two, and get by because of the last, whatever it can.
    """
    params = read_yaml(root / "params.yaml")
    for key, metric, compares in _named(rules):
        if kind_of(metric) not in kinds():
            near = get_close_matches(kind_of(metric), kinds(), n=1)
            raise ConfigError(
                f"{params.at(key)}: promotion names {metric}, and no evaluator gives what begins with {kind_of(metric)!r}, so that every challenger would "
                f"be refused. There is {', '.join(sorted(kinds()))}{f'; did you mean {near[0]}?' if near else '.'}"
            )
        if compares and (why := why_no_rows(metric)) is not None:
            raise ConfigError(f"{params.at(key)}: {_no_rows(metric, why)}")
    for key, metric, margin in _margins(rules):
        if margin >= 1 and unit(metric) == "fraction":
            raise ConfigError(
                f"{params.at(key)}: {metric} is a share, from 0 to 1, and none falls by more than the margin {margin:g}. Give "
                f"{margin / 100:g} for {margin:g} points."
            )


def check_measured(root: Path, params: Params, recipe: str | None) -> None:
    """Raise ConfigError, with the line, for a rule about what a recipe's evaluators do not measure; of an advisory guard nothing would follow.

    Args:
        recipe: the one that is run; None, or one that params.yaml does not list: what some recipe measures is let by.
    """
    rules = params.promotion
    told = {guard.metric for guard in rules.guards if guard.tier == "advisory"}
    recipes = [recipe] if recipe in params.recipes else list(params.recipes)
    asked = {path for one in recipes for path in _evaluators(read_recipe(root, one))}
    for key, metric, compares in _named(rules):
        kind = kind_of(metric)
        if kind in UNLISTED or kinds()[kind] in asked or (compares and metric in told):
            continue
        raise ConfigError(
            f"{read_yaml(root / 'params.yaml').at(key)}: promotion names {metric}, and no evaluator that {' or '.join(f'{one}.yaml' for one in recipes)} lists "
            f"gives it, so that every challenger would be refused. Add `- class_path: {kinds()[kind]}` to evaluation.evaluators of the recipe, or take the rule out."
        )


def _margins(rules: Rules) -> Iterator[tuple[str, str, float]]:
    """Yield of each margin where it stands, of which metric it is, and how much that may fall."""
    yield "promotion.margin", rules.primary, rules.margin
    for place, guard in enumerate(rules.guards):
        yield f"promotion.guards.{place}.margin", guard.metric, guard.margin


def _named(rules: Rules) -> Iterator[tuple[str, str, bool]]:
    """Yield of each metric where it stands, its name, and whether two models are compared in it query by query."""
    yield "promotion.primary", rules.primary, True
    for place, guard in enumerate(rules.guards):
        yield f"promotion.guards.{place}.metric", guard.metric, True
    for place, bound in enumerate(rules.bounds):
        yield f"promotion.bounds.{place}.metric", bound.metric, False


def _no_rows(metric: str, why: str) -> str:
    same = with_rows(kind_of(metric))
    instead = f"{', '.join(same)}" if same else f"what begins with {', '.join(kinds_with_rows())}"
    end = "at_least" if better(metric) == "up" else "at_most"
    return (
        f"promotion compares models in {metric}, of which no row a query is kept ({why}), so that every challenger would be refused. Compare {instead}; "
        f"{metric} can be a bound: bounds: [{{metric: {metric}, {end}: …}}]"
    )


def _evaluators(document: Document) -> set[str]:
    """Return the class paths of what a recipe asks of the data's pools and of its sets, with what such an evaluator asks in turn."""
    evaluation = document.values["evaluation"] or {}
    return set(_class_paths([evaluation.get("evaluators"), evaluation.get("sets")]))


def _class_paths(said: object) -> Iterator[str]:
    if isinstance(said, dict):
        if isinstance(path := said.get("class_path"), str):
            yield path
        said = list(said.values())
    if isinstance(said, list):
        for one in said:
            yield from _class_paths(one)
