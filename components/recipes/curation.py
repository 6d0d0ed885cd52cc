"""The steps of curation that a recipe lists, checked before any work and built when it is time."""

from components.contracts.curation import CurationOp
from components.contracts.errors import ConfigError
from components.recipes.class_keys import check_keys
from components.recipes.recipe import Curation
from components.recipes.section import build, built, fits, section
from components.recipes.yaml_lines import Document

KEY = "curation.ops"


def check_ops(document: Document) -> None:
    """Raise ConfigError, with line and nearest name, for a step that could not be built, refuses its numbers, or names no model."""
    curation = section(document, "curation", Curation)
    for place, described in enumerate(curation.ops):
        key = f"{KEY}.{place}"
        check_keys(document, key, described)
        fits(document, key, described, CurationOp)
        op = built(document, key, described, CurationOp)
        for name in op.features:
            model = name.rpartition(".")[0]
            if model and model not in curation.models:
                named = ", ".join(curation.models) or "none"
                raise ConfigError(
                    f"{document.at(f'{key}.init_args.model')}: {op.name} asks the model {model!r}, and curation.models names {named}. "
                    "Add it there, as its name and a package's folder, or a version such as clip@3."
                )


def build_ops(curation: Curation) -> list[CurationOp]:
    """Return what the recipe lists, in its order; ConfigError as of `build`."""
    return [build(described, CurationOp) for described in curation.ops]
