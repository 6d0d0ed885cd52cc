"""A number that cannot be judged cannot be made."""

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from components.contracts.errors import DataError
from components.contracts.evaluate import Metric

METRIC = Metric(
    name="retrieval.pair.image_to_text.recall_at_1",
    value=0.5,
    unit="fraction",
    better="up",
    n=10,
    chance=0.1,
    baseline=0.2,
)


@pytest.mark.parametrize("needed", ["value", "chance", "baseline"])
@pytest.mark.parametrize("number", [float("nan"), None, "0.5", True])
def test_a_metric_without_value_chance_or_baseline_is_refused(needed, number):
    with pytest.raises(DataError, match=rf"recall_at_1 has {needed}=.*chance and baseline cannot be judged"):
        replace(METRIC, **{needed: number})


@pytest.mark.parametrize("needed", ["chance", "baseline"])
def test_leaving_one_out_is_no_way_around(needed):
    given = {"name": "x", "unit": "fraction", "better": "up", **METRIC.as_json()}
    del given[needed]
    with pytest.raises(TypeError, match=needed):
        Metric(**given)


@pytest.mark.parametrize("n", [0, -1])
def test_a_metric_over_nothing_is_refused(n):
    with pytest.raises(DataError, match=f"over {n} queries"):
        replace(METRIC, n=n)


def test_numpys_doubles_are_numbers():
    assert replace(METRIC, value=np.float64(0.25)).value == 0.25


def test_the_file_has_all_but_the_name():
    assert METRIC.as_json() == {
        "value": 0.5, "unit": "fraction", "better": "up", "n": 10, "chance": 0.1, "baseline": 0.2
    }  # fmt: skip


def test_the_file_has_the_interval_only_where_one_was_made():
    assert replace(METRIC, low=0.4, high=0.6).as_json() == {**METRIC.as_json(), "low": 0.4, "high": 0.6}
    assert replace(METRIC, low=0.0, high=0.0).as_json()["low"] == 0.0


@pytest.mark.parametrize("ends", [{"low": 0.4}, {"high": 0.6}, {"low": 0.6, "high": 0.4}, {"low": 0.1, "high": 0.0}])
def test_half_an_interval_or_one_the_wrong_way_round_is_refused(ends):
    with pytest.raises(DataError, match="which is no interval"):
        replace(METRIC, **ends)


@pytest.mark.parametrize("ends", [(nan, nan), (nan, 0.6), (0.4, nan), (-inf, 0.6), (0.4, inf)])
def test_an_end_that_is_no_number_is_refused_since_no_json_can_hold_it(ends):
    with pytest.raises(DataError, match="which is no interval"):
        replace(METRIC, low=ends[0], high=ends[1])


def test_the_file_has_the_method_only_where_one_is_told():
    assert "method" not in METRIC.as_json()
    assert replace(METRIC, method="by one prompt").as_json()["method"] == "by one prompt"
