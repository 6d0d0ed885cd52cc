"""What every evaluator must do, whichever it is: each row of components/evaluation/catalogue.yaml is held to it."""

import importlib
import inspect
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from components.contracts.evaluate import Metric
from components.contracts.evaluator import Evaluator, Findings
from components.data.transforms.preprocess import Preprocess
from components.evaluation.catalogue import why_no_rows
from components.evaluation.embedding import Embedder
from components.evaluation.outcomes import Evaluated, distinct_queries
from components.recipes.section import build
from tests.squares import clip_at_debug
from tests.subjects import subject_of

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "components" / "evaluation"
CATALOGUE: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "catalogue.yaml").read_text())
NAMES = sorted(CATALOGUE)
SPLITS = {"train": range(0, 50, 2), "val": range(1, 25, 2), "pair": range(25, 50, 2)}
CLOSE = 1e-4  # rows of a batch are summed in another order


def evaluator_of(name: str) -> Evaluator:
    row = CATALOGUE[name]
    return build({"class_path": row["class_path"], "init_args": row["init_args"]}, Evaluator)


def by_no_clock(metric: Metric) -> Metric:
    """Return a metric without what a clock said, which is another at every measurement."""
    return replace(metric, value=0.0, baseline=0.0) if metric.unit == "milliseconds" else metric


@pytest.fixture(scope="module")
def make(squares, vocabulary):
    """Make the subject anew: nothing that one evaluator computed is there for the next."""
    preprocess = Preprocess(size=32)
    encoder, untrained = (
        Embedder(clip_at_debug(vocabulary, seed).model.eval(), vocabulary, preprocess) for seed in (0, 1)
    )

    def subject(splits=SPLITS, labelled=True):
        return subject_of(squares, encoder, untrained, splits, labelled)

    return subject


@pytest.fixture(scope="module")
def found(make) -> dict[str, Findings]:
    """What each finds on squares."""
    return {name: evaluator_of(name).measure(make()) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_its_metrics_are_those_of_its_row(name, found):
    patterns, matched = CATALOGUE[name]["metrics"], set()
    for metric in found[name].metrics:
        (pattern,) = [pattern for pattern in patterns if re.fullmatch(pattern, metric.name)]
        assert (metric.unit, metric.better) == (patterns[pattern]["unit"], patterns[pattern]["better"]), metric.name
        matched.add(pattern)
    assert matched == set(patterns)


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_can_be_read(name, found):
    names = [metric.name for metric in found[name].metrics]
    assert len(set(names)) == len(names)
    for metric in found[name].metrics:
        for number in (metric.value, metric.chance, metric.baseline):
            assert math.isfinite(number)
            assert metric.unit != "fraction" or 0 <= number <= 1
        assert not re.search(r"[^\w. ]", metric.name), "MLflow would refuse it"
        assert metric.method, f"{metric.name} does not say how the model was asked"


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_what_the_rows_that_it_keeps_give(name, found):
    kept = Evaluated(
        label=name, metrics={one.name: one.as_json() for one in found[name].metrics}, rows=found[name].rows
    )
    for metric in found[name].metrics:
        if metric.tallies:
            tallies = kept.tallies(metric.name)
            assert tallies == metric.tallies
            shares = [np.mean(kept.counted(tally)["value"].to_numpy()) for tally in tallies]
            assert np.mean(shares) == pytest.approx(metric.value), metric.name


@pytest.mark.parametrize("name", NAMES)
def test_its_queries_are_counted_once_however_often_they_are_asked(name, found):
    kept = Evaluated(label=name, metrics={}, rows=found[name].rows)
    for metric in found[name].metrics:
        if metric.tallies:
            count = distinct_queries(metric.tallies, [kept.counted(tally) for tally in metric.tallies])
            if name == "bottleneck":  # each draw leaves other pictures, and `n` is how many one leaves
                assert metric.n <= count <= sum(map(len, SPLITS.values())), metric.name
            else:
                assert count == metric.n, metric.name


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_have_an_interval_or_its_row_says_why_not(name, found):
    for metric in found[name].metrics:
        (row,) = [row for pattern, row in CATALOGUE[name]["metrics"].items() if re.fullmatch(pattern, metric.name)]
        assert (metric.low is None) == ("no_interval" in row), metric.name
        assert metric.low is None or (metric.low <= metric.value + CLOSE and metric.value <= metric.high + CLOSE), (
            metric.name
        )


@pytest.mark.parametrize("name", NAMES)
def test_its_rows_are_kept_query_by_query_or_its_row_says_why_not(name, found):
    for metric in found[name].metrics:
        (row,) = [row for pattern, row in CATALOGUE[name]["metrics"].items() if re.fullmatch(pattern, metric.name)]
        assert (not metric.tallies) == ("no_rows" in row), metric.name
        assert why_no_rows(metric.name) == row.get("no_rows")


@pytest.mark.parametrize("name", NAMES)
def test_measured_again_it_finds_the_same_whatever_was_drawn_meanwhile(name, found, make):
    torch.manual_seed(5)
    np.random.seed(5)
    again = evaluator_of(name).measure(make())
    assert [by_no_clock(metric) for metric in again.metrics] == [by_no_clock(metric) for metric in found[name].metrics]
    assert again.files == found[name].files
    assert {key: table.to_pylist() for key, table in again.rows.items()} == {
        key: table.to_pylist() for key, table in found[name].rows.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_it_draws_nothing_from_the_global_generators_and_writes_nothing(name, make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subject = make()
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    evaluator_of(name).measure(subject)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_pictures_changes_nothing(name, found, make):
    turned = {split: list(places)[::-1] for split, places in SPLITS.items()}
    for metric, other in zip(found[name].metrics, evaluator_of(name).measure(make(turned)).metrics, strict=True):
        assert metric.name == other.name
        metric, other = by_no_clock(metric), by_no_clock(other)
        assert (other.value, other.baseline) == pytest.approx((metric.value, metric.baseline), abs=CLOSE), metric.name


@pytest.mark.parametrize("name", NAMES)
def test_data_without_labels_is_measured_or_it_is_said_why_not(name, make):
    found = evaluator_of(name).measure(make(labelled=False))
    assert found.metrics or found.without
    assert all(why and what for what, why in found.without.items())


@pytest.mark.parametrize("name", NAMES)
def test_its_rows_have_a_name_of_its_metrics_and_a_query_each(name, found):
    for key, table in found[name].rows.items():
        assert any(metric.name.startswith(f"{key}.") for metric in found[name].metrics)
        assert all(table["query"].to_pylist())


@pytest.mark.parametrize("name", NAMES)
def test_what_it_leaves_for_others_is_json(name, found):
    for file, value in found[name].files.items():
        assert file.endswith(".json")
        assert json.loads(json.dumps(value)) == value


def test_files_and_rows_agree():
    held = {}
    for path in FOLDER.rglob("*.py"):
        module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        for _, kind in inspect.getmembers(importlib.import_module(module), inspect.isclass):
            if issubclass(kind, Evaluator) and kind.__module__ == module:
                held[path.stem] = f"{module}.{kind.__name__}"
    assert held == {name: row["class_path"] for name, row in CATALOGUE.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_whole_and_has_its_test(name):
    row = CATALOGUE[name]
    assert set(row) == {"class_path", "init_args", "metrics"}
    assert all(
        set(its) - {"no_interval", "no_rows"} == {"unit", "better", "random_guess"} for its in row["metrics"].values()
    )
    assert (REPOSITORY / "tests" / "components" / "evaluation" / f"test_{name}.py").exists()


@pytest.mark.parametrize(
    "recipe", sorted((REPOSITORY / "components/recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_recipes_list_only_what_the_catalogue_has(recipe):
    listed = yaml.safe_load(recipe.read_text())["evaluation"].get("evaluators", [])
    assert {one["class_path"] for one in listed} <= {row["class_path"] for row in CATALOGUE.values()}
