"""A monitor in front of real servers: what a gateway was asked is what it looks at, and what it asks for is started by Prefect."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from components.contracts.errors import ConfigError, TransientError
from components.monitoring.events import BUDGET, DRIFT, Event
from components.serving.gateway.settings import Settings
from flows.monitored import monitored
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway, stop_gateway
from tests.components.serving.tiny_package import make_package

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)
WORDS = ("a", "square", "red", "green", "blue")
PARAMS = """source: {name: emoji}
recipes: {clip: {}}
scale: debug
seed: 0
gates: {max_broken: 0.0}
monitor: {least_rows: 10, most_rows: 100, reference: before}
"""


def until(what, timeout_s=60.0):
    """Return what comes of asking until it is something."""
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A workspace whose gateway was asked 25 searches, of different words, and one that it could not answer."""
    root = tmp_path_factory.mktemp("watched")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    try:
        deploy(make_package(root / "package"), root, "tiny@1")
        gateway = ensure_gateway(root, Settings(root=root.resolve(), log_share=1.0))
        for first in WORDS:
            for second in WORDS:
                body = {"query": f"{first} {second} {second}", "top_k": 2, "mode": "vector"}
                assert httpx.post(f"{gateway.url}v1/search", json=body).status_code == 200
        assert httpx.post(f"{gateway.url}v1/search", json={"query": ""}).status_code == 400
        yield root
    finally:
        down(root)


def test_what_the_gateway_was_asked_is_what_is_looked_at(asked):
    counted = monitored(asked)
    assert len(counted.requests) == 0  # the log waits for a minute, or for the gateway's end
    assert [(one.source, one.requests, one.over) for one in counted.budgets] == [("counts", 26, 0), ("counts", 26, 0)]
    stop_gateway(asked)
    seen = monitored(asked)
    assert (seen.model, len(seen.requests)) == ("tiny@1", 25)  # what was refused was asked of no model
    assert next((one.source, one.requests, one.held) for one in seen.budgets) == ("log", 26, "kept")
    (texts,) = [line for line in seen.drift if line.of == "texts"]
    assert (texts.rows, texts.outcome) == (25, "cannot tell")
    assert "the reference has 0 distinct texts" in texts.says
    assert seen.deaths == []


def test_the_training_reference_is_embedded_by_what_is_served(asked):
    params = (asked / "params.yaml").read_text()
    (asked / "params.yaml").write_text(params.replace("before", "training"))
    try:
        seen = monitored(asked)
    finally:
        (asked / "params.yaml").write_text(params)
    assert seen.reference.sides["text"].shape == (3, 16)  # of the three pictures that it has
    assert seen.reference.means == "what it was trained on"
    assert (
        next(line.says for line in seen.drift if line.of == "texts")
        == "the reference has 3 distinct texts, and 10 are needed"
    )


def test_the_command_prints_what_was_seen_and_starts_no_server(asked):
    code = "import sys; from flows.cli import main; code = main(['monitor', '--json', '--since', '2']); sys.exit(code or 10 * ('prefect' in sys.modules))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=asked, env=environment | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["model"], found["outcome"]) == ("tiny@1", "cannot tell")
    assert (asked / ".diptych/monitor/report.html").exists()


def test_hours_that_are_none_are_refused(asked):
    with pytest.raises(ConfigError, match=r"monitor\.window_h is -1"):
        monitored(asked, -1)


def test_the_flow_shows_what_it_saw(asked, prefect_api, monkeypatch):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

    from flows.monitor import monitor

    monkeypatch.chdir(asked)
    found = monitor()
    with get_client(sync_client=True) as client:
        only = ArtifactFilter(key=ArtifactFilterKey(any_=["monitor"]))
        (shown,) = client.read_artifacts(artifact_filter=only)
    assert found["sentence"] == shown.description
    assert "# tiny@1" in shown.data


def test_what_is_asked_for_is_started_and_what_is_only_told_is_not(prefect_api):
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    from flows.telling.automations import GO_BACK, TRAIN, set_up_automations
    from flows.telling.told import tell

    @flow(name="pipeline")
    def pipeline(recipe: str) -> None:
        return None

    @flow(name="rollback")
    def rollback(because: str, leave: str) -> None:
        return None

    with get_client(sync_client=True) as client, ExitStack() as after:
        trains = client.create_deployment(client.create_flow(pipeline), name="manual")
        after.callback(client.delete_deployment, trains)  # this Prefect is other tests' too
        with pytest.raises(ConfigError, match="has no deployment rollback/manual"):
            set_up_automations(REPOSITORY, [TRAIN, GO_BACK])
        assert set_up_automations(REPOSITORY, [TRAIN]) == ()  # the one that could be was made
        (made,) = client.read_automations_by_name(TRAIN.name)
        after.callback(client.delete_automation, made.id)

        goes_back = client.create_deployment(client.create_flow(rollback), name="manual")
        after.callback(client.delete_deployment, goes_back)
        assert set_up_automations(REPOSITORY, [TRAIN, GO_BACK]) == (GO_BACK.name,)
        after.callback(client.delete_automation, client.read_automations_by_name(GO_BACK.name)[0].id)

        def runs():
            named = DeploymentFilter(name=DeploymentFilterName(any_=["manual"]))
            found = client.read_flow_runs(deployment_filter=named)
            return found if len(found) > 1 else []

        def event(name, asks):
            return Event(name=name, at=datetime.now(UTC), model="tiny@1", says="it is red", asks=asks)

        tell(
            [event(DRIFT, ""), event(BUDGET, ""), event(DRIFT, "pipeline"), event(BUDGET, "rollback")]
        )  # in this order
        given = [run.parameters for run in until(runs)]
        assert sorted(given, key=str) == [{"because": "it is red", "leave": "tiny@1"}, {"recipe": "tiny"}]


def test_a_server_that_does_not_take_events_is_a_fault_that_may_pass(monkeypatch):
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from flows.telling.told import tell

    event = Event(name=DRIFT, at=datetime.now(UTC), model="tiny@1", says="")
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}),
        pytest.raises(TransientError, match="does not take events"),
    ):
        tell([event])
