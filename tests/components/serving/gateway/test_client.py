"""The clients of the gateway, on a real one: what they give is what Triton says, and errors are told apart."""

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

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


def test_photographs_that_are_too_many_for_one_request_have_a_vector_each(gateway, client):
    photographs = [picture(COLOURS[name], 3_500) for name in ("red", "blue")]  # 12 megapixels; a request may have 50
    rows = gateway.embed([photographs[0], "red", *[photographs[1]] * 4, "blue"])
    assert rows.shape == (7, 16)
    assert np.allclose(rows[[0, 5]], client.embed_image(photographs), atol=1e-6)
    assert np.allclose(rows[[1, 6]], client.embed_text(["red", "blue"]), atol=1e-6)


def test_more_bytes_than_a_request_may_have_are_sent_in_several(gateway, client):
    data = io.BytesIO()
    Image.new("RGB", (2_000, 2_000), COLOURS["red"]).save(data, "BMP")  # 12 MB, 16 as they are sent, of 32
    rows = gateway.embed([data.getvalue()] * 3)
    assert np.allclose(rows, client.embed_image([RED])[[0, 0, 0]], atol=1e-3)


def test_a_gateway_that_takes_less_is_asked_for_less(start, client):
    http = start(max_body_mb=0.001)
    with Client(str(http.base_url)) as asked:
        rows = asked.embed(["red", *["blue"] * 600, RED, "red"])
        assert rows.shape == (603, 16)
        assert np.allclose(rows[[0, 300, 602]], client.embed_text(["red", "blue", "red"]), atol=1e-6)
        with pytest.raises(RequestRefused, match=r"MB.*counted from 1 on"):
            asked.embed(["red", "x" * 3_000])


def test_an_input_that_is_wrong_is_named_though_it_went_with_a_later_request(gateway):
    with pytest.raises(RequestRefused, match=r"input\[44\].*counted from 256 on"):
        gateway.embed([*["red"] * 300, " "])
    with pytest.raises(RequestRefused, match=r"10,000"):
        gateway.embed(["red", "x" * 10_001])


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
    photograph = picture(COLOURS["red"], 3_500)

    async def scene() -> list:
        async with AsyncClient(shared) as asked:
            found = await asyncio.gather(
                *(asked.embed([word]) for word in ("red", "blue") * 20), asked.search("red"), asked.classify(RED)
            )
            assert (await asked.embed([photograph] * 5)).shape == (5, 16)
            with pytest.raises(RequestRefused):
                await asked.embed([])
            return found

    *rows, hits, labels = asyncio.run(scene())
    assert np.allclose(np.concatenate(rows)[:2], client.embed_text(["red", "blue"]), atol=1e-6)
    assert (hits[0].key, labels.labels[0].label) == ("key-red", "red")
