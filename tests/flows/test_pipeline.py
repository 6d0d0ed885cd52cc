"""The flow on a small workspace: real DVC, Prefect and MLflow. There is no .venv-serving, so nothing is served."""

import hashlib
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from prefect.exceptions import PrefectHTTPStatusError

from components.contracts.errors import ConfigError, GateClosed
from components.registry.promotion import promote_by_hand
from components.registry.store import open_store
from components.registry.versions import by_alias
from components.stages.events import Event
from flows.pages import mlflow_page
from flows.shipped import Shipped
from tests.flows.seed import set_seed

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def client(prefect_api):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as opened:
        yield opened
        for deployment in opened.read_deployments():  # this Prefect is other tests' too
            opened.delete_deployment(deployment.id)
        for pool in ("cpu", "gpu"):
            with suppress(ObjectNotFound):
                opened.delete_work_pool(pool)


def tasks_of_last_run(client):
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.client.schemas.sorting import FlowRunSort

    run = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    return run, {task.name: task for task in client.read_task_runs(flow_run_filter=only)}


def diptych(*arguments: str, check: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own; `check` is evaluated after it, and printed."""
    code = f"import sys; from flows.cli import main; code = main({list(arguments)}); print({check}); sys.exit(code)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def test_a_bar_on_the_page_says_how_far_a_stage_is_and_how_long_it_will_take(client, capsys):
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.audience import AUDIENCE
    from flows.progress import progress

    def bars() -> list[tuple[float, str]]:
        key = ArtifactFilter(key=ArtifactFilterKey(any_=["progress-pretrain-clip"]))
        return [(one.data, one.description) for one in client.read_artifacts(artifact_filter=key)]

    with progress("pretrain-clip", after_s=3600.0):
        AUDIENCE.get().heard(training(1, None))
        AUDIENCE.get().ended("pretrain@clip", "ran", 1.0)
    assert bars() == [], "what is over soon needs none"
    with progress("pretrain-clip", after_s=0.0, every_s=0.0):
        AUDIENCE.get().heard(training(160, 102.4))
        assert bars() == [(25.0, "training 160 of 640, loss 2.31, 1:42 left")]
        AUDIENCE.get().heard(training(640, 0.0))
        AUDIENCE.get().ended("pretrain@clip", "ran", 128.0)
    assert bars() == [(100.0, "training 640 of 640, loss 2.31")], "the same bar, moved"
    assert "pretrain clip: training 640 of 640, loss 2.31\npretrain@clip: ran, 2:08\n" in capsys.readouterr().out


def training(done: int, left_s: float | None) -> Event:
    return Event(
        stage="pretrain", recipe="clip", doing="training", done=done, total=640, left_s=left_s, seen={"loss": 2.312}
    )


def test_pictures_become_a_version_and_a_second_run_does_nothing(toy, client):
    from flows.pipeline import pipeline

    outcomes = pipeline("clip")
    assert {stage: outcome.did for stage, outcome in outcomes.items()} == dict.fromkeys(
        ("ingest", "count", "evaluate", "package"), "ran"
    )
    run, tasks = tasks_of_last_run(client)
    assert run.state.is_completed()
    assert {"ingest@clip", "count@clip", "evaluate@clip", "package@clip"} < set(tasks)
    shipped = Shipped.read(toy, "clip")
    assert shipped is not None
    assert (shipped.version, shipped.champion) == ("clip@1", "clip@1")
    assert ".venv-serving" in (shipped.unserved or "")
    again = diptych("run", check="sorted({'prefect', 'mlflow', 'torch'} & set(sys.modules))")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip().endswith("[]"), "neither Prefect nor MLflow is imported, let alone started"
    assert "Nothing to do" in again.stdout
    assert "clip@1 is the champion" in again.stdout
    found = json.loads(diptych("status", "--json").stdout.splitlines()[0])
    assert {stage["state"] for stage in found["stages"].values()} == {"up to date"}
    assert (found["shipped"]["version"], found["serving"]["state"]) == ("clip@1", "nothing")
    set_seed(toy, 2)
    lines = diptych("status").stdout.splitlines()
    assert lines[0].split() == ["ingest", "stale", "(params.yaml:", "seed)"]


def test_metrics_are_published_on_the_runs_page(toy, client):
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.pipeline import pipeline

    pipeline("clip", until="evaluate")
    only = ArtifactFilter(key=ArtifactFilterKey(any_=["metrics-clip"]))
    rows = json.loads(client.read_artifacts(artifact_filter=only)[0].data)
    assert {row["metric"] for row in rows} == {
        "retrieval.pair.image_to_text.recall_at_1", "retrieval.pair.text_to_image.recall_at_1", "retrieval.pair.mean_recall",
        "canary.distance",
    }  # fmt: skip
    assert not any("tallies" in row for row in rows), "which rows it is counted over is for programs"
    assert all(row["chance"] == 0.06 and row["baseline"] == 0.3 for row in rows if row["metric"] != "canary.distance")
    assert not (toy / "mlflow.db").exists(), "until evaluate: nothing is registered"


def artifacts_of_last_run(client):
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    run, _ = tasks_of_last_run(client)
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    return {one.key: one.data for one in client.read_artifacts(artifact_filter=only)}


def digest_of_what_comes_in(toy):
    return hashlib.sha256((toy / "params.yaml").read_bytes()).hexdigest()


def with_a_digest(toy):
    """Have ingest say of its data what the real one says; the digest is of what decides it."""
    kept = '(folder / "source.json").write_text(json.dumps({"source": {"name": "emoji"}, "samples": 1203, "splits": {"train": 1203}, "digest": digest}))'
    digest = 'import hashlib; digest = hashlib.sha256(Path("params.yaml").read_bytes()).hexdigest()'
    text, first = (toy / "stages.py").read_text(), '(folder / "a")'
    assert text.count(first) == 1
    (toy / "stages.py").write_text(text.replace(first, f"{digest}; {kept}; {first}"))


def test_a_runs_page_says_what_ran_what_was_there_what_it_took_and_of_which_data(toy, client, monkeypatch):
    from flows.pipeline import pipeline

    with_a_digest(toy)
    pipeline("clip", until="count")
    before = f"\n\nData {digest_of_what_comes_in(toy)}: 1,203 samples from emoji."
    assert artifacts_of_last_run(client)["work-clip"].endswith(before)
    monkeypatch.setenv("DIPTYCH_PRICE_PER_HOUR", "3600")
    (toy / "closed").touch()
    pipeline("clip", until="count")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in artifacts_of_last_run(client)["work-clip"].splitlines() if line.startswith("|")
    ]  # fmt: skip
    assert rows[0] == ["stage", "did", "seconds", "CPU-s", "cost"]
    assert [row[:2] for row in rows[2:]] == [["ingest", "cached"], ["count@clip", "cached"], ["all", "2 cached"]]
    assert [row[3] for row in rows[2:]] == ["", "", ""], "what did not run took no processor"
    assert all(float(row[4]) > 0 for row in rows[2:])
    set_seed(toy, 4)
    with pytest.raises(GateClosed):
        pipeline("clip")
    assert "| ingest | ran |" in artifacts_of_last_run(client)["work-clip"], "a run that failed shows how far it came"
    (toy / "closed").unlink()
    pipeline("clip")
    shown = artifacts_of_last_run(client)
    assert {"work-clip", "metrics-clip", "examples-clip", "links-clip", "promotion-clip"} <= set(shown)
    assert shown["examples-clip"].startswith("![What the model finds](data:image/png;base64,")
    after = f"\n\nData {digest_of_what_comes_in(toy)}: 1,203 samples from emoji."
    assert after != before
    assert shown["work-clip"].endswith(after), "of the data that it was made from, and not of the data before"
    assert "#/experiments/" in shown["links-clip"]
    assert f"`{toy}/runs/clip/package/report.html`" in shown["links-clip"]


def test_one_stage_alone_is_brought_up_to_date_once_what_is_before_it_is(toy, client):
    from flows.pipeline import pipeline, stage

    with pytest.raises(
        ConfigError, match=r"ingest, count@clip must come before evaluate@clip, and have work to do.*until: evaluate"
    ):
        stage("evaluate", "clip")
    assert not (toy / "data/raw/a").exists()
    pipeline("clip", until="count")
    assert stage("evaluate", "clip").did == "ran"
    assert stage("evaluate", "clip").did == "cached"
    shown = artifacts_of_last_run(client)
    assert "| evaluate@clip | cached |" in shown["work-clip"]
    assert shown["work-clip"].endswith(f"\n\n- [Curves and runs in MLflow]({mlflow_page(toy)})")
    assert "metrics-clip" in shown


def test_a_fault_of_the_world_is_tried_again_and_a_mistake_is_not(toy, client):
    from flows.pipeline import pipeline

    (toy / "flaky").touch()
    assert pipeline("clip", until="count")["count"].did == "ran"
    assert tasks_of_last_run(client)[1]["count@clip"].run_count == 2
    set_seed(toy, 9)
    (toy / "closed").touch()
    with pytest.raises(GateClosed, match="3% of the pairs are broken"):
        pipeline("clip")
    run, tasks = tasks_of_last_run(client)
    assert run.state.is_failed()
    assert tasks["count@clip"].run_count == 1
    assert "evaluate@clip" not in tasks
    failed = diptych("run")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("diptych: count@clip: 3% of the pairs are broken")


def test_an_alias_set_by_hand_is_noticed(toy, client):
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.pipeline import pipeline

    pipeline("clip")
    set_seed(toy, 2)
    pipeline("clip")
    assert by_alias(open_store(toy), "clip", "champion").label == "clip@2", "better than the first"
    only = ArtifactFilter(key=ArtifactFilterKey(any_=["promotion-clip"]))
    pages = sorted(client.read_artifacts(artifact_filter=only), key=lambda page: page.created)
    first, second = (page.data for page in pages[-2:])
    assert first.startswith("# clip@1: promoted")
    assert second.startswith("# clip@2: promoted")
    assert "| primary | retrieval.pair.mean_recall | holds: shown to be better | 0.5333 | 0.4333 |" in second
    assert "clip@1 is the champion, set by hand" in promote_by_hand(toy, "clip@1", "the second sees no red")
    noticed = diptych("run")
    assert noticed.returncode == 0, noticed.stderr
    assert "Nothing to do" not in noticed.stdout
    shipped = Shipped.read(toy, "clip")
    assert shipped is not None
    assert (shipped.version, shipped.champion) == ("clip@2", "clip@1")
    assert "diptych promote clip@2 --because REASON" in noticed.stdout.replace("\n", " ")
    assert (Path(shipped.champion_folder) / "manifest.json").exists(), "its files were fetched from the store"


def test_deployments_are_accepted_and_a_worker_runs_one(toy, client):
    for name in ("prefect.yaml", "flows"):
        source = REPOSITORY / name
        shutil.copytree(source, toy / name) if source.is_dir() else shutil.copy(source, toy / name)
    said = (toy / "prefect.yaml").read_text()
    (toy / "prefect.yaml").write_text(said.replace("  # - {<<: *nightly", "  - {<<: *nightly"))
    for command in (
        *(["work-pool", "create", pool, "--type", "process"] for pool in ("cpu", "gpu")),
        ["--no-prompt", "deploy", "--all"],
        ["deployment", "run", "pipeline/manual", "--param", "until=ingest"],
        ["worker", "start", "--pool", "cpu", "--run-once"],
    ):
        ran = subprocess.run([sys.executable, "-m", "prefect", *command], cwd=toy, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    nightly = client.read_deployment_by_name("pipeline/nightly")
    assert [(s.schedule.cron, s.active) for s in nightly.schedules] == [("0 2 * * *", True)]
    other = client.read_deployment_by_name("pipeline/nightly-siglip")
    assert [(s.schedule.cron, s.active) for s in other.schedules] == [("0 3 * * *", True)]
    assert (other.parameters, other.tags) == ({"recipe": "siglip"}, nightly.tags)
    assert (other.entrypoint, other.concurrency_options) == (nightly.entrypoint, nightly.concurrency_options)
    weekly = client.read_deployment_by_name("sweep/weekly")
    assert [(s.schedule.cron, s.active) for s in weekly.schedules] == [("0 6 * * 0", False)]
    with pytest.raises(PrefectHTTPStatusError, match="'a recipe' does not match"):
        client.create_flow_run_from_deployment(weekly.id, parameters={"recipes": ["a recipe"]})
    assert client.read_deployment_by_name("pipeline/manual").schedules == []
    run, tasks = tasks_of_last_run(client)
    assert run.state.is_completed(), run.state
    assert set(tasks) == {"ingest@clip"}
    assert (toy / "data/raw/a").exists()


def test_help_is_quick_and_imports_nothing_heavy():
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "flows.cli", "--help"], capture_output=True, text=True
    )
    assert ran.returncode == 0
    heavy = {"torch", "dvc", "prefect", "mlflow", "rich", "numpy", "yaml"}
    assert not heavy & {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
