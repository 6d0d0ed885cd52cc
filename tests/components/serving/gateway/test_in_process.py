"""Encoders that a worker of the gateway runs itself: the same answers as the server's, and the server's where they are not."""

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from components.contracts.errors import TransientError
from components.data.transforms.preprocess import Preprocess
from components.serving import parity
from components.serving.encoders import Encoders
from components.serving.gateway import against, in_process
from components.serving.gateway import vectors as vectors_of_gateway
from components.serving.gateway.in_process import InProcess
from components.serving.gateway.metrics import IN_PROCESS
from components.serving.gateway.room import Room
from components.serving.gateway.settings import Settings
from components.serving.gateway.upstream import Upstream
from components.serving.gateway.vectors import Vectors
from components.serving.odd_samples import odd_pictures, odd_texts
from components.serving.package import Package
from components.serving.repository import write_repository
from components.serving.routes import Beside, write_beside
from flows.loopback import free_port
from flows.serving.deploy import deploy
from flows.serving.down import down
from tests.components.serving.gateway.conftest import running
from tests.components.serving.gateway.test_refusals import BAD_PICTURES, GOOD_PICTURES, RED, encoded, uri
from tests.components.serving.tiny_package import SIZE, WIDTH, make_package

REPOSITORY = Path(__file__).parents[4]
ROOM = Room(mb=100, threads=2)


@pytest.fixture
def repository(endpoint, tmp_path):
    """A copy of what the shared server serves, to be harmed."""
    return Path(shutil.copytree(endpoint.repository, tmp_path / "repository"))


def encoded_there(endpoint) -> int:
    """Return how many rows Triton's encoders have done, once it has counted all of them: it may do so after its answer."""
    before, now = -1, 0
    while before != now:
        said = httpx.get(f"http://{endpoint.metrics}/metrics").text
        counts = re.findall(r'nv_inference_count{model="\w+_encoder",version="1"} (\d+)', said)
        before, now = now, sum(map(int, counts))
        time.sleep(0.1)
    return now


@pytest.fixture
def near(start, endpoint):
    """A client of a gateway whose worker runs the encoders."""
    http, deadline = start(in_process=True), time.monotonic() + 30
    while True:
        before = encoded_there(endpoint)
        assert http.post("/v1/embeddings", json={"input": ["red", uri(RED)]}).status_code == 200
        if encoded_there(endpoint) == before:
            return http
        assert time.monotonic() < deadline, "its server is asked all the same"
        time.sleep(0.05)


def made(endpoint, repository, scene, room=ROOM):
    """Run a scene with the vectors of a server, which may be made here, and return what it does."""

    async def play():
        upstream = Upstream(endpoint.http)
        vectors = Vectors(upstream, repository, room)
        try:
            return await asyncio.wait_for(scene(vectors), 60)
        finally:
            vectors.close()
            await upstream.close()

    return asyncio.run(play())


async def until(holds):
    while not holds():
        await asyncio.sleep(0.01)


def test_answers_are_the_servers_which_is_not_asked(near, endpoint, client):
    texts = [one for one in odd_texts().values() if one.strip() and "\0" not in one and len(one) <= 10_000]
    pictures = [*odd_pictures().values(), *GOOD_PICTURES.values()]
    wanted = np.concatenate([client.embed_text(texts), client.embed_image(pictures)])
    nearest = client.search("red", 1)[0].key
    before = encoded_there(endpoint)
    answer = near.post("/v1/embeddings", json={"input": [*texts, *map(uri, pictures)]})
    assert answer.status_code == 200, answer.text
    assert np.allclose([one["embedding"] for one in answer.json()["data"]], wanted, atol=1e-6)
    hits = [near.post("/v1/search", json=body).json()["hits"] for body in ({"query": "red"}, {"image": uri(RED)})]
    assert [its[0]["key"] for its in hits] == [nearest, nearest]
    assert encoded_there(endpoint) == before


@pytest.mark.parametrize("name", [*BAD_PICTURES, "among others"])
def test_a_broken_picture_is_refused_in_the_same_words(near, http, name):
    inputs = [uri(BAD_PICTURES["cut" if name == "among others" else name][0])]
    if name == "among others":
        inputs = ["red", uri(RED), *inputs, "blue"]
    answers = [one.post("/v1/embeddings", json={"input": inputs}) for one in (http, near)]
    said = [(answer.status_code, {**answer.json()["error"], "request_id": ""}) for answer in answers]
    assert said[0] == said[1]
    assert said[0][0] in (400, 413, 415)


def other_weights(repository: Path) -> None:
    package = Package.verify(make_package(repository.parent / "other", seed=1))
    shutil.rmtree(repository)
    write_repository(package, repository)


def no_graph(repository: Path) -> None:
    (repository / "image_encoder/1/model.onnx").write_bytes(b"no graph")


def no_tokenizer(repository: Path) -> None:
    (repository / "tokenizer/1/tokenizer.json").unlink()


def other_length(repository: Path) -> None:
    path = repository / "tokenizer/1/tokenizer.json"
    said = json.loads(path.read_text())
    said["truncation"]["max_length"] += 1
    said["padding"]["strategy"]["Fixed"] += 1
    path.write_text(json.dumps(said))


def other_code(repository: Path) -> None:
    path = repository / "image_preprocess/1/preprocess.py"
    path.write_text(path.read_text() + "\n# of another version\n")


def other_background(repository: Path) -> None:
    """What only a transparent picture shows."""
    path = repository / "image_preprocess/1/transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"background": [0, 0, 0]}))


def too_many_bytes(repository: Path) -> None:
    """Such as a table of a text's tokens, which is no weight."""


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (other_weights, "ServerFailed: the encoders give other vectors"), (other_background, "ServerFailed: the encoders give other vectors"), (other_code, "another version of diptych"),
        (too_many_bytes, "MB together, and 0 are a worker's part"),
        (no_graph, "/image_encoder/1/model.onnx cannot be loaded"), (no_tokenizer, "StaleArtifact: they cannot be loaded (Exception: No such file"),
        (other_length, "StaleArtifact: the graph that gives text_embeds cannot be run"),
    ],
)  # fmt: skip
def test_encoders_that_are_not_the_servers_are_not_run_and_the_log_says_why_once(
    endpoint, client, repository, harm, why, caplog, monkeypatch
):
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.01)
    harm(repository)

    async def scene(vectors):
        await until(lambda: caplog.records)
        tried = vectors._wait_s
        if harm not in (other_code, too_many_bytes):  # which may come right
            await until(lambda: vectors._wait_s >= 4 * tried)
        else:
            await vectors._opening
        assert not vectors.here
        return await vectors.embed_text(["red"]), await vectors.embed_image([RED])

    with caplog.at_level(logging.WARNING, "diptych.gateway"):
        texts, pictures = made(endpoint, repository, scene, replace(ROOM, mb=0) if harm is too_many_bytes else ROOM)
    assert np.array_equal(texts, client.embed_text(["red"]))
    assert np.array_equal(pictures, client.embed_image([RED]))
    (record,) = caplog.records
    assert why in record.getMessage()


def test_the_server_is_asked_until_they_are_open_and_has_to_answer_first(endpoint, client, caplog, monkeypatch):
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.01)
    nobody = replace(endpoint, http=f"127.0.0.1:{free_port()}")

    async def scene(vectors):
        with pytest.raises(TransientError, match="does not answer"):
            await vectors.embed_text(["red"])
        await until(lambda: vectors._wait_s > 0.05)  # it was tried more than once
        assert vectors._here is None
        gone, vectors._upstream = vectors._upstream, Upstream(endpoint.http)  # as if it had come up
        await gone.close()
        first = await vectors.embed_text(["red"])
        await vectors._opening
        assert vectors._here is not None
        await vectors._upstream.close()
        return first

    assert np.array_equal(made(nobody, endpoint.repository, scene), client.embed_text(["red"]))
    said = [record.getMessage().partition(" are ")[2] for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("made by its server, not in this process yet: TransientError")
    assert said[1] == "made in this process"


def test_encoders_that_fail_are_let_go_the_server_answers_and_they_are_opened_again(
    endpoint, client, caplog, monkeypatch
):
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.2)
    counted = IN_PROCESS._value.get

    async def scene(vectors):
        before = counted()
        await vectors._opening
        assert counted() == before + 1
        vectors._here = InProcess(Failing(), 0.0, 0.0)
        rows = await asyncio.gather(*(vectors.embed_text([text]) for text in ("red", "blue", "green")))
        assert vectors._here is None
        assert counted() == before
        await vectors._opening
        assert vectors._here is not None
        return np.concatenate(rows)

    rows = made(endpoint, endpoint.repository, scene)
    assert np.allclose(rows, client.embed_text(["red", "blue", "green"]), atol=1e-6)
    said = [record.getMessage().partition(" are ")[2] for record in caplog.records]
    assert said == ["made in this process", "made by its server again: the encoders failed here (Panic)", "made in this process"]  # fmt: skip


@pytest.mark.parametrize(("ran_long", "waits"), [(False, [0.1, 0.2, 0.4]), (True, [0.1, 0.1, 0.1])])
def test_they_wait_longer_each_time_that_they_fail_in_a_row_and_not_for_what_was_long_ago(
    endpoint, monkeypatch, ran_long, waits
):
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.1)

    async def scene(vectors):
        seen = []
        for _ in waits:
            await vectors._opening
            vectors._here = InProcess(Failing(), 0.0, 0.0)
            vectors._since -= 2 * vectors_of_gateway.LONGEST_S if ran_long else 0
            await vectors.embed_text(["red"])
            seen.append(vectors._wait_s / 2)  # of the wait that has begun
        return seen

    assert made(endpoint, endpoint.repository, scene) == waits


def test_a_model_that_is_let_go_takes_no_memory(endpoint):
    async def scene(vectors):
        await vectors._opening
        lost = weakref.ref(vectors._here)
        await asyncio.gather(*(vectors.embed_image([RED]) for _ in range(20)), vectors.embed_text(["red"]))
        vectors.close()
        assert lost() is None

    made(endpoint, endpoint.repository, scene)


def test_who_lets_go_while_they_are_opened_opens_nothing(endpoint):
    async def scene(vectors):
        opening, before = vectors._opening, IN_PROCESS._value.get()
        await asyncio.sleep(0)
        vectors.close()
        await asyncio.wait([opening])
        assert opening.cancelled()
        assert vectors._here is None
        assert IN_PROCESS._value.get() == before
        return await vectors.embed_text(["red"])

    assert made(endpoint, endpoint.repository, scene).shape == (1, WIDTH)


@pytest.mark.parametrize("shadow", [False, True])
def test_while_a_canary_is_judged_all_are_asked_of_their_servers_until_all_are_open_here(
    near, workspace, endpoint, monkeypatch, shadow
):
    """Seconds of a version that is run here, held against those of one that is not, would say nothing of the versions."""
    may_open, opened = threading.Event(), vectors_of_gateway._opened
    monkeypatch.setattr(vectors_of_gateway, "_opened", lambda *given: may_open.wait(60) and opened(*given))
    canary = replace(endpoint, label="tiny@2", instance="another")

    def by_whom() -> list[str]:
        return [line["vectors"] for line in near.get("/v1/models").json()["data"]]  # which looks anew

    def judged(until_s: float | None) -> None:
        write_beside(workspace, [Beside(endpoint=canary, share=0.0 if shadow else 0.5, shadow=shadow, until=until_s)])

    def asks_there() -> bool:
        before = encoded_there(endpoint)
        assert near.post("/v1/embeddings", json={"input": "red", "model": "champion"}).status_code == 200
        return encoded_there(endpoint) > before

    assert by_whom() == ["worker"]
    try:
        judged(time.time() + 600)
        assert by_whom() == ["server", "server"]
        assert asks_there()
        for until_s in (None, time.time() - 1):
            judged(until_s)
            assert by_whom() == ["worker", "server"], "nobody judges it, or not any more"
        judged(time.time() + 600)
        assert by_whom() == ["server", "server"]
        may_open.set()
        deadline = time.monotonic() + 30
        while by_whom() != ["worker", "worker"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if not shadow:
            assert not asks_there()
    finally:
        may_open.set()
        write_beside(workspace, [])
    assert by_whom() == ["worker"]


def test_encoders_have_to_be_as_alike_as_a_deploy_asks_for():
    assert against.ALIKE == parity.MINIMUM


class Panic(BaseException):
    """As what fails in Rust."""


class Failing:
    def embed_text(self, texts):
        raise Panic


class Endless:
    """Pictures that are decoded until `over`."""

    def __init__(self):
        self.over = threading.Event()

    def made(self, width, height):
        return width * height

    def embed_pixels(self, pixels):
        return pixels

    def pixels(self, picture):
        self.over.wait(60)
        return np.zeros(WIDTH, np.float32)


def test_where_a_batch_has_no_end_the_server_answers_others_and_the_keeper_ends_the_process(
    endpoint, client, caplog, monkeypatch
):
    monkeypatch.setattr(vectors_of_gateway, "STUCK", threading.Event())
    endless = Endless()

    async def scene(vectors):
        await vectors._opening
        vectors._here = InProcess(endless, 0.01, 0.01)
        with pytest.raises(TimeoutError):  # its own time is over before anybody knows
            await asyncio.wait_for(vectors.embed_image([RED]), 0.1)
        assert not vectors._here.is_stuck()
        monkeypatch.setattr(in_process, "STUCK_S", 0.1)
        await until(vectors._here.is_stuck)
        assert not vectors_of_gateway.STUCK.is_set()
        rows = await vectors.embed_image([RED])
        assert vectors_of_gateway.STUCK.is_set()
        assert (vectors.are_open, vectors._opening.done()) == (False, True), "it is not tried again here"
        return rows

    try:
        assert np.array_equal(made(endpoint, endpoint.repository, scene), client.embed_image([RED]))
    finally:
        endless.over.set()
    said = [record.getMessage().partition(" are ")[2] for record in caplog.records]
    assert said == ["made in this process", "made by its server, as long as this process lives: the encoders have been at a batch for too long"]  # fmt: skip


def test_a_batch_that_ends_is_not_stuck(endpoint, monkeypatch):
    monkeypatch.setattr(in_process, "STUCK_S", 0.05)

    async def ask():
        here = InProcess(endless := Endless(), 0.01, 0.01)
        asking = asyncio.create_task(here.embed_image([RED]))
        await until(here.is_stuck)
        endless.over.set()
        await asking
        assert not here.is_stuck()
        here.close()

    asyncio.run(ask())


def test_a_batch_of_what_takes_long_is_given_more_time(monkeypatch):
    monkeypatch.setattr(in_process, "STUCK_S", 0.05)

    async def ask():
        quick, slow = (InProcess(one, each_s, each_s) for one, each_s in zip(both, (0.01, 10.0), strict=True))
        asking = [asyncio.create_task(its.embed_image([RED])) for its in (slow, quick)]
        await until(quick.is_stuck)
        assert not slow.is_stuck()
        for one in both:
            one.over.set()
        await asyncio.gather(*asking)
        quick.close()
        slow.close()

    both = Endless(), Endless()
    try:
        asyncio.run(ask())
    finally:
        for one in both:
            one.over.set()


@pytest.mark.parametrize(
    ("batch_s", "at_most_s"), [(0.0, 60.0), (0.08, 60.32), (80.0, 380.0), (160.0, 600.0), (1e9, 600.0)]
)
def test_what_a_batch_may_take_grows_with_what_it_takes_alone_and_has_an_end(batch_s, at_most_s):
    assert in_process.stuck_s(batch_s) == pytest.approx(at_most_s)


class Seen(Encoders):
    """Those of a repository, and the threads that ran them."""

    def __init__(self, repository):
        super().__init__(
            image=repository / "image_encoder/1/model.onnx", text=repository / "text_encoder/1/model.onnx",
            transforms=repository / "image_preprocess/1/transforms.json", tokenizer=repository / "tokenizer/1/tokenizer.json", threads=1,
        )  # fmt: skip
        self.threads = []

    def embed_text(self, texts):
        self.threads.append(threading.current_thread())
        return super().embed_text(texts)

    def embed_pixels(self, pixels):
        self.threads.append(threading.current_thread())
        return super().embed_pixels(pixels)


LONG_PICTURE = RED + bytes(2**16)  # of few pixels, and behind them what a decoder has to pass
LARGE_PICTURE = encoded(Image.new("RGB", (600, 600), "red"), "PNG")
THIN_PICTURE = encoded(Image.new("RGB", (6, 8_000), "red"), "PNG")  # of few pixels, in a square of many


@pytest.mark.parametrize(
    ("texts", "pictures", "seconds", "on_the_loop"),
    [
        (["red"], None, 0.0001, True), (["red"] * 32, None, 0.0001, True), (["red"] * 32, None, 0.001, False), (["red"], None, 0.01, False),
        (["red " * 2_500 + "x"], None, 0.0001, False), (None, [RED], 0.001, True), (None, [RED] * 6, 0.001, False), (None, [LARGE_PICTURE], 0.0001, False), (None, [THIN_PICTURE], 0.0001, False),
        (None, [LONG_PICTURE], 0.0001, False), (None, [encoded(Image.new("RGB", (1, 1)), "TIFF")], 0.0001, False), (None, [GOOD_PICTURES["JPEG"]], 0.0001, True),
    ],
)  # fmt: skip
def test_only_what_takes_a_moment_keeps_the_event_loop(endpoint, texts, pictures, seconds, on_the_loop):
    async def ask():
        here = InProcess(seen := Seen(endpoint.repository), seconds, seconds)
        rows = await (here.embed_text(texts) if texts else here.embed_image(pictures))
        here.close()
        return rows, seen.threads

    rows, threads = asyncio.run(ask())
    assert rows.shape == (len(texts or pictures), WIDTH)
    assert [one is threading.main_thread() for one in threads] == [on_the_loop]


@pytest.mark.parametrize(("sides", "on_the_loop"), [((40, 30), True), ((1, 250), False), ((250, 1), False)])
def test_what_all_of_a_long_picture_is_resized_to_keeps_the_event_loop_no_longer(repository, sides, on_the_loop):
    transforms = repository / "image_preprocess/1/transforms.json"
    transforms.write_text(Preprocess(size=SIZE, reduced=False, resizer="pillow", whole=True).to_json())

    async def ask():
        here = InProcess(seen := Seen(repository), 0.0, 0.0)
        await here.embed_image([encoded(Image.new("RGB", sides, "red"), "PNG")])
        here.close()
        return seen.threads

    assert [one is threading.main_thread() for one in asyncio.run(ask())] == [on_the_loop]


def test_what_comes_together_is_run_together_and_more_than_a_batch_in_several(endpoint):
    async def ask():
        here = InProcess(seen := Seen(endpoint.repository), 0.0, 0.0)
        texts = [f"red {at}" for at in range(40)]
        alone = await asyncio.gather(*(here.embed_text([text]) for text in texts))
        runs = len(seen.threads)
        many = await here.embed_text(texts)
        here.close()
        return np.concatenate(alone), many, runs

    alone, many, runs = asyncio.run(ask())
    assert np.allclose(alone, many, atol=1e-6)
    assert runs == 3, "the first alone, then 32, then the rest"


def test_vectors_are_given_though_the_server_is_gone_which_readiness_tells(tmp_path):
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    try:
        endpoint = deploy(make_package(tmp_path / "package"), tmp_path, "tiny@1")
        settings = Settings(root=tmp_path, in_process=True)
        with running(settings) as address, httpx.Client(base_url=address, timeout=30) as http:
            deadline, before = time.monotonic() + 30, -1
            while before != (before := encoded_there(endpoint)):  # then the worker has answered by itself
                vectors = http.post("/v1/embeddings", json={"input": ["red", uri(RED)]}).json()["data"]
                assert time.monotonic() < deadline
                time.sleep(0.5)
            assert http.get("/readyz").status_code == 200
            os.kill(endpoint.process.pid, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while http.get("/readyz").status_code != 503:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert http.post("/v1/embeddings", json={"input": ["red", uri(RED)]}).json()["data"] == vectors
            assert http.post("/v1/search", json={"query": "red"}).json()["hits"]
            assert http.post("/v1/classify", json={"image": uri(RED)}).status_code == 503
    finally:
        down(tmp_path)
