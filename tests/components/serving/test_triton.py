"""A real server from its start to its end: hardened, noticed when it dies, gone without a trace."""

import io
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from components.contracts.errors import Busy
from components.serving import triton
from components.serving.command import DRAIN_S, HOST, free_ports
from components.serving.endpoint import Endpoint, read_endpoint, served_folder
from components.serving.errors import ServerFailed
from components.serving.lock import serving_lock
from components.serving.package import Package
from components.serving.process import running
from components.serving.sweep import STUB
from components.serving.triton_client import MAX_BATCH, TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from tests.components.serving.conftest import REPOSITORY
from tests.components.serving.tiny_package import WIDTH, make_package, write_manifest
from tests.components.serving.traces import DEADLINE_S, traces


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Path]:
    """A workspace for one test, with nothing left of it at last."""
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    yield tmp_path
    down(tmp_path)
    assert traces(tmp_path) == []


def test_real_server_hears_this_machine_only(endpoint: Endpoint, workspace: Path) -> None:
    server = psutil.Process(endpoint.process.pid)
    wheel = (workspace / ".venv-serving").resolve()
    assert Path(server.exe()).name == "tritonserver"
    assert wheel in Path(server.exe()).parents
    addresses = {
        each.laddr.ip.removeprefix("::ffff:") for each in server.net_connections("tcp") if each.status == "LISTEN"
    }
    assert addresses == {"127.0.0.1"}
    assert len(endpoint.process.listens_on()) == 3
    for child in server.children(recursive=True):
        assert not [each for each in child.net_connections("tcp") if each.status == "LISTEN"]


def test_what_serving_writes_is_private(endpoint: Endpoint, workspace: Path) -> None:
    served = served_folder(workspace)
    for folder in (served.parent, served, endpoint.repository.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(endpoint.key_file.stat().st_mode) == 0o600
    assert endpoint.key_file.read_text() not in (served / "server.json").read_text()


def test_server_leads_a_session_of_its_own(endpoint: Endpoint) -> None:
    assert os.getsid(endpoint.process.pid) != os.getsid(0), "Ctrl-C at our terminal would reach it"


def test_status_names_what_is_served(endpoint: Endpoint, workspace: Path) -> None:
    assert triton.status(workspace) == triton.Status(state="serving", endpoint=endpoint)


@pytest.mark.parametrize("model", ["tokenizer", "zero_shot_classifier"])
def test_dead_stub_is_noticed_and_mended_by_deploy(alone: Path, package: Path, model: str) -> None:
    endpoint = deploy(package, alone, "tiny@1")
    (stub,) = running(STUB, f"{endpoint.repository}/{model}/")
    stub.send(signal.SIGKILL)
    assert stub.wait(DEADLINE_S)
    dead = triton.status(alone)
    assert dead.state == "dead"
    assert model in dead.reason, "Triton itself calls the model ready"
    mended = deploy(package, alone, "tiny@1")
    assert triton.status(alone).state == "serving"
    assert mended.process != endpoint.process
    assert not endpoint.process.is_alive()


def test_a_server_that_is_told_to_end_answers_what_it_has_begun(alone: Path, package: Path) -> None:
    endpoint = deploy(package, alone, "tiny@1")
    pictures = [stripes(seed) for seed in range(MAX_BATCH)]
    asks = 4

    def ask(_: int) -> np.ndarray:
        with TritonClient(endpoint.http, timeout_s=120) as client:
            return client.embed_image(pictures)

    with ThreadPoolExecutor(asks) as threads:
        asked = [threads.submit(ask, at) for at in range(asks)]  # one after the other, by the one process that decodes
        deadline = time.monotonic() + DEADLINE_S
        while waiting(endpoint) < asks - 1:  # all the others are in the server, behind the one that it decodes
            assert time.monotonic() < deadline, "they have not all come in"
            time.sleep(0.005)
        endpoint.process.send(signal.SIGTERM)
        assert not all(one.done() for one in asked), "all was over before it was told to end"
        first, *others = [one.result() for one in asked]
    assert first.shape == (MAX_BATCH, WIDTH)
    assert all(np.array_equal(other, first) for other in others)
    assert endpoint.process.wait(DRAIN_S)


def waiting(endpoint: Endpoint) -> int:
    """Return how many requests have come in whole and wait for the process that decodes pictures."""
    said = httpx.get(f"http://{endpoint.metrics}/metrics", timeout=30).text
    return sum(
        int(float(line.split()[-1]))
        for line in said.splitlines()
        if line.startswith("nv_inference_pending_request_count") and 'model="image_preprocess"' in line
    )


def test_what_a_cluster_grows_by_is_told_by_triton(endpoint: Endpoint, package: Path) -> None:
    said = httpx.get(f"http://{endpoint.metrics}/metrics", timeout=30).text
    rules = (REPOSITORY / "infra/kubernetes/queue-time.yaml").read_text()
    names = {*re.findall(r"\bnv_\w+", rules)}
    assert len(names) == 2
    for name in names:
        assert re.search(rf"^# TYPE {name} counter$", said, re.M), name
        assert re.search(rf'^{name}\{{[^}}]*model="text_encoder"', said, re.M), name


def stripes(seed: int, side: int = 1_500) -> bytes:
    """Return a PNG that takes a while to decode, and is soon sent: all its rows are alike."""
    file = io.BytesIO()
    row = np.random.default_rng(seed).integers(0, 256, (1, side, 3), dtype=np.uint8)
    Image.fromarray(row.repeat(side, axis=0)).save(file, "PNG")
    return file.getvalue()


def test_taken_ports_are_left_to_their_owner(alone: Path, package: Path) -> None:
    with socket.create_server((HOST, 0)) as other, serving_lock(alone):
        taken = other.getsockname()[1]
        tries = iter([replace(free_ports(), metrics=taken), replace(free_ports(), http=taken), free_ports()])
        with triton.start(alone, Package.verify(package), label="tiny@1", ports=lambda: next(tries)) as candidate:
            assert str(taken) not in candidate.endpoint.to_json()
            with candidate.client() as client:
                assert client.search("red", 1)[0].text == "a red square"
    assert traces(alone) == [], "a candidate that was not handed over goes with its block"
    assert read_endpoint(alone) is None


def test_reason_of_a_failed_start_is_in_the_message(alone: Path, tmp_path: Path) -> None:
    broken = make_package(tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    write_manifest(broken)
    with serving_lock(alone), pytest.raises(ServerFailed, match="ended with code 1 while it started") as failed:
        triton.start(alone, Package.verify(broken), label="tiny@2")
    assert "failed to load 'tokenizer'" in str(failed.value)
    assert traces(alone) == []


def test_one_writer_at_a_time(alone: Path, package: Path) -> None:
    with serving_lock(alone):
        with pytest.raises(Busy, match="Another run"):
            deploy(package, alone, "tiny@1")
        with pytest.raises(Busy, match="Another run"):
            down(alone)
