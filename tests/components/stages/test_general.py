"""The general sets that ship: of two sources, to find and to tell apart, in halves that share nothing, and none left behind."""

import hashlib

import pytest

from components.contracts.progress import silent
from components.recipes.yaml_lines import read_yaml
from components.stages.general import RECIPE, general_sets


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("general") / "scratch"
    with general_sets(scratch, silent) as found:
        shas = {
            one.by.called: [{hashlib.sha256(data).hexdigest() for data in half.pool.pictures} for half in (one.by, one.on)] for one in found
        }  # fmt: skip
        yield found, shas, scratch
    assert list(scratch.iterdir()) == []


def test_they_are_found_and_told_apart_and_both_halves_share_nothing(held):
    found, shas, _ = held
    assert {one.by.main for one in found} == {
        "retrieval.general.mean_recall", "zero_shot.drawn.category.top1", "zero_shot.digits.category.top1",
    }  # fmt: skip
    assert {one.by.called: (len(one.by.pool.keys), len(one.on.pool.keys)) for one in found} == {
        "general": (720, 720), "drawn": (302, 298), "digits": (300, 299),
    }  # fmt: skip
    for first, second in shas.values():
        assert first.isdisjoint(second)


def test_what_a_workspace_races_by_and_measures_are_the_halves_of_one_set():
    recipe = read_yaml(RECIPE).values
    by, on = recipe["finetuning"]["init_args"]["sets"], recipe["evaluation"]["sets"]
    assert by.keys() == on.keys()
    for name, said in by.items():
        assert (said["half"], on[name]["half"]) == ("first", "second")
        assert {**said, "half": ""} == {**on[name], "half": ""}
