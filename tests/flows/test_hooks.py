"""From an alias set on a real MLflow server to a run on a real Prefect server, through `diptych hooks`; all started once."""

import asyncio
import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import uvicorn
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.events import AutomationCore
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.contracts.errors import ConfigError, TransientError
from components.registry.hooks import AliasSet
from flows.loopback import free_port, wait_for
from flows.page_apps import ARTIFACTS, STORE
from flows.pages import Pages
from flows.processes import started
from flows.telling.automations import DEPLOY, Reaction, set_up_automations
from flows.webhooks.receiver import Receiver, tell_alias_set
from flows.webhooks.secrets import rotate_secret, webhook_secrets
from flows.webhooks.webhook import ensure_webhook, webhook_name
from tests.flows.handed_over import hand_over
from tests.workspace import REPOSITORY, environment

pytestmark = pytest.mark.timeout(600)

STARTED = [sys.executable, "-u", "-m", "flows.cli"]
# As docs/webhooks.md says; the server looks up its webhooks once a minute unless told otherwise.
MLFLOW = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "https,http", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "YQ" * 21 + "Y=", "MLFLOW_WEBHOOK_CACHE_TTL": "0",
}  # fmt: skip


def wait_until(condition: Callable[[], object], seen: Callable[[], object], timeout_s: float = 240.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {timeout_s} s; seen last: {seen()}"
        time.sleep(0.05)


@contextmanager
def running(command: list[str], root: Path, ready: str, **changed: str) -> Iterator[Path]:
    """Yield what a command says, once it says that it is ready."""
    said = root.parent / f"{command[-1].rpartition('/')[2]}.txt"
    variables = environment(PYTHONPATH=str(REPOSITORY), **changed)
    with said.open("wb") as output:
        process = subprocess.Popen(command, cwd=root, env=variables, stdout=output, stderr=output)
    try:
        wait_until(lambda: ready in said.read_text() or process.poll() is not None, said.read_text, 240)
        assert process.poll() is None, said.read_text()
        yield said
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def pages(module_toy: Path) -> Iterator[Pages]:
    """Both servers, with versions 1 to 3 of clip registered."""
    with running([*STARTED, "ui", "--no-watch"], module_toy, "Ready", **MLFLOW):
        found = Pages.read(module_toy)
        assert found is not None
        client = MlflowClient(found.mlflow)
        client.create_registered_model("clip")
        for _ in range(3):
            client.create_model_version("clip", "s3://models/clip")
        yield found


@pytest.fixture(scope="module")
def prefect(pages: Pages) -> Iterator[str]:
    """Whom this process talks to as Prefect."""
    with temporary_settings({PREFECT_API_URL: f"{pages.prefect}/api"}):
        yield f"{pages.prefect}/api"


@pytest.fixture(scope="module")
def named(pages: Pages, module_toy: Path) -> dict[str, str]:
    """The variables that name both servers."""
    home = str(module_toy / ".diptych" / "home")
    return {"PREFECT_API_URL": f"{pages.prefect}/api", "MLFLOW_TRACKING_URI": pages.mlflow, "PREFECT_HOME": home}


@pytest.fixture(scope="module")
def deployed(named: dict[str, str], module_toy: Path) -> Iterator[Path]:
    """What the flow `deploy` of the deployment `manual`, which is served, wrote."""
    path = module_toy.parent / "deployed.txt"
    path.touch()
    flow = [sys.executable, "-u", str(Path(__file__).with_name("alias_flow.py"))]
    with running(flow, module_toy, "deploy/manual", DEPLOYED=str(path), PREFECT_RUNNER_POLL_FREQUENCY="1", **named):
        yield path


@pytest.fixture(scope="module")
def hooks(deployed: Path, named: dict[str, str], module_toy: Path) -> Iterator[Path]:
    """What a `diptych hooks` in the workspace says."""
    with running([*STARTED, "hooks"], module_toy, "Ctrl-C stops it", **named) as said:
        yield said


def lines(path: Path) -> list[str]:
    return path.read_text().split()


def test_without_the_deployment_the_way_to_make_it_is_named(prefect):
    missing = Reaction(name="x", why="x", event="e", resource="r", deployment="deploy/nowhere")
    with pytest.raises(ConfigError, match="prefect deploy --all"):
        set_up_automations(REPOSITORY, [missing])


def test_a_deployment_that_works_in_another_workspace_is_not_taken_for_this_ones(prefect, tmp_path):
    reaction = Reaction(name="x", why="x", event="e", resource="r", deployment="elsewhere/manual")
    steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(tmp_path)}}]
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow_from_name("elsewhere"), name="manual", pull_steps=steps)
    with pytest.raises(ConfigError, match=f"elsewhere/manual of that Prefect server works in {tmp_path}"):
        set_up_automations(REPOSITORY, [reaction])
    assert set_up_automations(tmp_path, [reaction]) == ("x",)


def test_an_alias_that_is_set_runs_the_flow_with_its_model(hooks, deployed, pages, prefect):
    MlflowClient(pages.mlflow).set_registered_model_alias("clip", "champion", "1")
    wait_until(lambda: lines(deployed), lambda: (deployed.read_text(), hooks.read_text()))
    assert lines(deployed) == ["clip@1"]
    with get_client(sync_client=True) as client:
        runs = [run for run in client.read_flow_runs() if run.parameters]
    assert [run.parameters for run in runs] == [{"model": "clip"}]
    assert "202 champion of clip is looked at" in hooks.read_text()


def test_of_two_that_are_set_within_a_second_the_last_is_deployed_last(hooks, deployed, pages):
    client = MlflowClient(pages.mlflow)
    before = len(lines(deployed))
    for version in ("2", "3"):
        client.set_registered_model_alias("clip", "champion", version)
    wait_until(lambda: len(lines(deployed)) == before + 2, lambda: (deployed.read_text(), hooks.read_text()))
    assert lines(deployed)[-1] == "clip@3"


def test_other_aliases_run_nothing(hooks, deployed, pages):
    client = MlflowClient(pages.mlflow)
    before = lines(deployed)
    client.set_registered_model_alias("clip", "challenger", "2")
    wait_until(lambda: "200 only the alias champion" in hooks.read_text(), hooks.read_text)
    assert lines(deployed) == before


def test_a_delivery_is_taken_once_by_both_receiver_and_server(hooks, deployed, pages, module_toy):
    from mlflow.webhooks.delivery import _generate_hmac_signature

    sent, name = str(int(time.time())), "5e8b9a3e-54a8-4c42-9cf0-0d1d1f5c6a10"
    data = {"name": "clip", "alias": "champion", "version": "3"}
    body = json.dumps({"entity": "model_version_alias", "action": "created", "timestamp": sent, "data": data})
    address = next(line for line in hooks.read_text().splitlines() if line.startswith("Receiving")).split()[1]
    headers = {
        "X-MLflow-Signature": _generate_hmac_signature(webhook_secrets(module_toy)[0], name, sent, body),
        "X-MLflow-Delivery-Id": name, "X-MLflow-Timestamp": sent,
    }  # fmt: skip

    def post() -> int:
        request = urllib.request.Request(address.rstrip("."), body.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as err:
            return err.code

    before = len(lines(deployed))
    assert [post(), post()] == [202, 409]
    wait_until(lambda: len(lines(deployed)) > before, lambda: (deployed.read_text(), hooks.read_text()))
    wish = AliasSet(model="clip", alias="champion", version="3", delivery=name)
    with temporary_settings({PREFECT_API_URL: f"{pages.prefect}/api"}):
        asyncio.run(tell_alias_set(wish))  # as a receiver does that was killed before it wrote the delivery down
    MlflowClient(pages.mlflow).set_registered_model_alias("clip", "champion", "2")
    wait_until(lambda: "clip@2" in lines(deployed)[before:], deployed.read_text)
    assert lines(deployed)[before:] == ["clip@3", "clip@2"]


def test_automations_are_made_once_and_mended_and_what_was_paused_stays_so(hooks, prefect):
    assert set_up_automations(REPOSITORY, [DEPLOY]) == ()
    with get_client(sync_client=True) as client:
        [made] = client.read_automations_by_name(DEPLOY.name)
        client.pause_automation(made.id)
        assert set_up_automations(REPOSITORY, [DEPLOY]) == ()
        said = made.model_dump(exclude={"id", "owner_resource"}) | {"enabled": False, "description": "another"}
        other = AutomationCore.model_validate(said)
        client.update_automation(made.id, other)
        client.create_automation(other)
        assert set_up_automations(REPOSITORY, [DEPLOY]) == (DEPLOY.name,)
        [mended] = client.read_automations_by_name(DEPLOY.name)
        assert mended.description == DEPLOY.why
        assert not mended.enabled
        client.resume_automation(mended.id)
    assert set_up_automations(REPOSITORY, [DEPLOY]) == ()


def test_a_workspace_has_one_webhook_whatever_is_asked_for(pages, module_toy, tmp_path):
    client, name = MlflowClient(pages.mlflow), webhook_name(module_toy)
    before = [hook for hook in client.list_webhooks() if hook.name == name]
    first = ensure_webhook(pages.mlflow, webhook_name(module_toy), "http://127.0.0.1:1/mlflow", "s" * 43)
    client.update_webhook(first.id, status="DISABLED")
    client.create_webhook(name, "http://127.0.0.1:3/", ["model_version_alias.created"])
    second = ensure_webhook(pages.mlflow, webhook_name(module_toy), "http://127.0.0.1:2/mlflow", "s" * 43)
    assert first.made is not bool(before)
    assert not second.made
    other = ensure_webhook(pages.mlflow, webhook_name(tmp_path), "http://127.0.0.1:4/mlflow", "s" * 43)
    [hook] = [hook for hook in client.list_webhooks() if hook.name == name]
    client.delete_webhook(other.id)
    assert (hook.url, str(hook.status)) == ("http://127.0.0.1:2/mlflow", "ACTIVE")
    with pytest.raises(ConfigError, match="MLFLOW_WEBHOOK_ALLOWED_SCHEMES"):
        ensure_webhook(pages.mlflow, webhook_name(module_toy), "ftp://127.0.0.1/mlflow", "s" * 43)
    with pytest.raises(ConfigError, match="diptych watch"):
        ensure_webhook("sqlite:///mlflow.db", "diptych", "http://127.0.0.1:1/mlflow", "s" * 43)


def test_a_server_that_lost_the_key_of_its_webhooks_is_told_which_one_it_needs(pages, module_toy, tmp_path):
    ensure_webhook(pages.mlflow, webhook_name(module_toy), "http://127.0.0.1:1/mlflow", "s" * 43)
    with closing(sqlite3.connect(module_toy / "mlflow.db")) as old, closing(sqlite3.connect(tmp_path / "m.db")) as new:
        old.backup(new)
    port, log = free_port(), tmp_path / "mlflow.log"
    page = [sys.executable, "-m", "uvicorn", "--factory", "flows.page_apps:mlflow_page", "--port", str(port)]
    store = {STORE: f"sqlite:///{tmp_path / 'm.db'}", ARTIFACTS: tmp_path.as_uri()}
    with started(page, log, {**MLFLOW, "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "Yg" * 21 + "Y=", **store}) as server:
        wait_for(f"http://127.0.0.1:{port}/health", server, log, "MLflow", 120)
        with pytest.raises(ConfigError, match="MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"):
            ensure_webhook(f"http://127.0.0.1:{port}", "diptych", "http://127.0.0.1:1/mlflow", "s" * 43)


def test_what_prefect_did_not_take_mlflow_sends_again_and_a_new_secret_is_good_at_once(pages, module_toy, tmp_path):
    taken: list[AliasSet] = []
    tries: list[str] = []

    async def tell(wish: AliasSet) -> None:
        tries.append(wish.delivery)
        if len(tries) < 3:
            raise TransientError("the Prefect server is being started.")
        taken.append(wish)

    (tmp_path / "runs/clip/package").mkdir(parents=True)
    for name in ("params.yaml", "components"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    port, answers = free_port(), []
    app = Receiver(tmp_path, tell, retry_after_s=1, log=answers.append).app()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, lambda: thread.is_alive())
        url, client = f"http://127.0.0.1:{port}/mlflow", MlflowClient(pages.mlflow)
        ensure_webhook(pages.mlflow, webhook_name(module_toy), url, webhook_secrets(tmp_path)[0])
        client.set_registered_model_alias("clip", "champion", "1")
        wait_until(lambda: taken, lambda: answers)
        assert len(tries) == 3
        assert len(set(tries)) == 1, "the same delivery"
        ensure_webhook(pages.mlflow, webhook_name(module_toy), url, rotate_secret(tmp_path))
        client.set_registered_model_alias("clip", "champion", "2")
        wait_until(lambda: len(taken) == 2, lambda: answers)
        assert [wish.version for wish in taken] == ["1", "2"]
        ensure_webhook(pages.mlflow, webhook_name(module_toy), url, "of somebody else, and long enough for all")
        client.set_registered_model_alias("clip", "champion", "3")
        wait_until(lambda: len(answers) == 5, lambda: answers)
        assert answers[-1].startswith("401")
        assert len(taken) == 2
    finally:
        server.should_exit = True
        thread.join(30)


def test_what_was_set_while_nobody_listened_is_caught_up_with(deployed, pages, named, module_toy, toy):
    client = MlflowClient(pages.mlflow)
    for hook in client.list_webhooks():
        if hook.name == webhook_name(module_toy):  # whose receiver would tell Prefect too
            client.delete_webhook(hook.webhook_id)
    hand_over(toy, "clip@2")
    MlflowClient(pages.mlflow).set_registered_model_alias("clip", "champion", "1")
    before = len(lines(deployed))
    with running([*STARTED, "hooks"], toy, "Ctrl-C stops it", **named) as said:
        assert "Caught up  champion of clip is clip@1" in said.read_text()
        wait_until(lambda: lines(deployed)[before:] == ["clip@1"], deployed.read_text)
    hand_over(toy, "clip@1")
    with running([*STARTED, "hooks"], toy, "Ctrl-C stops it", **named) as said:
        assert "Caught up" not in said.read_text()


def test_where_no_prefect_answers_the_event_was_not_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{taken.getsockname()[1]}/api"}):
            wish = AliasSet(model="clip", alias="champion", version="3", delivery="d1")
            with pytest.raises(TransientError, match="did not take the event"):
                asyncio.run(tell_alias_set(wish))
            with pytest.raises(TransientError, match="does not answer"):
                set_up_automations(REPOSITORY)
