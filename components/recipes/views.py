"""The views of a recipe: numbers of one, which is `main` of a batch, or names with numbers each.

    views: {degrees: 8, grey: 0.1}
    views: {main: {degrees: 8}, strong: {count: 2, degrees: 8, crop: [0.3, 1.0]}, local: {side: 0.5, crop: [0.05, 0.4]}}

Both are read here, and no torch before something is built.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.contracts.errors import ConfigError
from components.recipes.class_keys import check_arguments, parameters
from components.recipes.section import build
from components.recipes.yaml_lines import Document

if TYPE_CHECKING:
    from components.data.transforms.several import Several
    from components.data.transforms.views import Views

MAIN, COUNT, SIDE = "main", "count", "side"  # the last: pixels of a further view, as a share of the scale's
VIEWS = "components.data.transforms.views.Views"


def named(views: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return view name -> its numbers, `main` first."""
    if not isinstance(views.get(MAIN), Mapping):
        return {MAIN: dict(views)}
    return {MAIN: dict(views[MAIN]), **{name: dict(numbers or {}) for name, numbers in views.items() if name != MAIN}}


def check_views(document: Document, views: Mapping[str, Any]) -> None:
    """Raise ConfigError, with the line, for what is neither of the two forms, and with the nearest name for a number that no view takes."""
    known = [
        argument for argument in parameters(VIEWS, "training.views") if argument != "pixels"
    ]  # those are the scale's
    if isinstance(views.get(MAIN), Mapping):
        if loose := next((name for name, numbers in views.items() if not isinstance(numbers, Mapping)), None):
            raise ConfigError(
                f"{document.at(f'training.views.{loose}')}: training.views has names of views, and beside them {loose}, which is no view. Move it "
                f"under one of {', '.join(name for name in views if name != loose)}."
            )
        for name, numbers in views.items():
            taken = known if name == MAIN else [COUNT, SIDE, *known]
            check_arguments(document, f"training.views.{name}", numbers, taken, VIEWS)
        return
    if lone := next((name for name, numbers in views.items() if isinstance(numbers, Mapping)), None):
        raise ConfigError(
            f"{document.at(f'training.views.{lone}')}: training.views has a view {lone!r} and none called {MAIN}, which every method looks at. Add "
            f"{MAIN}: {{}} with its numbers."
        )
    check_arguments(document, "training.views", views, known, VIEWS)


def main_views(views: Mapping[str, Any], pixels: int) -> "Views":
    """Return what makes `main` of a batch; ConfigError for numbers that mean nothing."""
    from components.data.transforms.views import Views

    return build({**named(views)[MAIN], "pixels": pixels}, Views)


def more_views(views: Mapping[str, Any], pixels: int) -> dict[str, "Several"]:
    """Return what makes all others, by name; errors as above."""
    from components.data.transforms.several import Several
    from components.data.transforms.views import Views

    made = {}
    for name, numbers in named(views).items():
        if name != MAIN:
            count, side = numbers.pop(COUNT, 1), build(numbers.pop(SIDE, 1.0), float)
            if not 0 < side <= 1 or round(side * pixels) < 1:
                raise ConfigError(
                    f"training.views.{name}.side is {side}, but is the share of the scale's {pixels} pixels that the view has a side. Give a number above "
                    "0 and up to 1; 0.43 is 96 of 224."
                )
            its = build({**numbers, "pixels": round(side * pixels)}, Views)
            made[name] = Several(views=its, count=build(count, int))
    return made
