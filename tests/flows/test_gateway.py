"""The gateway as a process that outlives whoever started it: found again, kept alive, mended, and gone without a trace."""

import argparse
import json
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from components.contracts.errors import ConfigError
from components.monitoring.deaths import Death, deaths
from components.serving.endpoint import read_endpoint
from components.serving.gateway.settings import APART, Settings
from components.serving.keeper import Keeper
from components.serving.process import running
from components.serving.record import gateway_log, read_gateway, settings_file
from components.serving.routes import read_routes
from components.serving.sweep import STUB
from components.serving.triton import fault_of
from flows.loopback import free_port
from flows.monitored import counts
from flows.serving.asked import serve_as
from flows.serving.deploy import deploy, deploy_beside, end_beside
from flows.serving.down import down
from flows.serving.gateway import ensure_gateway, stop_gateway
from flows.stack.gateway_kept import keep_gateway
from tests.components.serving.tiny_package import make_package

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("kept")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    try:
        deploy(make_package(root / "package"), root, "tiny@1")
        yield root
    finally:
        down(root)


def workers(root: Path) -> list[psutil.Process]:
    gateway = read_gateway(root)
    return [] if gateway is None else psutil.Process(gateway.process.pid).children()


def until(what: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)


def ready(root: Path) -> bool:
    gateway = read_gateway(root)
    try:
        return gateway is not None and httpx.get(f"{gateway.url}readyz", timeout=20).status_code == 200
    except httpx.HTTPError:
        return False


def died(root: Path) -> list[Death]:
    """Return who died, as a monitor reads the keeper's log."""
    return deaths(root, None, datetime.min.replace(tzinfo=UTC))[0]


def asked(**said: object) -> argparse.Namespace:
    plain = dict.fromkeys(
        ("port", "workers", "in_process", "hosts", "log_share", "log_days", "log_mb", "traces", "beside")
    )
    return argparse.Namespace(**{**plain, "share": 0.0, "shadow": False, "alone": False, **said})


def test_it_is_started_once_and_answers(root):
    first = ensure_gateway(root)
    assert httpx.get(f"{first.url}readyz").json() == {"status": "ready", "model": "tiny@1"}
    assert ensure_gateway(root) == first
    assert len(workers(root)) == 1
    answer = httpx.post(f"{first.url}v1/search", json={"query": "a blue square", "top_k": 1}).json()
    assert answer["hits"][0]["key"] == "key-blue"


def test_other_settings_start_it_anew_at_the_same_address_and_stay(root):
    first = ensure_gateway(root)
    first_began = counts(root).began
    said = serve_as(root, root, asked(workers=2, log_share=0.5))
    second = read_gateway(root)
    assert (second.address, second.process != first.process, len(workers(root))) == (first.address, True, 2)
    assert second.url in said
    assert "tiny@1 is the champion" in said
    until(lambda: len([one for one in workers(root) if one.is_running()]) == 2)
    for _ in range(8):
        assert httpx.post(f"{second.url}v1/embeddings", json={"input": "red"}).status_code == 200
    counted = [
        line
        for line in httpx.get(f"{second.url}metrics").text.splitlines()
        if line.startswith('diptych_requests_total{route="/v1/embeddings"')
    ]
    assert sum(float(line.split()[-1]) for line in counted) == 8  # of both workers together
    began = counts(root).began
    killed = workers(root)[0]
    killed.kill()
    until(lambda: killed not in (now := workers(root)) and len(now) == 2)
    assert (first_began < began, counts(root).began) == (True, began)
    assert ensure_gateway(root) == second
    serve_as(root, root, asked(workers=1, log_share=0.0))


def made_by(root: Path) -> str:
    """Return who makes the vectors of the champion, once it has answered; "" where nobody does."""
    gateway = read_gateway(root)
    try:
        found = httpx.post(f"{gateway.url}v1/search", json={"query": "a blue square"}, timeout=30).json()["hits"]
        assert found[0]["key"] == "key-blue"
        lines = httpx.get(f"{gateway.url}v1/models").json()["data"]
        counted = "\ndiptych_in_process 0.0" not in httpx.get(f"{gateway.url}metrics").text
    except (AttributeError, KeyError, httpx.HTTPError):
        return ""
    made = str(lines[0]["vectors"])
    return made if counted == (made == "worker") else ""  # they were opened in between


def test_its_workers_run_encoders_themselves_unless_they_are_told_not_to_from_then_on(root):
    ensure_gateway(root, Settings(root=root))
    assert "Its workers run encoders themselves" in serve_as(root, root, asked(log_share=0.5))
    until(lambda: made_by(root) == "worker")
    try:
        assert "themselves" not in serve_as(root, root, asked(in_process=False))
        assert "themselves" not in serve_as(root, root, asked(log_share=0.25))
        assert not Settings.read(settings_file(root)).in_process
        assert made_by(root) == "server"
    finally:
        said = serve_as(root, root, asked(in_process=True, log_share=0.0))
    assert "themselves" in said
    until(lambda: made_by(root) == "worker")


@pytest.mark.parametrize("ends", [signal.SIGSEGV, signal.SIGKILL])
def test_whoever_comes_after_a_worker_that_broke_leaves_pictures_to_the_server_until_the_gateway_is_started_anew(
    root, ends
):
    """What broke it may be sent again; a kill says nothing of what it was sent."""
    stop_gateway(root)
    gateway = ensure_gateway(root, Settings(root=root))
    until(lambda: made_by(root) == "worker")
    before = len(gateway_log(root).read_bytes())
    (first,) = workers(root)
    first.send_signal(ends)
    until(lambda: made_by(root) and workers(root) != [first])
    (second,) = workers(root)
    assert (APART in second.environ()) == (ends == signal.SIGSEGV)
    if ends == signal.SIGSEGV:
        for _ in range(2):
            second.kill()
            until(lambda: made_by(root) and workers(root) not in ([], [second]))  # noqa: B023
            (second,) = workers(root)
            assert APART in second.environ(), "as long as its keeper lives"
        assert made_by(root) == "server"
        assert "A worker broke" in serve_as(root, root, asked())
        assert read_gateway(root).process == gateway.process
        assert "A worker broke" not in serve_as(root, root, asked(in_process=True))
        assert read_gateway(root).process != gateway.process
    until(lambda: made_by(root) == "worker")
    log = gateway_log(root).read_bytes()[before:].decode()
    assert log.count("leaves pictures and encoders to Triton") == (ends == signal.SIGSEGV)
    assert log.count("made in this process") == 1, "by the last one alone"


def test_a_worker_has_no_password_of_whoever_started_it(root, monkeypatch):
    secrets = ("AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_KEY", "DIPTYCH_SIGNING_KEY", "A_TOKEN")
    for name in secrets:
        monkeypatch.setenv(name, "planted")
    stop_gateway(root)
    ensure_gateway(root)
    (worker,) = workers(root)
    assert {"PATH", "HOME", "DIPTYCH_GATEWAY", "OMP_NUM_THREADS"} <= set(worker.environ())
    for one in (worker, worker.parent()):
        assert "planted" not in one.environ().values()
    until(lambda: made_by(root) == "worker")


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"log_share": 2.0},
        {"log_days": 0.0},
        {"log_days": 1e6},
        {"log_days": float("inf")},
        {"traces": "no/such/folder/spans.jsonl"},
        {"log_mb": -1.0},
        {"share": 0.5},
        {"shadow": True},
        {"beside": "x", "share": 1.5},
    ],
)
def test_numbers_that_make_no_sense_change_nothing(root, wrong):
    before = ensure_gateway(root)
    with pytest.raises(ConfigError):
        serve_as(root, root, asked(**wrong))
    assert read_gateway(root) == before


def test_a_port_that_is_taken_is_named(root):
    before = ensure_gateway(root)
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        with pytest.raises(ConfigError, match="is in use by another program"):
            ensure_gateway(root, port=other.getsockname()[1])
        with pytest.raises(ConfigError, match="is none"):
            ensure_gateway(root, port=99_999)
    assert read_gateway(root) == before  # it goes on as it was


def test_a_worker_that_is_killed_is_started_again(root):
    ensure_gateway(root)
    (worker,) = workers(root)
    worker.kill()
    until(lambda: ready(root) and workers(root) and workers(root)[0].pid != worker.pid)
    assert died(root)[-1].of == "worker"


def test_a_worker_that_hangs_is_replaced_and_one_that_is_busy_is_not(root):
    """Stopped, a worker is there and answers nothing; 31 MB of JSON hold one for a second or so."""
    gateway = ensure_gateway(root, replace(Settings(root=root.resolve()), hang_s=4.0))
    until(lambda: ready(root))
    (worker,) = workers(root)
    body = json.dumps({"input": "red", "model": "x" * 31_000_000}).encode()
    for _ in range(4):
        busy = httpx.post(
            f"{gateway.url}v1/embeddings", content=body, headers={"content-type": "application/json"}, timeout=60
        )
        assert 400 <= busy.status_code < 500
    assert [one.pid for one in workers(root)] == [worker.pid]
    worker.suspend()
    until(lambda: workers(root) and workers(root)[0].pid != worker.pid and ready(root))
    assert f"(process {worker.pid}) has answered nothing for 4 s" in gateway_log(root).read_text()
    assert (died(root)[-1].of, "code -9" in died(root)[-1].says) == ("worker", True)
    ensure_gateway(root, Settings(root=root.resolve()))


@pytest.mark.parametrize("broken", ["server", "stub"])
def test_a_server_that_is_dead_or_only_says_that_it_lives_is_mended(root, broken):
    ensure_gateway(root)
    before = read_endpoint(root)
    if broken == "server":
        before.process.send(9)
    else:
        (stub,) = running(STUB, f"{before.repository}/image_preprocess/")
        stub.send(9)
    until(lambda: read_endpoint(root) != before, 120)
    until(lambda: ready(root))
    after = read_endpoint(root)
    assert (after.package_digest, after.label) == (before.package_digest, before.label)
    until(lambda: not before.process.is_alive() and not before.repository.exists())
    assert "answers again" in gateway_log(root).read_text()
    assert died(root)[-1].of == "server"


def test_a_version_beside_that_dies_gets_no_requests_any_more(root):
    ensure_gateway(root)
    main = read_endpoint(root)
    beside = deploy_beside(make_package(root / "second", seed=1), root, "tiny@2", share=0.5)
    beside.process.send(9)
    assert beside.process.wait(10)
    until(lambda: read_routes(root).beside == ())
    assert died(root)[-1].of == "beside"
    assert read_endpoint(root) == main
    until(lambda: not beside.repository.exists())


def test_a_version_beside_that_only_says_that_it_lives_is_mended_and_keeps_its_share(root):
    ensure_gateway(root)
    main = read_endpoint(root)
    broken = deploy_beside(make_package(root / "third", seed=1), root, "tiny@2", share=0.25)
    (stub,) = running(STUB, f"{broken.repository}/image_preprocess/")
    stub.send(9)
    until(lambda: read_routes(root).beside[0].endpoint != broken, 120)
    (beside,) = read_routes(root).beside
    assert (beside.endpoint.label, beside.endpoint.package_digest) == ("tiny@2", broken.package_digest)
    assert (beside.share, beside.shadow, beside.until) == (0.25, False, None)
    assert fault_of(beside.endpoint) is None
    assert read_endpoint(root) == main
    until(lambda: not broken.process.is_alive() and not broken.repository.exists())
    assert end_beside(root) == 1


def test_a_canary_whose_server_is_broken_is_left_to_whoever_watches_it(root):
    """The keeper's own look, in this process: nothing is started, and the record stays as it is."""
    stop_gateway(root)
    broken = deploy_beside(make_package(root / "fourth", seed=1), root, "tiny@2", until=time.time() + 600)
    (stub,) = running(STUB, f"{broken.repository}/image_preprocess/")
    stub.send(9)
    before = read_routes(root)
    with socket.socket() as unused:
        Keeper(root, Settings(root=root), unused)._probe()
    assert read_routes(root) == before
    assert fault_of(broken) is not None
    broken.process.send(9)  # told to end it would take all of its time
    assert end_beside(root) == 1


def test_a_keeper_that_is_killed_takes_its_workers_with_it_and_another_serves(root):
    first = ensure_gateway(root)
    left = workers(root)
    first.process.send(9)
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in left))
    assert read_gateway(root) is None
    assert ensure_gateway(root).address == first.address
    assert ready(root)


def test_beside_the_servers_a_keeper_that_is_killed_has_another_at_its_port_and_one_that_is_stopped_has_none(root):
    first, stopping, said = ensure_gateway(root), threading.Event(), list[str]()
    keeping = threading.Thread(target=keep_gateway, args=(root, stopping, said.append, 0.05))
    keeping.start()
    try:
        first.process.send(9)
        until(lambda: (now := read_gateway(root)) is not None and now.process != first.process)
        assert read_gateway(root).address == first.address
        until(lambda: said == [f"the gateway's keeper was killed; another answers at {first.url}"])
        assert ready(root)
        again = read_gateway(root)
        assert stop_gateway(root)
        time.sleep(0.5)  # ten looks
        assert read_gateway(root) is None
        assert not psutil.pid_exists(again.process.pid), "it is no zombie of who started it"
    finally:
        stopping.set()
        keeping.join()
    assert len(said) == 1


def test_a_gateway_that_is_told_to_end_answers_what_it_has_begun(root):
    gateway = ensure_gateway(root)
    host, _, port = gateway.address.partition(":")
    body = b'{"input": "a red square"}'
    with socket.create_connection((host, int(port)), timeout=60) as begun:
        begun.sendall(
            b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        assert begun.recv(4096).startswith(b"HTTP/1.1 100 "), "the route waits for the body"
        gateway.process.send(signal.SIGTERM)
        until(lambda: not takes(gateway.url), 9.0)  # a body is waited for 10 s
        begun.sendall(body)
        answer = b""
        while part := begun.recv(1 << 16):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["model"] == "tiny@1"
    assert gateway.process.wait(30)


def takes(url: str) -> bool:
    """Return whether who asks anew may be answered: not where no connection is made, or 503 is said; one that comes late is no refusal."""
    try:
        return httpx.get(f"{url}healthz", timeout=1).status_code != 503
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        return True


def test_nothing_of_it_is_left(root):
    ensure_gateway(root)
    processes = [psutil.Process(read_gateway(root).process.pid), *workers(root)]
    assert stop_gateway(root)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in processes)
    assert not stop_gateway(root)
    assert read_gateway(root) is None
    assert json.loads((root / ".diptych/served/gateway-settings.json").read_text())["workers"] == 1
    assert Settings.read(root / ".diptych/served/gateway-settings.json").root == root.resolve()
