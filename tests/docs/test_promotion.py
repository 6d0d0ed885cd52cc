"""docs/promotion.md says what params.yaml takes, what was measured, and names what is there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from components.contracts.promotion import Bound, Guard, Rules
from components.evaluation.catalogue import read_catalogue
from components.recipes.check import check_files
from components.recipes.recipe import read_recipe
from tests.benchmarks import gate
from tests.benchmarks.gate_speed import CASES

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/promotion.md").read_text()


def test_rules_of_the_page_are_rules():
    said = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["promotion"]
    guards, bounds = (Guard(**one) for one in said.pop("guards")), (Bound(**one) for one in said.pop("bounds"))
    assert Rules(**said, guards=tuple(guards), bounds=tuple(bounds)).alpha == 0.05


def test_rules_of_the_page_and_of_params_yaml_can_decide_about_the_recipe_that_is_run(tmp_path):
    """So that no challenger is refused for what it was never measured on."""
    shutil.copytree(REPOSITORY / "components/recipes", tmp_path / "components/recipes")
    (tmp_path / "data/own").mkdir(parents=True)
    text = (REPOSITORY / "params.yaml").read_text()
    page = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S)[1])["promotion"]
    examples = {
        key: [yaml.safe_load(re.search(rf"  {key}: \[\] +# such as (.*)", text)[1])] for key in ("guards", "bounds")
    }
    for rules in (page, examples):
        params = yaml.safe_load(text)
        params["promotion"] |= rules
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        assert check_files(tmp_path).promotion.bounds
        listed = [one["class_path"] for one in read_recipe(tmp_path, "clip").values["evaluation"]["evaluators"]]
        given = [
            pattern
            for row in read_catalogue().values()
            for pattern in row["metrics"]
            if row["class_path"] in (*listed, "components.evaluation.retrieval.Retrieval")
        ]
        for one in (*rules["guards"], *rules["bounds"]):
            assert any(re.fullmatch(pattern, one["metric"]) for pattern in given), one["metric"]


def test_numbers_of_the_page_are_those_that_were_measured():
    said = json.loads((REPOSITORY / "docs/benchmarks/gate.json").read_text())
    assert f"<!-- gate -->\n{gate.page(said)}\n<!-- /gate -->" in PAGE


def test_the_gate_is_wrong_no_oftener_and_right_as_often_as_it_has_to_be():
    """Models that are alike in 5 of 100 runs, give or take one; power; and beside NeMo Evaluator, which lets more get by and sends fewer."""
    found = json.loads((REPOSITORY / "docs/benchmarks/gate.json").read_text())["scenes"]
    share = {name: its["promoted"] / its["runs"] for name, its in found.items()}
    assert found["equal models"]["runs"] >= 2000
    assert share["equal models"] <= 0.06
    assert share["two points better"] > 0.9
    fell, equal = [name for name in found if "worse" in name], [name for name in found if "ten equal" in name]
    assert all(found[name]["runs"] >= 2000 and share[name] <= 0.05 for name in fell)
    assert all(found[name]["runs"] >= 400 and share[name] >= 0.2 for name in equal)
    assert {"worse by the margin", "ten equal guards"} <= {*fell, *equal}
    for name in ("worse by the margin", "ten equal guards"):
        theirs = found[name]["nemo_evaluator"]
        assert (theirs["go"] / theirs["runs"] > share[name]) == (name in fell)


def test_a_comparison_over_a_hundred_thousand_queries_takes_less_than_five_seconds_of_work():
    said = json.loads((REPOSITORY / "docs/benchmarks/gate.json").read_text())["speed"]
    assert (said["queries"], said["draws"], set(said["of"])) == (100_000, 10_000, set(CASES))
    assert all(its["cpu_s"] < 5 for its in said["of"].values())


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:components|tests)/[\w/.]+)`", PAGE))))
def test_paths_are_there(path):
    assert (REPOSITORY / path).exists()
