"""A pod's share of serving: the champion laid out, a real Triton on it, and a gateway that listens only once that has proven itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from components.contracts.errors import CapabilityError, ConfigError, GateClosed, TransientError
from components.registry.promotion import promote_by_hand
from components.registry.store import Store, open_store
from components.registry.versions import ModelVersion
from components.serving.command import free_ports, server_command
from components.serving.endpoint import read_endpoint
from components.serving.environment import ServingEnvironment
from components.serving.gateway.keys import add_key, keys_file
from components.serving.package import Package
from flows.loopback import free_port
from flows.mlflow_users import SERVING, VARIABLES
from flows.page_apps import ARTIFACTS, USERS
from flows.pod import INSTANCE, lay, proven
from flows.promote import promote
from flows.stack.pages import users_ini
from flows.stack.place import USER
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, served_place
from tests.mlflow_server import mlflow_server

WITHIN_S = 120.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Store, ModelVersion, ModelVersion]]:
    """A workspace whose registry has two versions of `tiny`, and nothing served."""
    with served_place(tmp_path_factory.mktemp("pod")) as root:
        try:
            ServingEnvironment.find(root)
        except CapabilityError as err:
            if "CI" in os.environ:
                raise
            pytest.skip(str(err))
        store = open_store(root)
        yield root, store, make_version(root, store, 1, 40), make_version(root, store, 2, 59)


@contextmanager
def triton(root: Path, folder: Path) -> Iterator[str]:
    """Run the server on what is laid out, with the backends of the wheel; yield the address of its HTTP."""
    environment, ports = ServingEnvironment.find(root), free_ports()
    endpoint = read_endpoint(root)
    assert endpoint is not None
    command = server_command(
        environment, endpoint.repository, environment.stage_backends(folder / "backends"), ports, "key", "podtest"
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment.variables(), stdout=log, stderr=log, cwd=folder)
    try:
        yield f"127.0.0.1:{ports.http}"
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


@contextmanager
def gateway(root: Path, address: str, port: int) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "flows.pod", "answer", "--port", str(port), "--triton", address]
    process = subprocess.Popen(
        command,
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ready(port: int, process: "subprocess.Popen[str]", **headers: str) -> httpx.Response:
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", headers=headers, timeout=10)
        except httpx.TransportError:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.2)


def test_without_a_champion_nothing_is_laid_out(place):
    root, *_ = place
    with pytest.raises(GateClosed, match="no version of tiny has the alias champion"):
        lay(root, "tiny")


def test_a_gateway_that_others_can_call_wants_keys(place):
    root, store, first, _ = place
    ask(store, first)
    with pytest.raises(ConfigError, match=r"called models\.example\.org, and whoever reaches it could ask"):
        lay(root, "tiny", ["models.example.org"])


def test_the_champion_answers_as_it_was_measured_by_its_name_and_to_who_has_a_key(place, tmp_path):
    root, store, first, _ = place
    ask(store, first)
    key = add_key(root, "anna")
    keys = tmp_path / "keys.json"
    keys.write_text(keys_file(root).read_text())
    keys_file(root).unlink()
    assert lay(root, "tiny", ["models.example.org"], keys) == first.label
    assert lay(root, "tiny", ["models.example.org"], keys) == first.label, "as of a container that is restarted"
    port = free_port()
    with triton(root, tmp_path) as address, gateway(root, address, port) as process:
        said = ready(port, process, Host="models.example.org")
        assert (said.status_code, said.json()["model"]) == (200, first.label)
        asked = {"input": "a picture", "model": "champion"}
        url = f"http://127.0.0.1:{port}/v1/embeddings"
        assert httpx.post(url, json=asked, timeout=20).status_code == 401
        assert httpx.post(url, json=asked, headers={"Authorization": f"Bearer {key}"}, timeout=20).status_code == 200
        assert (
            httpx.get(f"http://127.0.0.1:{port}/readyz", headers={"Host": "elsewhere.example.org"}).status_code >= 400
        )
        process.terminate()
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_a_triton_that_answers_as_another_model_gets_no_request(place, tmp_path):
    root, store, first, second = place
    keys_file(root).unlink(missing_ok=True)
    ask(store, first)
    lay(root, "tiny")
    port = free_port()
    with triton(root, tmp_path) as address:
        with gateway(root, address, port) as process:
            assert ready(port, process).status_code == 200
        ask(store, second)
        assert lay(root, "tiny") == second.label
        with gateway(root, address, port) as process:
            said, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "listening" not in said
    assert said.startswith("pod: ")


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Callable[[str], Store]]]:
    """A workspace, and what opens its store as a user of an MLflow server that lets `diptych-serving` read alone."""
    root, folder, users = tmp_path / "work", tmp_path / "server", tmp_path / "users.ini"
    root.mkdir()
    folder.mkdir()
    make_place(root)
    passwords = {USER: "of-who-may-do-all", SERVING: "of-who-only-reads"}
    users.write_text(users_ini(f"sqlite:///{tmp_path / 'users.db'}"))
    its = {
        USERS: str(users), ARTIFACTS: f"file://{folder / 'artifacts'}", "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32, "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": passwords[USER], VARIABLES[SERVING]: passwords[SERVING],
    }  # fmt: skip
    with mlflow_server(folder, environment=its) as server:

        def opened(user: str) -> Store:
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", passwords[user])
            return open_store(root)

        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        yield root, opened


def test_a_pod_that_may_only_read_comes_up_whatever_alias_somebody_set(read_only):
    root, opened = read_only
    store = opened(USER)
    good, worse, better = (make_version(root, store, *how) for how in ((1, 40), (2, 20), (3, 59)))
    assert promote(root, good, store).served.label == good.label

    def laid_for(version: ModelVersion) -> tuple[str, str]:
        ask(opened(USER), version)
        opened(SERVING)
        said: list[str] = []
        return lay(root, "tiny", say=said.append), "".join(said)

    assert laid_for(good) == (good.label, f"{good.label} is the champion.")
    label, said = laid_for(worse)
    assert label == good.label
    assert (
        f"{worse.label} has the alias champion, set by hand, and may not be served; {good.label}, which had it" in said
    )
    label, said = laid_for(better)
    assert (label, "made the champion by hand, and may be" in said) == (better.label, True)
    opened(USER)
    promote_by_hand(root, worse.label, "somebody wants it")
    promote_by_hand(root, good.label, "nobody does")
    label, said = laid_for(worse)
    assert (label, "may be: it was approved by hand: somebody wants it" in said) == (worse.label, True)


def test_what_is_laid_out_is_whole_and_where_triton_is_told_that_it_is(place):
    root, store, first, _ = place
    ask(store, first)
    lay(root, "tiny")
    endpoint = read_endpoint(root)
    assert endpoint is not None
    assert endpoint.repository == root.resolve() / f".diptych/served/{INSTANCE}/repository"
    assert endpoint.package_digest == Package.verify((root / ".diptych/served/package").resolve()).digest
    with pytest.raises(TransientError, match="does not answer"):
        proven(root, within_s=0.0)
