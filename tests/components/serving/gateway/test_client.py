"""The clients of the gateway, on a real one: what they give is what Triton says, and errors are told apart."""

import asyncio

import numpy as np
import pytest

from components.contracts.errors import TransientError
from components.serving import AsyncClient, Client
from components.serving.command import free_ports
from components.serving.errors import RequestRefused
from tests.components.serving.tiny_package import COLOURS, picture

RED = picture(COLOURS["red"])


@pytest.fixture
def gateway(shared):
    with Client(shared) as client:
        yield client


def test_texts_and_pictures_keep_their_order_over_many_requests(gateway, client):
    rows = gateway.embed(["red", RED, *["blue"] * 300, RED])
    assert rows.shape == (303, 16)
    assert np.allclose(rows[[1, 302]], client.embed_image([RED]), atol=1e-6)
    assert np.allclose(rows[[0, 2]], client.embed_text(["red", "blue"]), atol=1e-6)
    assert gateway.embed(["red"], dimensions=4).shape == (1, 4)


def test_labels_and_pictures(gateway, client):
    assert gateway.classify(RED, top_k=2).labels[0].label == "red"
    assert gateway.classify(RED, ["red", "cat"], ["a {} square"]).labels[0].label == "red"
    assert gateway.search("a blue square", mode="vector")[0].key == client.search("a blue square")[0].key
    assert gateway.search(RED, where={"source": ["tiny"]}, top_k=1)[0].key == "key-red"
    assert gateway.search("red", mode="words")[0].score is None


def test_what_is_refused_is_the_callers_and_what_is_not_there_may_come_back(gateway):
    for wrong in (
        lambda: gateway.embed([]),
        lambda: gateway.embed("red"),
        lambda: gateway.embed([" "]),
        lambda: gateway.classify(b"x"),
    ):
        with pytest.raises(RequestRefused):
            wrong()
    with (
        Client(f"http://127.0.0.1:{free_ports().http}") as nobody,
        pytest.raises(TransientError, match="does not answer"),
    ):
        nobody.embed(["red"])


def test_many_at_once(shared, client):
    async def scene() -> list:
        async with AsyncClient(shared) as asked:
            found = await asyncio.gather(
                *(asked.embed([word]) for word in ("red", "blue") * 20), asked.search("red"), asked.classify(RED)
            )
            with pytest.raises(RequestRefused):
                await asked.embed([])
            return found

    *rows, hits, labels = asyncio.run(scene())
    assert np.allclose(np.concatenate(rows)[:2], client.embed_text(["red", "blue"]), atol=1e-6)
    assert (hits[0].key, labels.labels[0].label) == ("key-red", "red")
