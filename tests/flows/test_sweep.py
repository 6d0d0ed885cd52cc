"""The leaderboard of a comparison, by hand: who is where, what it costs, what the page and MLflow say."""

import json

import pytest

from components.registry.store import open_store
from flows.cli import main
from flows.proving.compare import METRICS
from flows.proving.sweep import EXPERIMENT, lines, places, record, render
from tests.flows.rolled import make_place

FIRST = METRICS[0]


def row(*values: float, cpu_s: float = 10.0):
    mean = sum(values) / len(values)
    measured = {
        "values": list(values),
        "mean": mean,
        "low": mean - 0.02,
        "high": mean + 0.02,
        "chance": 0.004,
        "baseline": 0.3,
    }
    return {"steps": [440], "cpu_s": [cpu_s, cpu_s + 2], "metrics": {FIRST: measured}, "beside_first": 1.0}


FOUND = {
    "scale": "debug", "source": {"name": "emoji"}, "seeds": [0, 1], "confidence": 0.95, "commit": "c0ffee" * 6, "machine": "2 cores",
    "rows": {"clip": row(0.50, 0.52), "filip": row(0.60, 0.62, cpu_s=1799.0), "sig<lip": row(0.40, 0.43)}, "price_per_hour": 2.0,
}  # fmt: skip


def test_the_best_is_first_and_each_is_held_against_the_first_named_seed_by_seed():
    ranked = places(FOUND)
    assert [(one.rank, one.name) for one in ranked] == [(1, "filip"), (2, "clip"), (3, "sig<lip")]
    assert ranked[0].beside == pytest.approx((0.1, 0.1, 0.1)), "both seeds differ by as much"
    assert ranked[1].beside is None
    assert ranked[2].beside[0] == pytest.approx(-0.095)
    assert ranked[2].beside[1] < -0.095 < ranked[2].beside[2]


def test_what_it_cost_is_of_all_seeds():
    assert places(FOUND)[0].cost == pytest.approx(2.0)  # 3,600 CPU-seconds
    assert places({**FOUND, "price_per_hour": None})[0].cost is None


def test_one_without_a_metric_has_no_place_in_its_table():
    found = {**FOUND, "rows": {**FOUND["rows"], "other": {**row(0.9, 0.9), "metrics": {}}}}
    assert "other" not in [one.name for one in places(found)]


def test_the_page_is_the_same_for_the_same_and_trusts_no_name():
    page = render(FOUND)
    assert page == render(FOUND)
    assert "sig&lt;lip" in page
    assert "sig<lip" not in page
    assert page.index(">filip<") < page.index(">clip<")
    assert "+0.100 (+0.100 to +0.100)" in page


def test_mlflow_has_a_run_with_the_page_and_one_a_recipe_below_it(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = make_place(tmp_path)
    page = tmp_path / "leaderboard.html"
    page.write_text(render(FOUND))
    page.with_suffix(".json").write_text(json.dumps(FOUND))
    run = record(root, FOUND, page)
    client = open_store(root).client
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = client.search_runs([experiment.experiment_id])
    below = [one for one in found if one.data.tags.get("mlflow.parentRunId") == run]
    assert {one.data.tags["recipe"]: one.data.metrics[f"{FIRST}.mean"] for one in below} == pytest.approx(
        {"clip": 0.51, "filip": 0.61, "sig<lip": 0.415}
    )
    assert [file.path for file in client.list_artifacts(run)] == ["leaderboard.html", "leaderboard.json"]
    assert client.get_run(run).info.status == "FINISHED"
    said = list(lines({**FOUND, "page": str(page), "run": run}))
    assert said[1] == "1. filip: 0.610 (0.590 to 0.630), beside the first +0.100 (+0.100 to +0.100); 1,800 CPU-s, 2.00"


def test_one_seed_is_too_few(capsys):
    assert main(["sweep", "clip", "--seeds", "1"]) == 1
    assert "gives no interval" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep"], "is of recipes, or of a plan"),
        (["sweep", "clip", "--plan", "docs/comparison.yaml"], "is of recipes, or of a plan"),
        (["sweep", "--plan", "docs/comparison.yaml", "--seeds", "5"], "--seeds is for the plan to say"),
        (["sweep", "--plan", "docs/comparison.yaml", "--scale", "debug"], "--scale is for the plan to say"),
    ],
)
def test_what_a_plan_says_is_not_said_otherwise(words, said, capsys):
    assert main(words) == 1
    assert said in capsys.readouterr().err
