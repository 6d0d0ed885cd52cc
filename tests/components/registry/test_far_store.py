"""Registering, and curves as they are drawn, on a real server of MLflow: answers get lost on their way, and the server is away for a while."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.contracts.errors import TransientError
from components.registry.live import LiveRun
from components.registry.runs import PACKAGE_DIGEST, TRAIN_DIGEST, find_run
from components.registry.store import Store, open_store
from components.registry.versions import register
from tests.mlflow_server import MlflowServer, mlflow_server
from tests.seaweed import Fault, Proxy, faulty_proxy

pytestmark = pytest.mark.timeout(300)
MADE = ("runs/create", "registered-models/create", "model-versions/create")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def proxy(server: MlflowServer, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way from this workspace to the server; the client asks again at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    with faulty_proxy(server.url) as proxy:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.address)
        yield proxy


def lost(number: int) -> Fault:
    """The answer to the so-manieth request that changes something is lost, once."""
    count = iter(range(10**9))
    return Fault(method="POST", lost=True, turns=1, when=lambda path: next(count) == number)


def runs_of(store: Store, tag: str, value: str) -> list[str]:
    return [run.info.run_id for run in store.client.search_runs([store.experiment], f"tags.`{tag}` = '{value}'")]


def steps(store: Store, run_id: str, name: str) -> list[int]:
    return [metric.step for metric in store.client.get_metric_history(run_id, name)]


def test_an_experiment_whose_answer_was_lost_is_there(proxy, root):
    proxy.fault = Fault(method="POST", lost=True, turns=1, when=lambda path: path.endswith("experiments/create"))
    store = open_store(root)
    assert proxy.fault.turns == 0
    assert store.experiment == open_store(root).experiment


def test_whichever_answer_is_lost_a_package_is_one_run_and_one_version(proxy, root, packaged):
    store, number, lost_of = open_store(root), 0, set()
    while True:
        before = len(proxy.asked)
        package = packaged(weights=str(number), training=f"t{number}")
        proxy.fault = lost(number)
        version = register(package, root, store)
        if proxy.fault.turns:  # it asks for no more than that
            break
        lost_of |= {made for made in MADE for path in proxy.asked[before:] if path.endswith(made)}
        found = store.client.search_model_versions(f"name = 'clip' and tag.`{PACKAGE_DIGEST}` = '{version.digest}'")
        assert [one.run_id for one in found] == [version.run_id], f"answer {number} was lost"
        assert runs_of(store, PACKAGE_DIGEST, version.digest) == [version.run_id], f"answer {number} was lost"
        assert steps(store, version.run_id, "train.loss") == list(range(1, 11)), f"answer {number} was lost"
        assert {file.path for file in store.client.list_artifacts(version.run_id, "package")} == {
            "package/manifest.json", "package/metrics.json", "package/weights.safetensors",
        }  # fmt: skip
        assert register(package, root, store) == version
        store.client.delete_registered_model("clip")  # so that the next one makes it, too
        number += 1
    assert lost_of == set(MADE)
    assert number >= 8


def test_a_file_that_the_server_cannot_keep_is_worth_another_try(proxy, root, packaged):
    package = packaged(weights="of a bad moment", training="bad")
    proxy.fault = Fault(method="PUT", status=503, code="SlowDown", when=lambda path: "artifacts" in path)
    with pytest.raises(TransientError, match=r"the MLflow store .* does not answer"):
        register(package, root)
    proxy.fault = None
    version = register(package, root)
    assert len(runs_of(open_store(root), PACKAGE_DIGEST, version.digest)) == 1


def test_what_a_training_logs_while_the_server_is_away_is_delivered_once(proxy, server, root, until):
    live = LiveRun.open(root, "clip", "away", every_s=0.05, after_s=0.0)

    def log(first: int, last: int) -> None:
        for step in range(first, last):
            live.log(step, {"train.loss": 1 / step, "val.recall": step / 100})

    log(1, 5)
    store = open_store(root)
    until(lambda: live.run_id and steps(store, live.run_id, "val.recall") == [1, 2, 3, 4])
    server.kill()
    log(5, 9)
    until(lambda: live.errors)
    log(9, 12)
    proxy.fault = Fault(method="POST", lost=True, turns=1, when=lambda path: path.endswith("log-batch"))
    server.start()
    until(lambda: len(steps(store, live.run_id, "val.recall")) >= 11)
    assert proxy.fault.turns == 0, "it was written, and the answer was lost: the same comes a second time"
    log(12, 14)
    live.close(timeout_s=60)
    run = find_run(store, TRAIN_DIGEST, "away")
    assert run.info.status == "FINISHED"
    for name in ("train.loss", "val.recall"):
        assert steps(store, run.info.run_id, name) == list(range(1, 14))


def test_what_a_killed_training_could_not_deliver_comes_with_the_one_that_goes_on(proxy, root, until):
    store = open_store(root)
    killed = LiveRun.open(root, "clip", "killed", every_s=0.05, after_s=0.0)
    for step in range(1, 5):
        killed.log(step, {"train.loss": 1 / step})
    until(lambda: killed.run_id and steps(store, killed.run_id, "train.loss") == [1, 2, 3, 4])
    killed.close("KILLED", timeout_s=60)
    resumed = LiveRun.open(root, "clip", "killed", every_s=0.05, after_s=0.0)
    for step in range(1, 9):  # what the checkpoint has, of which four were delivered
        resumed.log(step, {"train.loss": 1 / step})
    for step in range(7, 11):  # two steps are made again, in another way, since a batch was left out
        resumed.log(step, {"train.loss": 2 / step})
    until(lambda: resumed.run_id)
    resumed.close(timeout_s=60)
    assert runs_of(store, TRAIN_DIGEST, "killed") == [killed.run_id]
    history = {one.step: one.value for one in store.client.get_metric_history(killed.run_id, "train.loss")}
    assert steps(store, killed.run_id, "train.loss") == list(range(1, 11))
    assert history == {step: (1 if step < 7 else 2) / step for step in range(1, 11)}
