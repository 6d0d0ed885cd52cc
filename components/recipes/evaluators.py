"""The evaluators that a recipe lists, checked before any work and built when it is time."""

from components.contracts.evaluator import Evaluator
from components.recipes.class_keys import check_keys
from components.recipes.recipe import Evaluation
from components.recipes.section import build, built, fits
from components.recipes.yaml_lines import Document

KEY = "evaluation.evaluators"


def check_evaluators(document: Document) -> None:
    """Raise ConfigError, with line and nearest name, for an evaluator that could not be built or refuses its numbers.

    Building one costs nothing: it keeps what it is given, and looks at no model.
    """
    listed = (document.values["evaluation"] or {}).get("evaluators") or ()
    for place, described in enumerate(listed):
        key = f"{KEY}.{place}"
        check_keys(document, key, described)
        fits(document, key, described, Evaluator)
        built(document, key, described, Evaluator)


def build_evaluators(evaluation: Evaluation) -> list[Evaluator]:
    """Return what the recipe lists, in its order; ConfigError as of `build`."""
    return [build(described, Evaluator) for described in evaluation.evaluators]
