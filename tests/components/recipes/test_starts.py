"""What recipes begin from, as params.yaml says it: what cannot be is said with its line, and what comes before is known."""

import pytest

from components.contracts.errors import ConfigError
from components.recipes.names import check_names
from components.recipes.params import UNTRAINED, Begin
from components.recipes.starts import chain, made_by


@pytest.fixture
def said(tmp_path):
    """Write `recipes`, a line each, and look at them; a, b and c are there, and a model in models/own."""
    (tmp_path / "components/recipes").mkdir(parents=True)
    for name in "abc":
        (tmp_path / f"components/recipes/{name}.yaml").touch()
    (tmp_path / "models/own").mkdir(parents=True)

    def look(*lines: str) -> tuple[str, ...]:
        (tmp_path / "params.yaml").write_text("\n".join(["recipes:", *(f"  {line}" for line in lines), ""]))
        return check_names(tmp_path)

    return look


def test_a_recipe_begins_from_nothing_a_folder_or_what_a_stage_of_another_makes(said):
    fresh = f"{{start: {UNTRAINED}}}"
    assert said(f"a: {fresh}", "b: {start: runs/a/finetune}", "c: {start: models/own, model: start}") == ("a", "b", "c")
    assert said("a: {start: runs/b/package}", f"b: {fresh}") == ("a", "b"), "whatever their order"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["a:"], rf"line 2: recipes.a is None, but must say what it begins from: a: {{start: {UNTRAINED}}}"),
        (["a: {}"], "line 2: recipes.a is {}, but must say"),
        (["a: {start: 3}"], "must say what it begins from"),
        (["a: {strat: models/own}"], "must say what it begins from"),
        (["a: {start: models/own, modle: start}"], "line 2: 'recipes.a' takes no 'modle'.*Did you mean model"),
        (["a: {start: models/own, model: mine}"], "recipes.a.model is 'mine'. Give recipe, .* or start"),
        (["a: {start: models/other}"], "line 2: recipes.a.start is 'models/other', and there is nothing.*model import"),
        (["a: {start: runs/b/pretrain}"], "which no stage makes, since b is not among the recipes"),
        (["a: {start: runs/a/pretrain}"], "line 2: a begins from runs/a/pretrain, which waits for a itself"),
        (["a: {start: runs/b/pretrain}", "b: {start: runs/c/package}", "c: {start: runs/a/finetune}"], "waits for a itself"),
        ([f"a: {{start: {UNTRAINED}, compatible_with: models/own}}"], "line 2: recipes.a.compatible_with is 'models/own', where no model was laid in.*diptych run --recipe a --compatible-with a@champion"),
        ([f"a: {{start: {UNTRAINED}, compatible_with: 3}}"], "recipes.a.compatible_with is 3"),
        ([f"a: {{start: {UNTRAINED}, model: start}}"], "line 2: recipes.a.model is start, but nothing is begun from"),
    ],
)  # fmt: skip
def test_what_cannot_be_begun_from_is_said_with_its_line(said, lines, says):
    with pytest.raises(ConfigError, match=says):
        said(*lines)


def test_who_made_a_start_is_known_down_to_who_began_with_nothing():
    recipes = {
        "a": Begin(),
        "b": Begin(start="runs/a/finetune"),
        "c": Begin(start="runs/b/pretrain"),
        "d": Begin(start="x"),
    }
    assert list(chain(recipes, "c")) == [("b", "pretrain"), ("a", "finetune")]
    assert list(chain(recipes, "a")) == list(chain(recipes, "d")) == []
    assert made_by("runs/a/evaluate") is None, "that is no model"
