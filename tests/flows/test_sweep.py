"""The leaderboard of a comparison, by hand: who is where, what it costs, what the page and MLflow say; and a sweep that is run."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from components.registry.store import open_store
from flows.cli import main
from flows.proving.compare import METRICS
from flows.proving.sweep import EXPERIMENT, LEADERBOARD, lines, places, ranked, record, render
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


def test_of_a_gap_the_smallest_is_the_best():
    gap = {name: row(*values) for name, values in {"clip": (0.8, 0.8), "clip_refine": (0.2, 0.2)}.items()}
    for one in gap.values():
        one["metrics"][FIRST]["better"] = "down"
    assert [one.name for one in places({**FOUND, "rows": gap})] == ["clip_refine", "clip"]


def test_a_row_on_a_runs_page_says_what_the_leaderboard_says():
    first, second, _ = (ranked(place, FOUND, FIRST) for place in places(FOUND))
    assert first | {"mean": 0.61, "beside the first": 0.1, "from": 0.1, "to": 0.1} == pytest.approx(first)
    assert (first[""], first["recipe"], first["chance"], first["baseline"], first["CPU-s"], first["cost"]) == (
        1,
        "filip",
        0.004,
        0.3,
        1800.0,
        2.0,
    )
    assert "beside the first" not in second
    assert "cost" not in ranked(places({**FOUND, "price_per_hour": None})[0], FOUND, FIRST)


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


STAGES = """\
import json, sys
from pathlib import Path
import yaml
from components.stages.runtime import run_stage

said = yaml.safe_load(Path("params.yaml").read_text())

def written(stage, name, metrics):
    with stage.output(f"runs/{stage.recipe}/{name}") as folder:
        (folder / "metrics.json").write_text(json.dumps(metrics))

def ingest(stage):
    with stage.output("data/raw") as folder:
        (folder / "a").write_text(json.dumps(said["source"]))

def pretrain(stage):
    steps = said["overrides"]["training"]["steps"]
    written(stage, "pretrain", {"steps": steps, "timing": {"cpu_s": steps * {"clip": 0.5, "siglip": 1.0}[stage.recipe], "resumed_at": 0}})

def finetune(stage):
    written(stage, "finetune", {})

def evaluate(stage):
    value = {"clip": 0.5, "siglip": 0.6}[stage.recipe] + said["seed"] / 100
    metric = {"value": value, "n": 60, "chance": 0.02, "baseline": 0.3, "better": "up"}
    written(stage, "evaluate", {"retrieval.pair.image_to_text.recall_at_1": metric})

sys.exit(run_stage(sys.argv[1], globals()[sys.argv[1]], sys.argv[2:]))
"""
"""Stages that train nothing, and say what they took and found: a step of siglip takes as long as two of clip, and siglip is better by 0.1."""
GRAPH = {
    "ingest": {"cmd": "infra/python stages.py ingest", "params": ["source"], "outs": ["data/raw"]},
    **{
        stage: {"foreach": "${recipes}", "do": {
            "cmd": f"infra/python stages.py {stage} --recipe ${{key}}", "deps": deps, "params": ["seed", "overrides.training"],
            "outs": [f"runs/${{key}}/{stage}"],
        }}
        for stage, deps in {"pretrain": ["data/raw"], "finetune": ["runs/${key}/pretrain"], "evaluate": ["runs/${key}/finetune"]}.items()
    },
}  # fmt: skip


@pytest.mark.timeout(900)  # some 20 stages, each a process of DVC and one of its own; they are over at once
def test_a_sweep_is_run_and_its_leaderboard_is_on_the_runs_page_and_in_mlflow(toy, prefect_api):
    """All of it is as it is for a person, at the scale `debug`, but for what stages do: checkouts, DVC, equal computing, seeds, MLflow, Prefect."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.judged import sweep

    (toy / "stages.py").write_text(STAGES)
    (toy / "dvc.yaml").write_text(yaml.safe_dump({"stages": GRAPH}, sort_keys=False))
    for name in ("data/own/none", "data/untrained.txt"):
        (toy / name).touch()
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "maintenance.auto=false"]
    for command in (["add", "-A"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *command], cwd=toy, check=True)
    found = sweep(["clip", "siglip"], seeds=2, scale="debug", data="scenes", price_per_hour=3600.0, at_once=1)

    rows = found["rows"]
    assert {name: (its["steps"], its["cpu_s"]) for name, its in rows.items()} == {
        "clip": ([8], [4.0, 4.0]),
        "siglip": ([4], [4.0, 4.0]),
    }
    assert {name: its["metrics"][FIRST]["values"] for name, its in rows.items()} == {
        "clip": pytest.approx([0.5, 0.51]), "siglip": pytest.approx([0.6, 0.61]),
    }  # fmt: skip
    assert (found["seeds"], found["scale"], found["source"]) == ([0, 1], "debug", {"name": "scenes"})
    page = Path(found["page"])
    assert page.read_text() == render(found)
    assert (
        json.loads(page.with_suffix(".json").read_text()).items()
        == {name: found[name] for name in found if name not in ("page", "run")}.items()
    )
    assert not list((toy / ".diptych/proofs").glob("*/*")), "its checkouts are gone"

    client = open_store(toy).client
    run = client.get_run(found["run"])
    below = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{found['run']}'")
    means = {"clip": pytest.approx(0.505), "siglip": pytest.approx(0.605)}
    assert {one.data.tags["recipe"]: one.data.metrics[f"{FIRST}.mean"] for one in below} == means

    keys = ["sweep", f"sweep-{FIRST.replace('.', '-').replace('_', '-')}"]
    with get_client(sync_client=True) as prefect:
        shown = {
            one.key: one.data
            for one in prefect.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=keys)))
        }
    assert set(shown) == set(keys)
    first, second = json.loads(shown[keys[1]])
    assert (first[""], first["recipe"], first["mean"], first["cost"]) == (
        1,
        "siglip",
        means["siglip"],
        pytest.approx(8.0),
    )
    assert [first[name] for name in ("beside the first", "from", "to")] == pytest.approx([0.1, 0.1, 0.1])
    assert (second[""], second["recipe"], second["mean"]) == (2, "clip", means["clip"])
    assert f"/runs/{found['run']}/artifacts/{LEADERBOARD}" in shown["sweep"]
    assert f"Code {found['commit']}." in shown["sweep"]
    assert "1. siglip: 0.605" in shown["sweep"]
