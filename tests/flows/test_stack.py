"""`diptych up` for real: PostgreSQL, S3, Prefect, MLflow, a worker and the receiver, kept alive, closed to others, and ended with their data kept."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from botocore.exceptions import ClientError
from dvc.repo import Repo
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from components.contracts.errors import CapabilityError, ConfigError, DataError, StaleArtifact
from components.registry.store import open_store
from components.serving.endpoint import read_endpoint
from flows.faults import told
from flows.serving.down import down
from flows.stack.backup import backup, digests, restore
from flows.stack.claims import Claims
from flows.stack.doctor import examined
from flows.stack.objects import client
from flows.stack.place import USER, Place, is_made
from flows.stack.postgres import AS_ROOT, DATABASES, cluster_of, find_binaries, postgres
from flows.stack.seen import Seen, read_seen, use
from flows.stack.up import end, up
from tests.flows.rolled import REPOSITORY, ask, make_place, make_version, rules
from tests.receivers import web

pytestmark = pytest.mark.timeout(1200)
NAMES = ("postgres", "s3", "prefect", "mlflow", "worker-cpu", "hooks")
WITHIN_S = 240.0


def forget(root: Path) -> None:
    """Take away what lies outside of the workspace where root runs PostgreSQL."""
    if is_made(root) and (folder := cluster_of(Place.read(root)).parent).parent == AS_ROOT:
        shutil.rmtree(folder)


def until(condition: Callable[[], object], seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, seen()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace whose servers run."""
    try:
        find_binaries()
    except CapabilityError as err:
        if "CI" in os.environ:
            raise
        pytest.skip(str(err))
    root = make_place(tmp_path_factory.mktemp("stack"))
    rules(root, canary=[])
    (root / "data").mkdir()
    (root / "data/untrained.txt").touch()
    (root / "flows").symlink_to(REPOSITORY / "flows")
    (root / "prefect.yaml").write_text((REPOSITORY / "prefect.yaml").read_text())
    subprocess.run(["git", "init", "-q", root], check=True)
    Repo.init(str(root)).close()
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_URI", "PREFECT_HOME")
    with pytest.MonkeyPatch.context() as patch:
        for name in (*names, "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", str(REPOSITORY))
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
    keeper = psutil.Process(seen(root).process.pid)
    return [keeper, *keeper.children(recursive=True)]


def test_all_are_well_and_a_second_call_only_looks(root):
    before = seen(root)
    assert [(one.name, one.state) for one in before.services] == [(name, "well") for name in NAMES]
    again = up(root, say=lambda said: None)
    assert [one.pid for one in again.services] == [one.pid for one in before.services]
    assert again.process == before.process


def test_nothing_listens_beyond_this_machine(root):
    listening = {
        connection.laddr.ip
        for process in family(root)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_whoever_has_no_password_gets_nothing(place):
    assert httpx.post(f"{place.url('prefect')}/api/flows/filter", json={}).status_code == 401
    assert httpx.post(f"{place.url('mlflow')}/api/2.0/mlflow/experiments/search", json={}).status_code == 401
    assert httpx.get(f"{place.url('s3')}/dvc").status_code == 403
    client(place, "dvc").put_object(Bucket="dvc", Key="seen", Body=b"by nobody else")
    assert httpx.get(f"{place.url('s3-filer')}/buckets/dvc/seen").status_code == 401
    assert httpx.put(f"{place.url('s3-filer')}/buckets/dvc/other", content=b"x").status_code == 401
    with pytest.raises(ClientError, match="AccessDenied"):
        client(place, "mlflow").put_object(Bucket="dvc", Key="x", Body=b"x")
    client(place, "dvc").put_object(Bucket="dvc", Key="x", Body=b"x")


def test_a_server_knows_no_password_that_is_not_its_own(root, place):
    for one in seen(root).services:
        variables = psutil.Process(one.pid).environ()
        if one.name in ("postgres", "s3"):
            assert not {"PREFECT_API_AUTH_STRING", "MLFLOW_TRACKING_PASSWORD"} & set(variables), one.name
        elif one.name in ("hooks", "worker-cpu"):
            assert variables["MLFLOW_TRACKING_PASSWORD"] == place.passwords["mlflow"]
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


def test_passwords_are_for_their_owner_and_in_no_log(root, place):
    assert place.keys.stat().st_mode & 0o777 == 0o600
    for path in (place.data / "mlflow-users.ini", place.data / "s3/users.json", root / ".dvc/config.local"):
        assert path.stat().st_mode & 0o077 == 0, path
    said = "".join(path.read_text(errors="replace") for path in (place.data / "logs").iterdir())
    assert not [name for name, password in place.passwords.items() if password in said]


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
    assert f"[tiny in the registry]({Place.read(root).url('mlflow')}/#/models/tiny" in page


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


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_killed_comes_back_and_has_what_it_had(root, name):
    (before,) = [one for one in seen(root).services if one.name == name]
    os.kill(before.pid, signal.SIGKILL)

    def back() -> bool:
        (now,) = [one for one in seen(root).services if one.name == name]
        return now.state == "well" and now.pid not in (None, before.pid)

    until(back, lambda: (seen(root).as_json(), logs(root)))
    until(lambda: all(one.state == "well" for one in seen(root).services), lambda: seen(root).as_json())
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


def test_the_doctor_finds_them_well_and_says_who_was_started_again(root, monkeypatch):
    found = {one.about: one for one in examined(root)}
    assert {found[name].state for name in NAMES} == {"doubtful"}, "each was killed once"
    assert re.search(r"started [2-9] times", found["mlflow"].says)
    assert (found["postgresql"].state, found["seaweedfs"].state, found["clock"].state) == ("well", "well", "well")
    ahead = root / "of-tomorrow"
    ahead.touch()
    os.utime(ahead, (time.time() + 86_400,) * 2)
    assert {one.about: one for one in examined(root)}["clock"].state == "wrong"
    ahead.unlink()


def test_a_shell_is_told_what_it_needs(root, place):
    command = [sys.executable, "-m", "flows.cli", "env", "--s3"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    said = dict(line.removeprefix("export ").split("=", 1) for line in ran.stdout.splitlines())
    assert said["MLFLOW_TRACKING_URI"] == place.url("mlflow")
    assert said["AWS_SECRET_ACCESS_KEY"] == place.passwords["s3-dvc"]
    command[3:] = ["status", "--json"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert [one["state"] for one in json.loads(ran.stdout)["servers"]] == ["well"] * len(NAMES)


def test_up_takes_an_address_and_no_server_keeps_it_in_what_it_knows_or_says(root, place):
    secret, command = "planted-in-a-path", [sys.executable, "-m", "flows.cli"]
    with web() as page:
        told = {**os.environ, "DIPTYCH_NOTIFY_WEBHOOK": f"http://127.0.0.1:{page.port}/{secret}"}
        assert subprocess.run([*command, "up"], cwd=root, env=told, capture_output=True, check=True)
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


def test_a_backup_is_restored_to_the_same_rows_objects_and_files(root, place, tmp_path):
    """Restored into servers of another workspace, and held against where it came from by digests."""
    before, file = digests(root), tmp_path / "all.tar"
    counts = backup(root, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert counts.databases == len(DATABASES)
    assert counts.objects >= 8
    with pytest.raises(ConfigError, match="registered models already, which a restore could take away"):
        restore(root, file)
    flipped = bytearray(file.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (tmp_path / "flipped.tar").write_bytes(bytes(flipped))
    with pytest.raises(DataError):
        restore(root, tmp_path / "flipped.tar")
    theirs = dict(os.environ)
    (tmp_path / "other").mkdir()
    other = make_place(tmp_path / "other")
    end(root)  # both at once is more than two cores can do in good time
    try:
        for name in place.environment():
            os.environ.pop(name, None)
        Repo.init(str(other), no_scm=True).close()
        up(other, without=["workers", "hooks"], say=lambda said: None)
        restore(other, file)
        after = digests(other)
        # Prefect goes on writing of itself; what MLflow, its users, buckets and DVC have is equal to the byte
        assert {name: digest for name, digest in after.items() if name != "databases/prefect"} == {
            name: digest for name, digest in before.items() if name != "databases/prefect"
        }
        use(other)
        assert open_store(other).client.get_registered_model("tiny").aliases == {"champion": "1"}
    finally:
        end(other)
        forget(other)
        os.environ.clear()
        os.environ |= theirs
        up(root, say=lambda said: None)


def test_down_ends_all_and_up_finds_what_they_kept(root):
    ours = family(root)
    ports = Place.read(root).ports
    assert end(root)
    psutil.wait_procs(ours, timeout=30)
    assert not [process for process in ours if process.is_running()]
    assert read_seen(root) is None
    assert not end(root)
    assert {one.about: one for one in examined(root)}["ports"].state == "well"
    up(root, say=lambda said: None)
    assert Place.read(root).ports == ports
    assert open_store(root).client.get_registered_model("tiny").aliases == {"champion": "1"}


def chosen(root: Path) -> Place:
    with closing(Claims()) as claims:
        return Place.of(root, None, claims)


def test_a_disk_that_is_not_there_is_no_empty_one(tmp_path):
    root = make_place(tmp_path)
    place = chosen(root)
    assert chosen(root) == place
    place.keys.rename(tmp_path / "aside")
    with pytest.raises(StaleArtifact, match="mount it"):
        chosen(root)
    (tmp_path / "aside").rename(place.keys)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", place.ports["hooks"]))
        other.listen()
        assert chosen(root).ports["hooks"] != place.ports["hooks"]
    assert len(set(place.ports.values())) == len(place.ports)


def test_two_that_start_at_the_same_moment_have_no_port_in_common(tmp_path):
    one, another = tmp_path / "one", tmp_path / "another"
    for root in (one, another):
        root.mkdir()
        make_place(root)
    with closing(Claims()) as claims:
        ours = Place.of(one, None, claims)
        assert not {*ours.ports.values()} & {*chosen(another).ports.values()}, "though nobody listens on any yet"
        assert not any(claims.take(port) for port in ours.ports.values()), "they are ours already"
    assert chosen(one).ports == ours.ports, "what is given back can be had"


def test_a_claim_is_gone_with_whoever_has_it():
    with closing(Claims()) as claims:
        port = claims.first(60_000)  # where no servers are put, and few connections go out
        try_it = f"from flows.stack.claims import Claims; print(Claims().take({port}))"
        asked = [sys.executable, "-c", try_it]
        assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "False\n"
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout == "True\n"
    with closing(Claims()) as claims:
        assert claims.take(port), "it ended without giving it back"


def test_a_damaged_cluster_is_not_replaced_by_an_empty_one(tmp_path):
    root = make_place(tmp_path)
    place = chosen(root)
    cluster = cluster_of(place)
    (cluster / "base").mkdir(parents=True)
    try:
        with pytest.raises(StaleArtifact, match="has no PG_VERSION"):
            postgres(place)
    finally:
        shutil.rmtree(cluster.parent)


def test_what_cannot_be_left_out_is_said(tmp_path):
    with pytest.raises(ConfigError, match="only workers, hooks, triton can be left out"):
        up(make_place(tmp_path), without=["postgres"])
