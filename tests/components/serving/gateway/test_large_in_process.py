"""Large encoders that a worker of the gateway runs itself: in several threads of few rows each, where there is memory for them and their server is not far faster with a lone sample."""

import asyncio
from string import Template

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from components.contracts.errors import CapabilityError
from components.serving.gateway import against
from components.serving.gateway import vectors as vectors_of_gateway
from components.serving.gateway.against import Against
from components.serving.gateway.in_process import FEW, SMALL, Split, open_served, split
from components.serving.gateway.upstream import Upstream
from components.serving.graph import LARGE
from components.serving.package import Package
from components.serving.repository import EACH, ENCODERS, HERE, write_repository
from components.serving.triton_client import TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from tests.components.serving.counting_package import NEAR_BY, make_counting_package
from tests.components.serving.gateway.test_in_process import REPOSITORY, ROOM, encoded_there, made
from tests.components.serving.gateway.test_refusals import RED
from tests.components.serving.tiny_package import make_package, write_manifest


def test_of_large_encoders_each_thread_runs_as_many_rows_as_fit_its_cache(tmp_path):
    """Its vectors say how many rows they were made with."""
    package = Package.verify(make_counting_package(tmp_path / "package"))
    here = open_served(write_repository(package, tmp_path / "repository"), 5)
    splits = here.splits
    assert splits == dict.fromkeys(splits, Split(rows=NEAR_BY, threads=5))

    async def ask():
        texts, pictures = await here.embed_text(["red"] * 8), await here.embed_image([RED] * 8)
        here.close()
        return texts, pictures

    for vectors in asyncio.run(ask()):
        assert vectors[:, 0].tolist() == [3, 3, 3, 3, 3, 3, 2, 2]


def test_large_encoders_that_triton_serves_are_run_here(tmp_path):
    (tmp_path / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    try:
        package = make_package(tmp_path / "package")
        for name in ENCODERS:
            graph = onnx.load(package / f"{name}.onnx")
            graph.graph.initializer.append(numpy_helper.from_array(np.zeros(LARGE + 1, np.int8), "unused"))
            onnx.save(graph, package / f"{name}.onnx")
        write_manifest(package)
        endpoint = deploy(package, tmp_path, "large@1")

        async def scene(vectors):
            await vectors._opening
            assert vectors.here, "its server is no more than twice as fast"
            assert set(vectors._here.splits.values()) == {Split(FEW, ROOM.threads)}
            before = encoded_there(endpoint)
            rows = await vectors.embed_text(["red"] * 20)
            assert encoded_there(endpoint) == before
            return rows

        with TritonClient(endpoint.http) as client:
            assert np.allclose(made(endpoint, endpoint.repository, scene), client.embed_text(["red"] * 20), atol=1e-6)
    finally:
        down(tmp_path)


@pytest.mark.parametrize(("said", "rows"), [("0", 8), ("3", 3), ("20", 8)])
def test_rows_of_a_batch_are_those_near_by_and_eight_at_most(said, rows):
    config = Template(HERE).substitute(threads=EACH, rows=said)
    assert split("text_encoder", config, 4) == Split(rows, 4)
    assert split("text_encoder", config.replace(f'"{EACH}"', '"1"', 1), 4) == SMALL["text_encoder"]
    assert split("text_encoder", "", 4) == SMALL["text_encoder"]


@pytest.mark.parametrize(("text_s", "picture_s", "kind"), [(0.021, 0.01, "text"), (0.01, 0.021, "picture")])
def test_a_server_that_is_far_sooner_with_a_lone_sample_is_asked(text_s, picture_s, kind):
    row = [np.ones((1, 1), np.float32)]
    with pytest.raises(CapabilityError, match=f"of a lone {kind} 2.1 times as fast"):
        Against(row, row, {"text": (0.01, text_s), "picture": (0.01, picture_s)}).check()
    Against(row, row, {"text": (0.01, 0.019), "picture": (0.01, 0.019)}).check()


def test_encoders_that_hang_at_a_sample_are_not_asked(endpoint, monkeypatch):
    monkeypatch.setattr(against, "ANSWER_S", 3.0)

    class Hangs:
        async def embed_text(self, texts):
            await asyncio.Event().wait()

    async def play():
        upstream = Upstream(endpoint.http)
        try:
            await Against.of(upstream, Hangs())
        finally:
            await upstream.close()

    with pytest.raises(CapabilityError, match="the encoders have been at one text for 3 s"):
        asyncio.run(play())


def test_encoders_wait_for_memory(endpoint, caplog, monkeypatch):
    monkeypatch.setattr(vectors_of_gateway, "AGAIN_S", 0.01)
    free, asked = [0.0, 1e6], []

    def free_mb():
        asked.append(free[min(len(asked), 1)])
        return asked[-1]

    monkeypatch.setattr(vectors_of_gateway, "free_mb", free_mb)

    async def scene(vectors):
        await vectors._opening
        assert vectors.here

    made(endpoint, endpoint.repository, scene)
    said = [record.getMessage().partition(" are ")[2] for record in caplog.records]
    assert said[0].startswith("made by its server, not in this process yet: TransientError: of memory 0 MB are free")
    assert said[1] == "made in this process"
    assert asked == [*free, free[-1]], "before its turn, and when it has it"
