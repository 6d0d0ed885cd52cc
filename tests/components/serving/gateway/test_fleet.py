"""Several versions behind one gateway, on real servers: shares, names, a shadow, and one that goes away."""

import asyncio
import json
import operator
import re
import shutil
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import ConfigError, TransientError
from components.serving import Client
from components.serving.canary import counted
from components.serving.endpoint import read_endpoint, served_folder, write_endpoint
from components.serving.gateway.feedback import feedback_file
from components.serving.gateway.fleet import MOST_COMPARING, Fleet
from components.serving.gateway.refusal import Refusal
from components.serving.process import running as running_processes
from components.serving.routes import Beside, read_routes, write_beside
from components.serving.sweep import STUB
from flows.serving.deploy import deploy, deploy_beside, end_beside
from flows.serving.down import down
from tests.components.serving.gateway.conftest import by_server, running
from tests.components.serving.records import drawn
from tests.components.serving.tiny_package import make_package, write_manifest

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A workspace with two versions served; the second has other weights, so other vectors."""
    root = tmp_path_factory.mktemp("two")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    try:
        deploy(make_package(root / "first"), root, "tiny@1")
        deploy_beside(make_package(root / "second", seed=1), root, "tiny@2", share=0.5)
        yield root
    finally:
        down(root)


@pytest.fixture(scope="module")
def client(root):
    with running(by_server(root)) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def said(client, **body):
    answer = client.post("/v1/embeddings", json={"input": "red", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def shows(client, *beside):
    """The gateway shows these beside the champion as soon as they are there: label, share, and whether it is a shadow."""
    lines = client.get("/v1/models").json()["data"][1:]
    assert [(line["id"], line["share"], line["shadow"]) for line in lines] == [*beside]


def stop(process):
    """Stop a process, and wait until it is: its threads go on until one of them has taken the signal."""
    process.send(signal.SIGSTOP)
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)


def shared(root, client, share, shadow=False):
    """Give the second version another share, which the gateway has seen then."""
    (beside,) = read_routes(root).beside
    write_beside(root, [Beside(endpoint=beside.endpoint, share=share, shadow=shadow)])
    shows(client, ("tiny@2", share, shadow))


def test_a_share_of_the_requests_goes_to_each(root, client):
    shared(root, client, 0.5)
    counts = Counter(said(client)["model"] for _ in range(60))
    assert set(counts) == {"tiny@1", "tiny@2"}
    shared(root, client, 0.0)
    assert Counter(said(client)["model"] for _ in range(30)) == {"tiny@1": 30}
    shared(root, client, 1.0)
    assert Counter(said(client)["model"] for _ in range(30)) == {"tiny@2": 30}


def test_a_name_gets_the_version_that_has_it(root, client):
    shared(root, client, 0.0)
    lines = client.get("/v1/models").json()["data"]
    assert [(line["id"], line["alias"], line["share"]) for line in lines] == [
        ("tiny@1", "champion", 1),
        ("tiny@2", "challenger", 0),
    ]
    for name, version in (
        ("champion", "tiny@1"),
        ("tiny@2", "tiny@2"),
        ("challenger", "tiny@2"),
        (lines[1]["space"], "tiny@2"),
    ):
        assert said(client, model=name)["model"] == version
    first, second = (np.array(said(client, model=name)["data"][0]["embedding"]) for name in ("tiny@1", "tiny@2"))
    assert not np.allclose(first, second)
    unknown = client.post("/v1/embeddings", json={"input": "red", "model": "gpt-4"})
    assert unknown.status_code == 404
    assert "tiny@1, tiny@2" in unknown.json()["error"]["message"]


def test_each_version_has_an_index_of_its_own(root, client):
    for name in ("tiny@1", "tiny@2"):
        (hit, *_) = client.post("/v1/search", json={"query": "a blue square", "model": name, "mode": "vector"}).json()[
            "hits"
        ]
        assert (hit["key"], hit["score"] > 0.99) == ("key-blue", True)


def test_a_shadow_answers_nobody_and_is_counted_where_it_differs(root, client):
    shared(root, client, 0.0, shadow=True)
    assert {said(client)["model"] for _ in range(20)} == {"tiny@1"}
    deadline = time.monotonic() + 10
    wanted = [f'diptych_shadow_total{{outcome="{outcome}",version="tiny@2"}}' for outcome in ("other", "same")]
    while not all(one in (text := client.get("/metrics").text) for one in wanted):
        assert time.monotonic() < deadline, text
        # again, since the shadow is passed over while it is still at what was asked before
        assert client.post("/v1/search", json={"query": "a blue square"}).json()["model"] == "tiny@1"
        time.sleep(0.05)


def test_a_share_is_changed_where_a_version_stands_and_shares_are_no_more_than_all(root, client):
    before = read_routes(root).beside[0].endpoint
    assert deploy_beside(root / "second", root, "tiny@2", share=0.25) == before
    assert [(one.share, one.shadow) for one in read_routes(root).beside] == [(0.25, False)]
    for wrong, why in ((("second", 1.5), "more than 1"), (("first", 0.1), "beside itself")):
        with pytest.raises(ConfigError, match=why):
            deploy_beside(root / wrong[0], root, "tiny@9", share=wrong[1])
    assert read_routes(root).beside[0].endpoint == before


def test_a_name_gets_a_version_of_that_name_alone(root, client):
    (beside,) = read_routes(root).beside
    write_beside(root, [Beside(endpoint=replace(beside.endpoint, label="other@1"), share=0.5)])
    shows(client, ("other@1", 0.5, False))
    try:
        assert {said(client, model="tiny")["model"] for _ in range(20)} == {"tiny@1"}
        assert {said(client, model="other")["model"] for _ in range(20)} == {"other@1"}
        with Client(str(client.base_url)) as asked:
            rows = asked.embed(["red"] * 1_100)  # five requests, which go to one and the same
        assert len(np.unique(rows, axis=0)) == 1
    finally:
        write_beside(root, [beside])
        shows(client, ("tiny@2", beside.share, beside.shadow))


def test_a_shadow_answers_nobody_though_the_champion_is_gone(root, client):
    shared(root, client, 0.0, shadow=True)
    champion = read_endpoint(root)
    stop(champion.process)
    try:
        for model in ("", "champion", "tiny@1"):
            answer = client.post(
                "/v1/embeddings", json={"input": "red", "model": model}, headers={"x-deadline-ms": "1500"}
            )
            assert answer.status_code == 504
    finally:
        champion.process.send(signal.SIGCONT)
    assert said(client)["model"] == "tiny@1"


def test_who_hangs_has_another_in_its_place(root, client):
    shared(root, client, 0.5)
    (beside,) = read_routes(root).beside
    with (
        running(replace(by_server(root), deadline_s=6.0)) as address,
        httpx.Client(base_url=address, timeout=30) as own,
    ):
        stop(beside.endpoint.process)
        try:
            answers = [own.post("/v1/embeddings", json={"input": "red"}) for _ in range(12)]
        finally:
            beside.endpoint.process.send(signal.SIGCONT)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["model"] for answer in answers} == {"tiny@1"}


def test_who_hangs_has_another_in_its_place_within_the_time_that_the_request_has(root, client):
    """Two seconds of it, where the gateway's are twenty; only the first that asks who hangs waits for it."""
    shared(root, client, 1.0)
    (beside,) = read_routes(root).beside
    with running(by_server(root)) as address, httpx.Client(base_url=address, timeout=30) as own:
        before = counted(own.get("/metrics").text)["tiny@2"].failed
        stop(beside.endpoint.process)
        try:
            header = {"x-deadline-ms": "2000"}
            answers = [own.post("/v1/embeddings", json={"input": "red"}, headers=header) for _ in range(8)]
            failed = counted(own.get("/metrics").text)["tiny@2"].failed - before
        finally:
            beside.endpoint.process.send(signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["model"] for answer in answers} == {"tiny@1"}
    seconds = [answer.elapsed.total_seconds() for answer in answers]
    assert seconds[0] >= 1.0
    assert max(seconds[1:]) < 1.0, "it was not known to be slow"
    assert failed == 1


def skipped(client):
    found = re.search(
        r'^diptych_shadow_total\{outcome="skipped",version="tiny@2"\} (\S+)$', client.get("/metrics").text, re.M
    )
    return float(found[1]) if found else 0.0


def test_a_shadow_that_hangs_holds_no_more_requests_than_are_asked_of_the_champion_at_once(root, client):
    shared(root, client, 0.0, shadow=True)
    before = skipped(client)
    (beside,) = read_routes(root).beside
    stop(beside.endpoint.process)
    try:
        for _ in range(30):
            said(client)
        assert skipped(client) - before == 29, "one client has one question at a time"
    finally:
        beside.endpoint.process.send(signal.SIGCONT)


@pytest.mark.parametrize(("at_once", "asked"), [(1, 1), (6, 6), (12, MOST_COMPARING)])
def test_a_shadow_is_asked_as_many_at_once_as_the_champion_was_up_to_a_few(root, client, at_once, asked):
    shared(root, client, 0.0, shadow=True)

    async def scene():
        of_champion, of_shadow, all_asked = [], [], asyncio.Event()

        async def question(version):
            if version.shadow:
                of_shadow.append(version)
                await asyncio.Event().wait()
            of_champion.append(version)
            await all_asked.wait()  # so that they are answered together, as those of a batch are
            return version.label

        async with Fleet(root) as fleet:
            asks = [asyncio.create_task(fleet.ask(None, question, same=operator.eq)) for _ in range(at_once)]
            while len(of_champion) < at_once:
                await asyncio.sleep(0)
            all_asked.set()
            await asyncio.gather(*asks)
            await asyncio.sleep(0)
            first = len(of_shadow)
            await fleet.ask(None, question, same=operator.eq)
            await asyncio.sleep(0)
            return first, len(of_shadow)

    assert asyncio.run(scene()) == (asked, asked), "nor more while it has not answered"


@pytest.mark.parametrize(
    ("first", "other", "told"),
    [
        ("has not", "fails", (503, "tiny@1 does not answer")),
        ("fails", "has not", (503, "tiny@2 does not answer")),
        ("hangs", "has not", (503, "tiny@2 does not answer")),
        ("fails", "fails", (503, "tiny@2 does not answer")),
        ("has not", "has not", (404, "tiny@2 has it not")),
    ],
)
def test_that_nobody_has_it_is_said_where_all_answered(root, client, first, other, told):
    shared(root, client, 1.0)
    does = {"tiny@2": first, "tiny@1": other}

    async def question(version):
        match does[version.label]:
            case "has not":
                raise Refusal(404, "no_picture", f"{version.label} has it not")
            case "fails":
                raise TransientError("it is started again")
        await asyncio.Event().wait()

    async def scene():
        async with Fleet(root, deadline_s=1.0) as fleet:
            await fleet.ask(None, question)

    with pytest.raises(Refusal, match=f"^{told[1]}") as refused:
        asyncio.run(scene())
    assert refused.value.status == told[0]


def test_an_index_whose_opening_was_not_waited_for_is_there_for_the_next(root):
    with running(by_server(root)) as address, httpx.Client(base_url=address, timeout=30) as own:
        own.get("/v1/models", headers={"x-deadline-ms": "1"})
        assert own.post("/v1/search", json={"query": "red"}).status_code == 200


@pytest.mark.parametrize("file", ["search-2.db", "repository/image_retrieval/1/index.npy"])
def test_an_index_that_cannot_be_read_is_said_of_its_version_and_another_is_searched(root, client, file, caplog):
    shared(root, client, 1.0)
    path = read_routes(root).beside[0].endpoint.repository.parent / file
    kept = path.rename(root / "kept")
    path.write_bytes(b"none")
    try:
        with running(by_server(root)) as address, httpx.Client(base_url=address, timeout=30) as own:
            first, second = own.get("/v1/models").json()["data"]
            assert (first["index"]["pictures"], first["index_fault"], len(first["indexes"])) == (3, None, 1)
            assert (second["index"], second["indexes"]) == (None, [])
            assert second["index_fault"].startswith("The index that tiny@2 brings along cannot be read (")
            for asked in ({"query": "red"}, {"like": "key-red"}):
                assert own.post("/v1/search", json=asked).json()["model"] == "tiny@1"
                named = own.post("/v1/search", json={**asked, "model": "tiny@2"})
                assert (named.status_code, named.json()["error"]["code"]) == (503, "index_unusable")
                assert named.json()["error"]["message"] == second["index_fault"]
            assert str(root) not in second["index_fault"]
            vote = {"query": "red", "key": "key-red", "vote": "up"}
            assert own.post("/v1/feedback", json={**vote, "model": "tiny@2"}).status_code == 503
            assert own.post("/v1/feedback", json=vote).status_code == 200
            assert own.post("/v1/feedback", json={**vote, "key": "nobody"}).status_code == 503, "the other may have it"
            assert counted(own.get("/metrics").text)["tiny@2"].failed, "as whoever watches a canary has to know"
            path.unlink()
            kept.rename(path)
            assert own.get("/v1/models").json()["data"][1]["index"]["pictures"] == 3
    finally:
        if kept.exists():
            kept.rename(path)
    (record,) = [one for one in caplog.records if one.name == "diptych.gateway"]
    assert "remove it, and it is made again" in record.getMessage()


def test_who_does_not_answer_has_another_in_its_place_unless_it_was_named(root, client):
    shared(root, client, 1.0)
    (beside,) = read_routes(root).beside
    beside.endpoint.process.send(9)
    assert beside.endpoint.process.wait(10)
    assert {said(client)["model"] for _ in range(10)} == {"tiny@1"}
    named = client.post("/v1/embeddings", json={"input": "red", "model": "tiny@2"})
    assert (named.status_code, named.json()["error"]["code"]) == (503, "model_unavailable")
    assert named.headers["retry-after"]
    assert end_beside(root) == 1
    shows(client)
    assert [line["id"] for line in client.get("/v1/models").json()["data"]] == ["tiny@1"]


def test_a_deploy_loses_no_request(root, client):
    """Asked all the time while the champion changes twice."""
    from threading import Event, Thread

    codes, over = Counter(), Event()

    def ask():
        with httpx.Client(base_url=client.base_url, timeout=30) as own:
            while not over.is_set():
                answer = own.post("/v1/embeddings", json={"input": "red"})
                codes[(answer.status_code, answer.json().get("model"))] += 1

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        deploy(root / "second", root, "tiny@2")
        deploy(root / "first", root, "tiny@1")
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert {code for code, _ in codes} == {200}, codes
    assert {model for _, model in codes} == {"tiny@1", "tiny@2"}


def test_a_picture_of_one_version_alone_is_found_whoever_is_asked_first(tmp_path):
    """Half of the requests go to a version that has not the picture."""
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    package = make_package(tmp_path / "second", seed=1)
    table = pq.read_table(package / "index.parquet")
    keys = [key.replace("key-red", "key-new") for key in table["key"].to_pylist()]
    pq.write_table(table.set_column(table.column_names.index("key"), "key", pa.array(keys)), package / "index.parquet")
    write_manifest(package)
    try:
        deploy(make_package(tmp_path / "first"), tmp_path, "tiny@1")
        deploy_beside(package, tmp_path, "tiny@2", share=0.5)
        with running(by_server(tmp_path)) as address, httpx.Client(base_url=address, timeout=30) as client:
            for key, its, other in (("key-red", "tiny@1", "tiny@2"), ("key-new", "tiny@2", "tiny@1")):
                vote = {"query": "red", "key": key, "vote": "up"}
                for _ in range(12):
                    near = client.post("/v1/search", json={"like": key}).json()
                    assert (near["model"], near["hits"][0]["key"]) == (its, key)
                    assert client.post("/v1/feedback", json=vote).status_code == 200
                for answer in (
                    client.post("/v1/search", json={"like": key, "model": other}),
                    client.post("/v1/feedback", json=vote | {"model": other}),
                    client.post("/v1/search", json={"like": "nobody"}),
                    client.get("/v1/pictures/nobody"),
                ):
                    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_picture")
            lines = [json.loads(line) for line in feedback_file(tmp_path).read_text().splitlines() if line]
            assert {(line["key"], line["version"]) for line in lines} == {("key-red", "tiny@1"), ("key-new", "tiny@2")}
    finally:
        down(tmp_path)


def test_a_record_that_cannot_be_read_changes_nothing_that_is_served(root, client):
    before = read_endpoint(root)
    path = root / ".diptych/served/server.json"
    shutil.copyfile(path, root / "kept.json")
    path.write_text("{")
    time.sleep(0.6)
    assert said(client)["model"] == "tiny@1"
    write_endpoint(root, before)


def test_records_are_followed_after_one_that_nobody_foresaw(tmp_path, caplog):
    """Such as one that is nested more deeply than Python reads."""
    served_folder(tmp_path).mkdir(parents=True)

    async def scene():
        async with asyncio.timeout(60), Fleet(tmp_path) as fleet:
            (served_folder(tmp_path) / "server.json").write_text("[" * 1_000_000)
            while not caplog.records:
                await asyncio.sleep(0.01)
            write_endpoint(tmp_path, drawn(tmp_path, "one"))
            while not fleet.versions:
                await asyncio.sleep(0.01)
            return fleet.versions[0].label

    assert asyncio.run(scene()) == "drawn@one"
    (record,) = caplog.records
    assert record.getMessage().startswith("The records of what is served cannot be followed")


def test_nothing_stands_beside_nothing(tmp_path):
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    with pytest.raises(ConfigError, match="could stand beside"):
        deploy_beside(make_package(tmp_path / "package"), tmp_path, "tiny@1")


def test_a_gateway_without_a_server_says_so_and_finds_it_when_it_comes(tmp_path):
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    with running(by_server(tmp_path)) as address, httpx.Client(base_url=address, timeout=30) as client:
        nothing = client.post("/v1/embeddings", json={"input": "red"})
        assert (nothing.status_code, nothing.json()["error"]["code"]) == (503, "nothing_served")
        assert client.get("/readyz").status_code == 503
        try:
            deploy(make_package(tmp_path / "package"), tmp_path, "tiny@1")
            deadline = time.monotonic() + 30
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert said(client)["model"] == "tiny@1"
            (stub,) = running_processes(STUB, f"{read_endpoint(tmp_path).repository}/image_preprocess/")
            stub.send(9)  # texts are answered as before, and pictures by nobody
            deadline = time.monotonic() + 30
            while client.get("/readyz").status_code != 503:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        finally:
            down(tmp_path)
