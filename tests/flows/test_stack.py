"""`diptych up` for real: PostgreSQL, S3, Prefect, MLflow, a worker and the receiver, kept alive, closed to others, and ended with their data kept."""

import hashlib
import importlib.metadata
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg2
import pytest
import yaml
from botocore.exceptions import ClientError
from dvc.repo import Repo
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Running, Scheduled
from prometheus_client.parser import text_string_to_metric_families
from requests.exceptions import HTTPError

from components.contracts.errors import ConfigError, DataError, DiptychError
from components.registry.signatures import KEY, SIGNED_BY, fingerprint, own_key, public_key
from components.registry.store import open_store
from components.serving.endpoint import read_endpoint
from components.serving.record import read_gateway
from flows.faults import told
from flows.mlflow_users import JOBS, SERVING
from flows.pages import MLFLOW_PAGE
from flows.serving.deploy import deploy
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway, stop_gateway
from flows.stack.archive import ABOUT
from flows.stack.backup import backup, cache_of, digests, keys, ran
from flows.stack.doctor import examined
from flows.stack.objects import client
from flows.stack.place import SETTINGS, USER, Place, is_made
from flows.stack.postgres import AS_ROOT, DATABASES, admin, cluster_of
from flows.stack.restore import restore, restore_into
from flows.stack.restoring import exists, read_restoring, said_of_restoring, write_restoring
from flows.stack.seen import Seen, read_seen, use
from flows.stack.up import again, end, up
from flows.telling.notices import NOTICES
from tests.components.serving.tiny_package import make_package
from tests.debian_postgres import needs_postgres
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, rules
from tests.receivers import web

pytestmark = pytest.mark.timeout(1200)
PAGE = "https://mlflow.example.org"  # by which people reach MLflow, through a proxy that ends TLS
PREFECT_PAGE = "https://prefect.example.org"
NAMES = ("postgres", "s3", "prefect", "mlflow", "worker-cpu", "hooks")
WITHIN_S = 240.0


def forget(root: Path, data: Path | None = None) -> None:
    """Take away what lies outside of the workspace where root runs PostgreSQL; a disk that is mounted there goes with whoever mounted it.

    Args:
        data: where the servers had their data once; where they have them unless given.
    """
    if not is_made(root):
        return
    place = Place.read(root)
    folder = cluster_of(place if data is None else replace(place, data=data)).parent
    if folder.parent == AS_ROOT and not folder.is_mount():
        shutil.rmtree(folder)


def until(condition: Callable[[], object], seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, seen()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace whose servers run."""
    needs_postgres()
    root = make_place(tmp_path_factory.mktemp("stack"))
    rules(root, canary=[])
    (root / "data").mkdir()
    (root / "data/untrained.txt").touch()
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    subprocess.run(["git", "init", "-q", root], check=True)
    Repo.init(str(root)).close()
    key = own_key(tmp_path_factory.mktemp("of-a-person"))
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI", "PREFECT_HOME")
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.setenv(KEY, str(key))
        patch.setenv(MLFLOW_PAGE, PAGE)
        patch.setenv("PREFECT_UI_URL", PREFECT_PAGE)
        before = {**os.environ, "PREFECT_HOME": ""}  # also where they do not come up, all is ended
        try:
            up(root, say=lambda said: None)
            patch.setenv("PREFECT_HOME", str(root / "home"))
            use(root)
            yield root
        finally:
            for name in {*os.environ} - {*before}:
                del os.environ[name]
            end(root)
            down(root)
            forget(root)


@pytest.fixture(scope="module")
def place(root: Path) -> Place:
    return Place.read(root)


def seen(root: Path) -> Seen:
    found = read_seen(root)
    assert found is not None
    return found


def family(root: Path) -> list[psutil.Process]:
    return with_children(seen(root).process.pid)


def with_children(pid: int) -> list[psutil.Process]:
    keeper = psutil.Process(pid)
    return [keeper, *keeper.children(recursive=True)]


def listens_at(processes: Sequence[psutil.Process]) -> set[str]:
    return {
        connection.laddr.ip.removeprefix("::ffff:")  # as gRPC says it
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_all_are_well_and_a_second_call_only_looks(root):
    before = seen(root)
    assert [(one.name, one.state) for one in before.services] == [(name, "well") for name in NAMES]
    again = up(root, say=lambda said: None)
    assert [one.pid for one in again.services] == [one.pid for one in before.services]
    assert again.process == before.process


def test_up_has_prefect_know_deployments_that_were_edited_while_the_servers_ran(root, place):
    ours = {
        PREFECT_API_URL: f"{place.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{place.passwords['prefect']}",
    }

    def nights() -> dict[str, bool]:
        """Each night, and whether its schedule is on."""
        up(root, say=lambda said: None)
        with temporary_settings(ours), get_client(sync_client=True) as prefect:
            found = [one for one in prefect.read_deployments() if "nightly" in one.tags]
        return {one.name: one.schedules[0].active for one in found}

    params = (root / "params.yaml").read_text()
    assert nights() == {"nightly": True}
    with temporary_settings(ours), get_client(sync_client=True) as prefect:
        nightly = prefect.read_deployment_by_name("pipeline/nightly")
        prefect.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False)
    (root / "params.yaml").write_text(
        yaml.safe_dump(
            {
                **yaml.safe_load(params),
                "recipes": {name: {"start": "data/untrained.txt"} for name in ("clip", "siglip")},
            }
        )
    )
    assert nights() == {"nightly": False, "nightly-siglip": True}, "what somebody switched off stays off"
    (root / "params.yaml").write_text(params)
    said: list[str] = []
    (prefects,) = [one.pid for one in seen(root).services if one.name == "prefect"]
    os.kill(prefects, signal.SIGSTOP)
    try:
        up(root, say=said.append)
    finally:
        os.kill(prefects, signal.SIGCONT)
    assert [one for one in said if one.startswith("whether deployments were edited was not looked at")]
    assert nights() == {"nightly": False}


def test_nothing_listens_beyond_this_machine(root):
    assert listens_at(family(root)) == {"127.0.0.1"}


def test_whoever_has_no_password_gets_nothing(place):
    assert httpx.post(f"{place.url('prefect')}/api/flows/filter", json={}).status_code == 401
    assert httpx.post(f"{place.url('mlflow')}/api/2.0/mlflow/experiments/search", json={}).status_code == 401
    assert httpx.get(f"{place.url('s3')}/dvc").status_code == 403
    client(place, "dvc").put_object(Bucket="dvc", Key="seen", Body=b"by nobody else")
    assert httpx.get(f"{place.url('s3-filer')}/buckets/dvc/seen").status_code == 401
    assert httpx.put(f"{place.url('s3-filer')}/buckets/dvc/other", content=b"x").status_code == 401
    client(place, "dvc").put_object(Bucket="dvc", Key="x", Body=b"x")
    client(place, "mlflow").put_object(Bucket="mlflow", Key="x", Body=b"x")
    for who, other in (("mlflow", "dvc"), ("dvc", "mlflow")):
        its, name = client(place, who), {"Bucket": other, "Key": "x"}
        for call in (
            lambda its=its, name=name: its.put_object(**name, Body=b"y"), lambda its=its, name=name: its.get_object(**name),
            lambda its=its, name=name: its.delete_object(**name), lambda its=its, other=other: its.list_objects_v2(Bucket=other),
            lambda its=its: its.create_bucket(Bucket="another"),
        ):  # fmt: skip
            with pytest.raises(ClientError, match="AccessDenied"):
                call()
        assert client(place, other).get_object(**name)["Body"].read() == b"x"


def test_mlflow_answers_a_proxy_by_the_name_that_people_use_and_by_no_other(place):
    """As docs/stack.md has a proxy ask it: with the name and the origin that the browser used."""
    url, who = f"{place.url('mlflow')}/ajax-api/2.0/mlflow/experiments/search", (USER, place.passwords["mlflow"])

    def asked(host: str, origin: str) -> int:
        headers = {"Host": host, "Origin": origin, "X-Forwarded-Proto": "https"}
        return httpx.post(url, json={"max_results": 1}, headers=headers, auth=who).status_code

    assert asked("mlflow.example.org", PAGE) == 200
    assert asked("mlflow.example.org", "https://elsewhere.example.org") == 403
    assert asked("elsewhere.example.org", PAGE) == 403


def test_a_server_knows_no_password_that_is_not_its_own(root, place):
    for one in seen(root).services:
        variables = psutil.Process(one.pid).environ()
        if one.name in ("postgres", "s3"):
            assert not {"PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_PASSWORD"} & set(variables), one.name
        elif one.name == "hooks":  # an administrator's, since it sets up webhooks
            assert variables["MLFLOW_TRACKING_PASSWORD"] == place.passwords["mlflow"]
        elif one.name == "worker-cpu":
            assert variables["MLFLOW_TRACKING_USERNAME"] == JOBS
            assert variables["MLFLOW_TRACKING_PASSWORD"] == place.passwords["mlflow-jobs"]
            assert place.passwords["mlflow"] not in variables.values()
    if os.geteuid() == 0:
        (postgres,) = [one for one in seen(root).services if one.name == "postgres"]
        status = Path(f"/proc/{postgres.pid}/status").read_text()
        assert [line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "CapAmb"))] == [
            "0" * 16
        ] * 2


def test_what_runs_is_not_taken_for_what_is_asked(root, tmp_path):
    for otherwise in ({"data": tmp_path}, {"without": ["hooks"]}):
        with pytest.raises(ConfigError, match="the servers run already, with their data in"):
            up(root, **otherwise)


def test_a_wrong_password_is_said(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of-another")
    with pytest.raises(ConfigError, match="does not let us in"):
        open_store(root)


def test_a_key_that_is_not_valid_any_more_is_said_in_one_sentence(root, place):
    old = {PREFECT_API_URL: f"{place.url('prefect')}/api", PREFECT_API_AUTH_STRING: f"{USER}:of-last-year"}
    with temporary_settings(old), get_client(sync_client=True) as prefect:
        with pytest.raises(PrefectHTTPStatusError) as caught:
            prefect.read_deployments()
        said = told(caught.value, root)
    assert said.startswith(
        f"the Prefect server at {place.url('prefect')}/api does not let us in (401). Say who you are in"
    )
    assert "of-last-year" not in said


def test_passwords_are_for_their_owner(root, place):
    assert place.keys.stat().st_mode & 0o777 == 0o600
    for path in (place.data / "mlflow-users.ini", place.data / "s3/users.json", root / ".dvc/config.local"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_an_alias_in_mlflow_becomes_a_served_model_by_prefect(root):
    """The third door, on nothing but what `diptych up` set up: webhook, receiver, event, automation, worker, deploy."""
    store = open_store(root)
    version = make_version(root, store, seed=1, right=20)
    ask(store, version)
    until(lambda: (its := read_endpoint(root)) is not None and its.label == version.label, lambda: logs(root))
    (_, *_) = store.client.search_model_versions("name = 'tiny'")
    until(lambda: "diptych.deployed_at" in store.client.get_model_version("tiny", "1").tags, lambda: logs(root))
    until(lambda: shown(root, "served-tiny"), lambda: logs(root))
    (page,) = shown(root, "served-tiny")
    assert version.label in page
    assert f"[tiny in the registry]({PAGE}/#/models/tiny" in page


def test_jobs_change_what_is_registered_and_no_user_and_who_serves_reads(root, place, monkeypatch):
    """After the alias was served: what they work on is an administrator's, whose the shell is."""
    uri = place.url("mlflow")
    admin_of = AuthServiceClient(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", JOBS)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", place.passwords["mlflow-jobs"])
    store = open_store(root)
    version = store.client.get_model_version("tiny", "1")
    store.client.set_model_version_tag("tiny", "1", "by", "jobs")
    store.client.delete_model_version_tag("tiny", "1", "by")
    store.client.set_registered_model_alias("tiny", "of-jobs", "1")
    store.client.delete_registered_model_alias("tiny", "of-jobs")
    store.client.set_tag(version.run_id, "by", "jobs")
    its = store.client.create_run(store.client.get_run(version.run_id).info.experiment_id)
    store.client.log_metric(its.info.run_id, "x", 1.0)
    store.client.delete_run(its.info.run_id)
    refused = (
        lambda: admin_of.create_user("another", "of-nobody-1234"),
        store.client.list_webhooks,
        lambda: admin_of.update_user_admin(JOBS, True),
    )
    for call in refused:
        with pytest.raises(MlflowException, match="Permission denied"):
            call()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", SERVING)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", place.passwords["mlflow-serving"])
    assert store.client.get_registered_model("tiny").aliases == {"champion": "1"}
    assert "package" in [file.path for file in store.client.list_artifacts(version.run_id)]
    for change in (
        lambda: store.client.set_registered_model_alias("tiny", "champion", "1"), lambda: store.client.set_model_version_tag("tiny", "1", "by", "it"),
        lambda: store.client.set_tag(version.run_id, "by", "it"), lambda: store.client.log_text(version.run_id, "x", "x.txt"),
        lambda: store.client.delete_model_version("tiny", "1"), *refused,
    ):  # fmt: skip
        with pytest.raises((MlflowException, HTTPError), match="Permission denied"):
            change()


def shown(root: Path, key: str) -> list[str]:
    """Return what runs have put on their pages under a key."""
    place, only = Place.read(root), ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
    ours = {
        PREFECT_API_URL: f"{place.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{place.passwords['prefect']}",
    }
    with temporary_settings(ours), get_client(sync_client=True) as prefect:
        return [one.data for one in prefect.read_artifacts(artifact_filter=only)]


def logs(root: Path) -> str:
    return "\n".join(
        f"--- {one.name}\n{Path(one.log).read_text(errors='replace')[-1500:]}" for one in seen(root).services
    )


def killed(root: Path, name: str) -> None:
    """Kill one, and wait until all are well again."""
    (before,) = [one for one in seen(root).services if one.name == name]
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        (now,) = [one for one in seen(root).services if one.name == name]
        return now.state == "well" and now.pid not in (None, before.pid)

    until(back, lambda: (seen(root).as_json(), logs(root)))
    until(lambda: all(one.state == "well" for one in seen(root).services), lambda: seen(root).as_json())


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_killed_comes_back_and_has_what_it_had(root, name):
    killed(root, name)
    assert open_store(root).client.get_registered_model("tiny").aliases == {"champion": "1"}
    files = open_store(root).client.list_artifacts(open_store(root).client.get_model_version("tiny", "1").run_id)
    assert "package" in [file.path for file in files]
    place = Place.read(root)  # this process may know Prefect since before the servers were there
    ours = {
        PREFECT_API_URL: f"{place.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{place.passwords['prefect']}",
    }
    with temporary_settings(ours), get_client(sync_client=True) as prefect:
        assert {one.name for one in prefect.read_deployments()} >= {"manual", "nightly", "monitor"}


def test_data_goes_to_the_bucket_and_comes_back(root, tmp_path):
    (root / "pictures.bin").write_bytes(os.urandom(100_000))
    repo = Repo(str(root))
    try:
        repo.add(str(root / "pictures.bin"))
        assert repo.push() == 1
        before = (root / "pictures.bin").read_bytes()
        (root / "pictures.bin").unlink()
        for file in (root / ".dvc/cache/files").rglob("*"):
            if file.is_file():
                file.unlink()
        repo.pull()
        assert (root / "pictures.bin").read_bytes() == before
    finally:
        repo.close()


def test_no_password_or_key_is_in_a_log_or_a_database_after_flows_ran_and_servers_were_killed(root, place):
    """The signing key is that of DIPTYCH_SIGNING_KEY, which `make_version` signed with and the worker's deploy has checked by."""
    key = Path(os.environ[KEY])
    signed = open_store(root).client.get_run(open_store(root).client.get_model_version("tiny", "1").run_id).data.tags
    assert signed[SIGNED_BY] == f"key {fingerprint(public_key(key))}"
    secrets = {**place.passwords, KEY: key.read_text().splitlines()[1]}
    assert min(map(len, secrets.values())) >= 40
    said = {path.name: path.read_bytes() for path in (place.data / "logs").iterdir()}
    said |= {str(path): path.read_bytes() for path in (root / ".diptych").rglob("*.log")}
    said |= {name: ran(place, "pg_dump", name).encode() for name in DATABASES}
    assert b"CREATE TABLE public.flow_run " in said["prefect"]
    assert b"tiny" in said["mlflow"]
    assert runs(root)
    found = {name: [secret for secret, its in secrets.items() if its.encode() in text] for name, text in said.items()}
    assert {name: secrets for name, secrets in found.items() if secrets} == {}


def scraped(url: str, **how: Any) -> dict[str, float]:
    """Return sample with labels -> value, of what answers Prometheus."""
    answer = httpx.get(url, **how)
    assert answer.status_code == 200, (url, answer.text[:200])
    return {
        f"{one.name}{sorted(one.labels.items())}": one.value for family in text_string_to_metric_families(answer.text) for one in family.samples
    }  # fmt: skip


def test_prometheus_is_told_who_is_well_and_who_was_started_again(root, place):
    found = json.loads(command(root, "status", "--json"))["metrics"]
    assert {"supervisor", "s3", "prefect"} <= set(found)
    ours = scraped(found["supervisor"])
    assert {name for name in NAMES if ours[f"diptych_service_up[('service', '{name}')]"] == 1} == {*NAMES}
    assert min(ours[f"diptych_service_starts_total[('service', '{name}')]"] for name in NAMES) >= 2, "each was killed"
    assert min(ours[f"diptych_database_size_bytes[('database', '{name}')]"] for name in DATABASES) > 1_000_000
    assert any(name.startswith("SeaweedFS_") for name in scraped(found["s3"]))
    assert httpx.get(found["prefect"]).status_code == 401
    assert scraped(found["prefect"], auth=(USER, place.passwords["prefect"]))["process_open_fds[]"] > 0
    if "gateway" in found:
        assert any(name.startswith("diptych_") for name in scraped(found["gateway"]))


def test_status_says_what_waits_and_runs_what_the_disk_has_and_which_versions(root, place):
    ours = {
        PREFECT_API_URL: f"{place.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{place.passwords['prefect']}",
    }
    with temporary_settings(ours), get_client(sync_client=True) as prefect:
        deployment = prefect.read_deployment_by_name("stage/gpu")  # whose pool has no worker on this machine
        waits, runs = (
            prefect.create_flow_run_from_deployment(deployment.id, state=state) for state in (Scheduled(), Running())
        )
        later = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))
        of_later = prefect.create_flow_run_from_deployment(deployment.id, state=later)
        try:
            found, lines = json.loads(command(root, "status", "--json")), command(root, "status")
        finally:
            for one in (waits, runs, of_later):
                prefect.delete_flow_run(one.id)
    (gpu,) = [one for one in found["queue"] if one["pool"] == "gpu"]
    assert (gpu["runs"], gpu["waits"], gpu["paused"]) == (1, 1, False)
    assert "queue    gpu      1 runs, 1 waits, the first for 0 min" in lines
    versions = {one["name"]: one["version"] for one in found["servers"]}
    assert versions["prefect"] == versions["worker-cpu"] == importlib.metadata.version("prefect")
    assert versions["mlflow"] == importlib.metadata.version("mlflow")
    assert re.fullmatch(r"\d+\.\d+", versions["postgres"])
    assert re.fullmatch(r"4\.\d+", versions["s3"])
    assert f"PostgreSQL {versions['postgres']}" in lines
    if found["serving"]["state"] == "serving":
        assert f", Triton {found['serving']['triton']}" in lines
    assert found["disk"]["free_bytes"][str(root)] > 2**20
    taken = {one["what"]: one for one in found["disk"]["taken"]}
    assert {"databases", "objects", "logs", "cache", "data"} <= set(taken)
    assert all(one["whole"] for one in taken.values())
    assert taken["databases"]["size_bytes"] > 20 * 2**20
    assert taken["cache"]["size_bytes"] >= 100_000, "the pictures that DVC has"
    assert re.search(r"takes    databases \d+ MB", lines)
    assert found["restoring"] is None


def test_the_doctor_finds_them_well_and_says_who_was_started_again(root, monkeypatch):
    found = {one.about: one for one in examined(root)}
    assert {found[name].state for name in NAMES} == {"doubtful"}, "each was killed once"
    assert re.search(r"started [2-9] times", found["mlflow"].says)
    assert (found["postgresql"].state, found["seaweedfs"].state) == ("well", "well")
    assert found["clock"].state in ("well", "doubtful"), "whether anybody keeps this machine's right"
    ahead = root / "of-tomorrow"
    ahead.touch()
    os.utime(ahead, (time.time() + 86_400,) * 2)
    assert {one.about: one for one in examined(root)}["clock"].state == "wrong"
    ahead.unlink()


def test_the_keeper_of_the_gateway_that_is_killed_has_another_at_its_port(root):
    gateway = ensure_gateway(root)
    gateway.process.send(signal.SIGKILL)
    try:
        until(lambda: (now := read_gateway(root)) is not None and now != gateway, lambda: logs(root))
        again = read_gateway(root)
        assert again is not None
        assert again.address == gateway.address
        assert httpx.get(f"{again.url}healthz", timeout=20).status_code == 200
        log, said = (
            Place.read(root).log("supervisor"),
            f"the gateway's keeper was killed; another answers at {gateway.url}",
        )
        until(lambda: said in log.read_text(), log.read_text)
    finally:
        stop_gateway(root)
        if read_endpoint(root) is not None:
            ensure_gateway(root)  # of this process, and none of the supervisor's, whose end it outlives


def test_what_was_served_when_all_was_stopped_is_served_again_by_up(root, tmp_path):
    if read_endpoint(root) is None:
        deploy(make_package(tmp_path / "package"), root, "tiny@1")
    before = read_endpoint(root)
    assert before is not None
    down(root)
    assert (read_endpoint(root), read_gateway(root)) == (None, None)
    up(root, say=lambda said: None)
    gateway = read_gateway(root)
    assert gateway is not None
    until(lambda: httpx.get(f"{gateway.url}readyz", timeout=30).status_code == 200, lambda: logs(root))
    again = read_endpoint(root)
    assert again is not None
    assert (again.package_digest, again.label) == (before.package_digest, before.label)
    assert again.process != before.process
    for keeper in (gateway.process.pid, again.process.pid):
        assert listens_at(with_children(keeper)) == {"127.0.0.1"}


def test_a_shell_is_told_what_it_needs(root, place):
    command = [sys.executable, "-m", "flows.cli", "env", "--s3"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    said = dict(line.removeprefix("export ").split("=", 1) for line in ran.stdout.splitlines())
    assert said["MLFLOW_TRACKING_URI"] == place.url("mlflow")
    assert said["AWS_SECRET_ACCESS_KEY"] == place.passwords["s3-dvc"]
    command[3:] = ["status", "--json"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert [one["state"] for one in json.loads(ran.stdout)["servers"]] == ["well"] * len(NAMES)


def linked(place: Place) -> set[str]:
    """What links in notices begin with."""
    ours = {
        PREFECT_API_URL: f"{place.url('prefect')}/api",
        PREFECT_API_AUTH_STRING: f"{USER}:{place.passwords['prefect']}",
    }
    with temporary_settings(ours), get_client(sync_client=True) as prefect:
        notices = [prefect.read_automations_by_name(one.name)[0] for one in NOTICES]
    return {re.search(r"(\S+)/runs/flow-run/", one.actions[0].body)[1] for one in notices}


def test_up_takes_an_address_and_no_server_keeps_it_in_what_it_knows_or_says(root, place):
    secret, command = "planted-in-a-path", [sys.executable, "-m", "flows.cli"]
    with web() as page:
        told = {**os.environ, "DIPTYCH_NOTIFY_WEBHOOK": f"http://127.0.0.1:{page.port}/{secret}"}
        del told["PREFECT_UI_URL"]  # which the servers were started with
        assert subprocess.run([*command, "up"], cwd=root, env=told, capture_output=True, check=True)
        assert linked(place) == {PREFECT_PAGE}
        killed(root, "prefect")
        assert linked(place) == {PREFECT_PAGE}, "who sets it up again knows it too"
        ran = subprocess.run(
            [*command, "notify", "--try", "--json"], cwd=root, capture_output=True, text=True, check=True
        )
        assert json.loads(ran.stdout) == {"channels": ["webhook"], "wrong": {}}
        assert [path for _, _, path in page.got] == [f"/{secret}"]
    gone = subprocess.run([*command, "notify", "--try"], cwd=root, capture_output=True, text=True, check=False)
    assert gone.returncode == 1, "nobody listens there any more"
    ran = subprocess.run(
        [*command, "notify", "--remove", "webhook"], cwd=root, capture_output=True, text=True, check=True
    )
    assert "Nobody is told." in ran.stdout
    for process in family(root):
        assert not [name for name in process.environ() if name.startswith("DIPTYCH_NOTIFY_")]
    said = "".join(path.read_text(errors="replace") for path in (place.data / "logs").iterdir())
    assert secret not in said + gone.stdout + gone.stderr


def test_who_names_servers_of_his_own_is_sent_to_no_other(root, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    assert sorted(use(root)) == ["PREFECT_API_AUTH_STRING", "PREFECT_API_URL"]
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(name)


def test_who_is_a_user_of_these_servers_stays_that_user(root, monkeypatch):
    ours = Place.read(root).environment()
    for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, ours[name])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ours["MLFLOW_TRACKING_URI"])
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", JOBS)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "as a worker has it")
    use(root)
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == JOBS
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "as a worker has it"


def command(root: Path, *arguments: str) -> str:
    """Return what `diptych` prints in a workspace."""
    asked = [sys.executable, "-m", "flows.cli", *arguments]
    ran = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def runs(root: Path) -> set[str]:
    """Return the ids of the runs that Prefect knows."""
    place = Place.read(root)
    with closing(psycopg2.connect(**admin(place), dbname="prefect")) as connection, connection.cursor() as its:
        its.execute("select id::text from flow_run where start_time is not null")
        return {one for (one,) in its.fetchall()}


def has_database(place: Place, name: str) -> bool:
    with closing(psycopg2.connect(**admin(place), dbname="postgres")) as connection, connection.cursor() as its:
        return exists(its, name)


def of_the_database(found: dict[str, str], name: str) -> dict[str, str]:
    return {key: digest for key, digest in found.items() if key.startswith(f"databases/{name}/")}


def but_prefect(found: dict[str, str]) -> dict[str, str]:
    """Return digests but those of what Prefect's server goes on writing of itself."""
    return {key: digest for key, digest in found.items() if not key.startswith("databases/prefect/")}


def of_before(found: dict[str, str]) -> dict[str, str]:
    """Return digests but those, too, of the webhooks that the receiver sets up anew when it starts."""
    webhooks = {f"databases/mlflow/public.{table}" for table in ("webhooks", "webhook_events")}
    return {key: digest for key, digest in but_prefect(found).items() if key not in webhooks}


def flipped(file: Path, to: Path) -> Path:
    """Copy an archive, one bit of which is another."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    to.write_bytes(bytes(data))
    return to


def changed(file: Path, to: Path, change: Callable[[dict[str, Any]], None], **parts: bytes) -> Path:
    """Copy an archive which says something else of itself, and has some databases otherwise."""
    with tarfile.open(file) as source, tarfile.open(to, "w") as target:
        for member in source:
            data = source.extractfile(member).read()
            if member.name == ABOUT:
                about = json.loads(data)
                change(about)
                data = json.dumps(about).encode()
            data = parts.get(member.name.removeprefix("databases/").removesuffix(".dump"), data)
            member.size = len(data)
            target.addfile(member, io.BytesIO(data))
    return to


def with_another_row(file: Path, to: Path) -> Path:
    """Copy an archive which says that a table of Prefect's had other rows than its dump has."""
    return changed(file, to, lambda about: about["rows"]["prefect"].update({"public.deployment": "0" * 64}))


def of_another_postgres(file: Path, to: Path) -> Path:
    """Copy an archive whose last database was dumped by a PostgreSQL that the one here does not understand."""
    (*_, name) = DATABASES
    with tarfile.open(file) as source:
        dump = bytearray(source.extractfile(f"databases/{name}.dump").read())
    assert dump[:5] == b"PGDMP"
    dump[5] = 99  # the version of its format
    digest = hashlib.sha256(dump).hexdigest()
    return changed(
        file, to, lambda about: about["sha256"].update({f"databases/{name}.dump": digest}), **{name: bytes(dump)}
    )


def kill_a(what: str, root: Path, file: Path, when: Callable[[], bool], *more: str) -> None:
    """Begin a backup or a restore, and kill it, and whatever it has started, with SIGKILL as soon as that is so."""
    asked = [sys.executable, "-m", "flows.cli", what, str(file), *more]
    its = subprocess.Popen(asked, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: when() or its.poll() is not None, lambda: said_of_restoring(root))
        assert its.poll() is None, its.communicate()
        its.send_signal(signal.SIGSTOP)  # so that it starts nobody whom we do not see
        theirs = psutil.Process(its.pid).children(recursive=True)
    finally:
        its.kill()
        its.communicate()
    for one in theirs:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(theirs, timeout=30)


@pytest.fixture(scope="module")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], set[str]]:
    """A backup of the servers, what they had then, and the runs of flows that Prefect knew."""
    file = tmp_path_factory.mktemp("backup") / "all.tar"
    before, known = digests(root), runs(root)
    counts = backup(root, file)
    assert (counts.databases, counts.objects >= 8, file.stat().st_mode & 0o777) == (len(DATABASES), True, 0o600)
    with pytest.raises(ConfigError, match="registered models already, which a restore could take away"):
        restore(root, file)
    return file, before, known


def test_what_a_backup_that_was_killed_left_goes_with_the_next_though_that_is_another_file(
    root, place, archive, tmp_path
):
    half, folder = tmp_path / "killed.tar.partial", place.data / "backing-up"
    kill_a("backup", root, tmp_path / "killed.tar", lambda: half.exists() and half.stat().st_size > 0)
    assert any(folder.glob("*.dump")), "it has rows, and was killed while it had them"
    assert (half.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    backup(root, tmp_path / "next.tar")
    assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["next.tar"]


@pytest.fixture(scope="class")
def elsewhere(
    root: Path, archive: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path, str]]:
    """Servers of another workspace, with their data in a folder that was named, after the supervisor of the first was killed; what `up` said."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "other").mkdir()
    other, data, theirs = make_place(folder / "other"), folder / "data", dict(os.environ)
    ours = family(root)
    os.kill(seen(root).process.pid, signal.SIGKILL)  # both at once is more than two cores can do in good time
    try:
        _, living = psutil.wait_procs(ours, timeout=60)
        assert not living, "the kernel ends them with it"
        assert read_seen(root) is None
        for name in Place.read(root).environment():
            os.environ.pop(name, None)
        Repo.init(str(other), no_scm=True).close()
        yield other, data, command(other, "up", "--data", str(data), "--without", "workers", "--without", "hooks")
    finally:
        try:
            end(other)
            forget(other)
        finally:
            os.environ.clear()
            os.environ |= {name: value for name, value in theirs.items() if name not in SETTINGS}
            again(root, say=lambda said: None)


class TestInAnotherPlace:
    """Servers that a backup is restored into, while those it is of are down."""

    def test_up_says_where_all_of_it_is_in_the_folder_that_it_was_given(self, root, place, elsewhere, archive):
        other, data, said = elsewhere
        assert Place.read(other).data == data
        assert {"passwords.json", "s3", "logs", "prefect"} <= {path.name for path in data.iterdir()}
        assert cluster_of(Place.read(other)).is_dir()
        assert not (other / ".diptych/stack/data").exists(), "nothing lies where it lies unless told"
        for one in seen(other).services:
            (line,) = [line for line in said.splitlines() if line.startswith(f"{one.name} ")]
            assert " well " in line
            assert f" {one.address} " in line
            assert line.endswith(f"{one.what} {one.version}")
        assert httpx.get(re.search(r"http\S+", said)[0]).status_code in (200, 401, 403)
        (where,) = re.findall(r"a name and a password: diptych, and what (\S+) says", said)
        assert Path(where).stat().st_mode & 0o777 == 0o600
        assert json.loads(Path(where).read_text())["mlflow"] != place.passwords["mlflow"]
        (metrics,) = re.findall(r"(http\S+) \(supervisor\)", said)
        assert 'diptych_service_up{service="mlflow"} 1.0' in httpx.get(metrics).text

    def test_a_restore_changes_nothing_for_an_archive_that_is_not_what_it_says(self, elsewhere, archive, tmp_path):
        (other, data, _), (file, _, _) = elsewhere, archive
        before = but_prefect(digests(other))
        with pytest.raises(DataError):
            restore(other, flipped(file, tmp_path / "flipped.tar"))
        with pytest.raises(
            DataError,
            match=r"prefect does not come back as it was: public\.deployment and 0 more tables have other rows",
        ):
            restore(other, with_another_row(file, tmp_path / "changed.tar"))
        with pytest.raises(DiptychError, match=r"pg_restore of \w+ failed: .*unsupported version"):
            restore(other, of_another_postgres(file, tmp_path / "newer.tar"))
        assert read_restoring(data) is None
        assert but_prefect(digests(other)) == before

    def test_what_one_that_was_killed_had_put_goes_with_the_next_that_is_refused(self, elsewhere, archive, tmp_path):
        """Refused since its archive is not what it says, or since somebody has begun to use the servers: what is his stays."""
        (other, data, _), (file, _, _) = elsewhere, archive
        place, before = Place.read(other), but_prefect(digests(other))
        kill_a("restore", other, file, lambda: has_database(place, "prefect_restored"))
        left, s3 = read_restoring(data), client(place, "dvc")
        key = next(name.removeprefix("dvc/") for name in left.objects if name.startswith("dvc/"))
        s3.put_object(Bucket="dvc", Key=key, Body=b"of the one that was killed")
        with pytest.raises(DataError, match="does not come back as it was"):
            restore(other, with_another_row(file, tmp_path / "changed.tar"))
        assert read_restoring(data) is None
        assert but_prefect(digests(other)) == before
        assert not has_database(place, "prefect_restored")

        write_restoring(data, left)
        s3.put_object(Bucket="dvc", Key=key, Body=b"of the one that was killed")
        s3.put_object(Bucket="dvc", Key="mine", Body=b"of somebody")
        with pytest.raises(
            ConfigError, match="have 1 objects in the bucket dvc already, which a restore could take away"
        ):
            restore(other, file)
        assert read_restoring(data) is None
        assert [*keys(place, "dvc")] == ["mine"]
        s3.delete_object(Bucket="dvc", Key="mine")
        assert but_prefect(digests(other)) == before

    def test_a_restore_that_is_killed_is_in_use_nowhere_and_done_again_by_one_command(
        self, elsewhere, archive, tmp_path
    ):
        """Killed while it fills databases, and again when all is filled and the servers that shall take it start."""
        (other, data, _), (file, was, known) = elsewhere, archive
        place, before = Place.read(other), digests(other)
        kill_a("restore", other, file, lambda: has_database(place, "mlflow_restored"))
        said = said_of_restoring(other)
        assert said.startswith(f"a restore of {file}, begun at ")
        assert said.endswith(f"nothing of it is in use. Do it again: diptych restore {file}")
        assert [one.says for one in examined(other) if one.about == "restore"] == [said]
        assert f"restore  {said}" in command(other, "status")
        with pytest.raises(ConfigError, match="a backup would have half of it"):
            backup(other, tmp_path / "half.tar")
        now = digests(other)
        for name in ("mlflow", "mlflow_users"):
            assert of_the_database(now, name) == of_the_database(before, name)
        assert runs(other) == set()

        kill_a("restore", other, file, lambda: (its := read_restoring(data)) is not None and its.filled)
        assert read_seen(other) is None
        assert said_of_restoring(other).endswith("takes its place at the next start: diptych up")
        up(other, without=["workers", "hooks"], say=lambda said: None)
        assert said_of_restoring(other) == ""
        assert not has_database(place, "mlflow_restored")

        after = digests(other)
        assert but_prefect(after) == but_prefect(was)
        assert of_the_database(after, "mlflow")["databases/mlflow/public.model_versions"]
        assert known
        assert known <= runs(other)
        use(other)
        assert open_store(other).client.get_registered_model("tiny").aliases == {"champion": "1"}
        with pytest.raises(ConfigError, match="which a restore could take away"):
            restore(other, file)
        assert said_of_restoring(other) == "", "one that is refused leaves nothing to do"

    def test_one_that_nobody_disturbs_ends_with_all_of_it_in_use(self, elsewhere, archive):
        """Into data that begin anew: by now the first have what was restored."""
        (other, _, _), (file, was, known) = elsewhere, archive
        end(other)
        forget(other)
        shutil.rmtree(other / ".dvc/cache", ignore_errors=True)
        damaged = cache_of(other) / next(name for name in was if name.startswith("cache/")).removeprefix("cache/")
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(b"rotten")
        for name in Place.read(other).environment():
            os.environ.pop(name, None)
        command(other, "up", "--data", str(other.parent / "newer"), "--without", "workers", "--without", "hooks")
        assert runs(other) == set()
        said = command(other, "restore", str(file))
        assert f"Restored from {file}: {len(DATABASES)} databases, " in said
        assert said.endswith(
            "The servers run without hooks, workers, as before. To have those too: diptych down, then diptych up\n"
        )
        assert {one.state for one in seen(other).services} == {"well"}
        assert said_of_restoring(other) == ""
        assert not has_database(Place.read(other), "mlflow_restored")
        assert but_prefect(digests(other)) == but_prefect(was)
        assert known <= runs(other)
        use(other)
        assert open_store(other).client.get_registered_model("tiny").aliases == {"champion": "1"}

    def test_one_command_starts_servers_for_it_and_none_run_where_it_fails_or_is_interrupted(
        self, elsewhere, archive, tmp_path, monkeypatch
    ):
        """Into data that begin anew: by now the first have what was restored."""
        (other, _, _), (file, was, known) = elsewhere, archive
        (other / "flows").symlink_to(REPOSITORY / "flows")
        (other / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
        before = seen(other)
        for data in (None, before.data, tmp_path / "new"):
            with pytest.raises(ConfigError, match=r"diptych down; diptych restore \S+ --data DIR"):
                restore_into(other, file, data, say=lambda said: None)
        assert seen(other).process == before.process
        end(other)
        with pytest.raises(DataError, match="is not what was written"):
            restore_into(other, flipped(file, tmp_path / "flipped.tar"), tmp_path / "new", say=lambda said: None)
        assert not (tmp_path / "new").exists(), "nobody was started for it"

        def none_run() -> bool:
            return (read_seen(other), again(other), Place.read(other).data) == (None, None, before.data)

        with pytest.raises(DataError, match="does not come back as it was"):
            restore_into(
                other, with_another_row(file, tmp_path / "changed.tar"), tmp_path / "new", say=lambda said: None
            )
        assert none_run()

        def interrupted(*_: object) -> None:
            assert seen(other).data == tmp_path / "new"
            assert {*seen(other).without} == {"workers", "hooks", "triton"}
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("flows.stack.restore._filled", interrupted)
            with pytest.raises(KeyboardInterrupt):
                restore_into(other, file, tmp_path / "new", say=lambda said: None)
        assert none_run()

        for name in Place.read(other).environment():
            os.environ.pop(name, None)

        def is_filled() -> bool:
            its = read_seen(other)
            if its is None or its.data != tmp_path / "new" or {one.state for one in its.services} != {"well"}:
                return False
            return has_database(Place.read(other), "mlflow_restored")

        kill_a("restore", other, file, is_filled, "--data", str(tmp_path / "new"))
        assert read_seen(other) is None, "as a power cut ends it, servers and all"
        began = again(other, say=lambda said: None)  # as a crontab asks
        assert began is not None
        assert (began.data, {*began.without}) == (tmp_path / "new", {"workers", "hooks", "triton"})
        for name in Place.read(other).environment():
            os.environ.pop(name, None)
        said = command(other, "restore", str(file), "--data", str(tmp_path / "new"))
        assert f"Restored from {file}: {len(DATABASES)} databases, " in said
        now = seen(other)
        assert (now.data, now.without) == (tmp_path / "new", ())
        assert {one.name: one.state for one in now.services} == dict.fromkeys(NAMES, "well")
        assert of_before(digests(other)) == of_before(was)
        assert known <= runs(other)
        end(other)
        forget(other, before.data)


def test_after_the_supervisor_was_killed_with_all_of_them_up_has_what_they_had(root, archive):
    assert {one.state for one in seen(root).services} == {"well"}, (
        "the fixture `elsewhere` killed it, and started them again"
    )
    assert {one.starts for one in seen(root).services} == {1}
    assert seen(root).settings == {name: os.environ[name] for name in (KEY, MLFLOW_PAGE, "PREFECT_UI_URL")}, (
        "as the first shell had them, though the crontab's had none"
    )
    _, before, known = archive
    assert known <= runs(root)
    after, kept = digests(root), of_before(before)
    assert {name: after.get(name) for name in kept} == kept
    log = (Place.read(root).data / "logs/postgres.log").read_text(errors="replace")
    assert re.search("database system was (interrupted|shut down)", log)


def test_down_ends_all_and_up_finds_what_they_kept(root):
    ours = family(root)
    ports = Place.read(root).ports
    assert end(root)
    psutil.wait_procs(ours, timeout=30)
    assert not [process for process in ours if process.is_running()]
    assert read_seen(root) is None
    assert not end(root)
    assert again(root) is None, "who ended them wants them so"
    assert {one.about: one for one in examined(root)}["ports"].state == "well"
    up(root, say=lambda said: None)
    assert Place.read(root).ports == ports
    assert open_store(root).client.get_registered_model("tiny").aliases == {"champion": "1"}


def test_what_cannot_be_left_out_is_said(tmp_path):
    with pytest.raises(ConfigError, match="only workers, hooks, triton can be left out"):
        up(make_place(tmp_path), without=["postgres"])
