"""Views of a recipe: numbers of one, or names with numbers each, and what is wrong in either is said with its line."""

import shutil
from pathlib import Path

import pytest
import torch

from components.contracts.errors import ConfigError
from components.recipes.recipe import load_recipe
from components.recipes.views import main_views, more_views, named
from tests.squares import REPOSITORY


@pytest.fixture
def written(tmp_path):
    """Return what reads the recipe `clip` with other views."""
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    path: Path = tmp_path / "components/recipes/clip.yaml"
    lines = path.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  views:"))

    def with_views(text: str):
        path.write_text("\n".join([*lines[:at], f"  views: {text}", *lines[at + 1 :], ""]))
        return load_recipe(tmp_path, "clip", "debug").training.views, at + 1

    return with_views


def test_numbers_alone_are_those_of_main(written):
    views, _ = written("{degrees: 5, zoom: [0.9, 1.1]}")
    assert named(views) == {"main": {"degrees": 5, "zoom": [0.9, 1.1]}}
    main = main_views(views, 24)
    assert (main.pixels, main.degrees, main.zoom) == (24, 5.0, (0.9, 1.1))
    assert more_views(views, 24) == {}


def test_names_have_numbers_each_and_come_so_many_times(written):
    views, _ = written("{strong: {count: 2, crop: [0.3, 1.0], blur: 0.5}, main: {degrees: 0}, other: {}}")
    main, more = main_views(views, 24), more_views(views, 24)
    assert (main.degrees, main.crop) == (0.0, (1.0, 1.0))
    assert {name: (one.count, one.views.crop, one.views.pixels) for name, one in more.items()} == {
        "strong": (2, (0.3, 1.0), 24), "other": (1, (1.0, 1.0), 24),
    }  # fmt: skip


def test_a_further_view_may_have_fewer_pixels(written):
    views, _ = written("{main: {}, local: {count: 2, side: 0.43, crop: [0.05, 0.4]}}")
    assert main_views(views, 224).pixels == 224
    (local,) = more_views(views, 224).values()
    assert (local.count, local.views.pixels, local.views.crop) == (2, 96, (0.05, 0.4))
    pictures = torch.randint(0, 255, (3, 4, 40, 40), dtype=torch.uint8)
    shown = local.drawn(3, 0, slice(0, 3)).shown(pictures)
    assert shown.pixels.shape == (6, 3, 96, 96)
    assert shown.owner.tolist() == [0, 0, 1, 1, 2, 2]
    for side in (0.0, 1.5):
        with pytest.raises(ConfigError, match=rf"views\.local\.side is {side}"):
            more_views({"main": {}, "local": {"side": side}}, 224)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{degress: 5}", "Views takes no 'degress'.*Did you mean degrees"),
        ("{main: {degress: 5}}", "Views takes no 'degress'.*Did you mean degrees"),
        ("{main: {count: 2}}", "Views takes no 'count'"),
        ("{main: {side: 0.5}}", "Views takes no 'side'"),
        ("{main: {}, strong: {cuont: 2}}", "Views takes no 'cuont'.*Did you mean count"),
        ("{strong: {count: 2}}", "has a view 'strong' and none called main"),
        ("{main: {}, degrees: 5}", "beside them degrees, which is no view"),
    ],
)
def test_what_does_not_fit_is_said_with_its_line(text, said, written):
    with pytest.raises(ConfigError, match=rf"clip\.yaml, line \d+: .*{said}"):
        written(text)


def test_a_count_that_shows_nothing_is_refused():
    with pytest.raises(ConfigError, match="count is 0"):
        more_views({"main": {}, "strong": {"count": 0}}, 24)
