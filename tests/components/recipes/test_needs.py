"""What a recipe says that it needs: read with its line where it is wrong, and in the numbers of recipe and scale."""

import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.errors import ConfigError
from components.contracts.needs import Needs
from components.recipes.recipe import load_needs

REPOSITORY = Path(__file__).parents[3]
RECIPES = sorted(path.stem for path in (REPOSITORY / "components/recipes").glob("*.yaml"))


@pytest.fixture
def root(tmp_path) -> Path:
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path


def needing(root: Path, said: str) -> Path:
    """Write what clip needs, and return its file."""
    path = root / "components/recipes/clip.yaml"
    path.write_text(path.read_text().replace("  splits: [train, val]\n", f"  splits: [train, val]\n  needs: {said}\n"))
    return path


def test_clip_needs_nothing_more(root):
    assert load_needs(root, "clip", "debug") == Needs()


def test_pixels_are_those_of_the_scale_and_context_that_of_the_recipe(root):
    needing(root, "{kinds: [regions], regions: 2, min_side: pixels, max_words: context, languages: [en]}")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["overrides"]["training"] = {"pixels": 99, "context": 99}  # another size learns from the same samples
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    wanted = Needs(kinds=("regions",), regions=2, min_side=32, max_words=22, languages=("en",))
    assert load_needs(root, "clip", "debug") == wanted
    assert load_needs(root, "clip", "laptop").min_side == 40


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("{kinds: [boxes]}", r"clip\.yaml, line 16: curation\.needs\.kinds does not fit"),
        ("{kind: [regions]}", r"clip\.yaml, line 16: .* takes no 'kind'.*Did you mean kinds"),
        ("{min_side: pixel}", r"clip\.yaml, line 16: .*does not fit"),
        ("{regions: 2}", r"kinds has none"),
    ],
)
def test_what_cannot_be_needed_is_refused(root, said, says):
    needing(root, said)
    with pytest.raises(ConfigError, match=says):
        load_needs(root, "clip", "debug")


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_states_its_context_which_curate_depends_on(recipe):
    values = yaml.safe_load((REPOSITORY / f"components/recipes/{recipe}.yaml").read_text())
    assert values["training"]["context"] > 2
