"""Whether params.yaml and the recipes it names can be run, before any work: `python -m components.recipes.check FOLDER`.

What stands in the files is checked at once, by whoever asks. The classes that recipes are made of are checked in a
process of its own, since they import torch, which takes seconds and which flows do without.
"""

import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.contracts.errors import ConfigError, DiptychError
from components.data.sources.catalogue import build_source
from components.recipes.class_keys import built_parts
from components.recipes.names import check_names
from components.recipes.params import Gates, Params, load_params
from components.recipes.recipe import RACE, load_finetuning, load_recipe, load_scale, overridden, read_recipe
from components.recipes.rules import check_judgeable, check_measured
from components.recipes.section import built, fits
from components.recipes.yaml_lines import Document, overlay, read_yaml
from components.validation.policy import kept_codes

# what a model learns of the data's words, and a recipe does not say
WORDS: dict[str, Any] = {"init_args": {"text": {"init_args": {"vocabulary": 512, "context": 24}}}}


def check_files(root: Path, recipe: str | None = None) -> Params:
    """Return params.yaml, read; ConfigError, with file, line and nearest name, for what no class need be asked about.

    Args:
        recipe: the one that is run, which must measure what a promotion asks; None: one of them must.
    """
    check_names(root)
    params = load_params(root)
    _check_source(root, params.source)
    _check_policy(root, params.gates)
    load_scale(root, params.scale)
    for name in params.recipes:
        read_recipe(root, name)
    check_judgeable(root, params.promotion)
    check_measured(root, params, recipe)
    return params


def check(root: Path) -> None:
    """Raise the same for the first thing that could not be run.

    No model is built, so one of any size is checked in the time it takes to import its classes.
    """
    params = check_files(root)
    from components.contracts.method import Method  # torch: a mistake above is said without waiting for it
    from components.data.samplers.ordering import Ordering
    from components.finetuning.raced import Race
    from components.finetuning.strategy import Strategy
    from components.models.dual_encoder import DualEncoder
    from components.recipes.curation import check_ops
    from components.recipes.evaluators import check_evaluators
    from components.recipes.sets import check_sets

    for name in params.recipes:
        recipe = load_recipe(root, name, params.scale)
        document = read_recipe(root, name)
        sized = overridden(document.laid_over("model", f"sizes.{params.scale}"), root, "model")
        model = overlay(recipe.model, WORDS)
        fits(sized, "model", model, DualEncoder)
        fits(document, "method", overlay(recipe.method, {"init_args": {"model": model}}), Method)
        _check_parts(document, recipe.method, model)
        if (order := recipe.training.order) is not None:
            fits(document, "training.order", order, Ordering)
            built(document, "training.order", order, Ordering)
        check_evaluators(document)
        check_sets(document, root)
        check_ops(document)
        if (tuning := load_finetuning(root, name)) is not None:
            kind = Race if tuning["class_path"] == RACE else Strategy
            fits(document, "finetuning", tuning, kind)
            built(document, "finetuning", tuning, kind)


def _check_parts(document: Document, method: Mapping[str, Any], model: Mapping[str, Any]) -> None:
    """Build what a method is made of but its model, and raise ConfigError, with the line, for numbers that a part refuses."""
    from components.contracts.objective import Contrast
    from components.models.dual_encoder import DualEncoder

    usual = inspect.signature(DualEncoder).parameters["width"].default
    width = (model.get("init_args") or {}).get("width", usual)
    for key, part in built_parts(document, "method", method):
        if isinstance(part, Contrast):
            try:
                part.check_width(width)
            except ConfigError as err:
                raise ConfigError(f"{document.at(key + '.init_args')}: {err}") from err


def _check_source(root: Path, source: Mapping[str, Any]) -> None:
    """Raise ConfigError, with the line, for a source or setting that does not exist, and a path that leads nowhere."""
    if "path" in source and not (root / str(source["path"])).exists():
        raise ConfigError(
            f"{read_yaml(root / 'params.yaml').at('source.path')}: source.path is {source['path']!r}, and there is nothing. "
            "Own pictures are read from there, and DVC watches it. Correct the path, or set it back to data/own."
        )
    try:
        build_source(source)
    except ConfigError as err:  # it has never seen the file
        said = str(err)
        named = next((f"source.{key}" for key, value in source.items() if repr(key) in said or repr(value) in said), "")
        raise ConfigError(f"{read_yaml(root / 'params.yaml').at(named or 'source')}: {said}") from err


def _check_policy(root: Path, gates: Gates) -> None:
    """Raise ConfigError, with the line, for a reason that validation knows nothing of, or leaves no choice of."""
    for code, said in gates.policy.items():
        try:
            kept_codes({code: said})
        except ConfigError as err:
            raise ConfigError(f"{read_yaml(root / 'params.yaml').at(f'gates.policy.{code}')}: {err}") from err


def main(argv: Sequence[str]) -> int:
    """Print the fault and return 1, or return 0."""
    if len(argv) != 1:
        print("usage: python -m components.recipes.check FOLDER", file=sys.stderr)
        return 2
    try:
        check(Path(argv[0]))
    except DiptychError as err:
        print(err, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
