"""Answers of a real server, and what it says to those who ask badly."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import TransientError
from components.serving.client import MAX_BATCH, Client
from components.serving.command import free_ports
from components.serving.endpoint import Endpoint
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.odd_samples import broken_pictures
from components.serving.package import Package
from tests.components.serving.tiny_package import COLOURS, WIDTH, picture


def post(endpoint: Endpoint, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Return status and body, as any program with a URL would get them."""
    request = urllib.request.Request(f"http://{endpoint.http}{path}", data=b"{}", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.read().decode()


@pytest.mark.parametrize("colour", COLOURS)
def test_colour_finds_its_picture(client: Client, colour: str) -> None:
    hits = client.search(f"A {colour.upper()} square")
    assert len(hits) == len(COLOURS)
    assert (hits[0].key, hits[0].text, hits[0].source) == (f"key-{colour}", f"a {colour} square", "tiny")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].score > 0.99 > hits[1].score


def test_top_k_limits_the_answers(client: Client) -> None:
    assert [hit.key for hit in client.search("green", top_k=1)] == ["key-green"]


@pytest.mark.parametrize("top_k", [0, -1, 1001, 10**12])
def test_absurd_top_k_is_refused(client: Client, top_k: int) -> None:
    with pytest.raises(RequestRefused, match="ask for 1 to 1,000"):
        client.search("red", top_k=top_k)


def test_picture_and_word_of_one_colour_meet(client: Client) -> None:
    pictures = client.embed_image([picture(colour) for colour in COLOURS.values()])
    words = client.embed_text(list(COLOURS))
    assert pictures.dtype == words.dtype == np.float32
    assert pictures.shape == words.shape == (len(COLOURS), WIDTH)
    assert ((pictures @ words.T).argmax(axis=1) == np.arange(len(COLOURS))).all()


def test_more_samples_than_a_batch_keep_their_order(client: Client) -> None:
    words = (list(COLOURS) * MAX_BATCH)[: 2 * MAX_BATCH + 1]
    embeds = client.embed_text(words)
    alone = dict(zip(COLOURS, client.embed_text(list(COLOURS)), strict=True))
    np.testing.assert_allclose(embeds, [alone[word] for word in words], atol=1e-6)


@pytest.mark.parametrize("name", broken_pictures())
def test_broken_picture_is_refused_in_one_sentence(client: Client, name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.embed_image([picture((1, 2, 3)), broken_pictures()[name]])
    assert str(refused.value).startswith("embed_image refused the request: picture 1: the bytes are not a picture")
    assert "/" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_broken_picture_harms_nobody_else(client: Client) -> None:
    before = client.embed_image([picture((9, 90, 200))])
    with pytest.raises(RequestRefused):
        client.embed_image([b"no picture"])
    np.testing.assert_array_equal(client.embed_image([picture((9, 90, 200))]), before)


def test_text_that_is_no_unicode_is_refused(client: Client) -> None:
    with pytest.raises(RequestRefused, match="text 1: the bytes are not UTF-8"):
        client.embed_text(["red", "\ud800"])
    with pytest.raises(RequestRefused, match="not UTF-8"):
        client.search("\ud800")


def test_asking_for_nothing_is_refused(client: Client) -> None:
    with pytest.raises(RequestRefused, match="at least one"):
        client.embed_text([])
    with pytest.raises(RequestRefused, match="at least one"):
        client.embed_image([])


def test_server_says_which_package_it_serves(client: Client, package: Path) -> None:
    assert client.package_digest() == Package.verify(package).digest
    assert client.metadata()["name"] == "triton"


def test_silence_is_told_in_a_sentence() -> None:
    with Client(f"127.0.0.1:{free_ports().http}") as client, pytest.raises(TransientError, match="does not answer"):
        client.embed_text(["red"])


def test_unknown_model_is_told_in_a_sentence(client: Client) -> None:
    with pytest.raises((RequestRefused, ServerFailed), match="nowhere"):
        client._infer("nowhere", [])


RESTRICTED = ["/v2/repository/index", "/v2/repository/models/tokenizer/load", "/v2/logging", "/v2/trace/setting"]


@pytest.mark.parametrize("path", RESTRICTED)
def test_administration_is_refused_without_the_key(endpoint: Endpoint, path: str) -> None:
    assert post(endpoint, path)[0] == 403
    assert post(endpoint, path, {"triton-admin": "guess"})[0] == 403


def test_key_opens_the_index_but_nobody_can_load_code(endpoint: Endpoint) -> None:
    key = {"triton-admin": endpoint.key_file.read_text()}
    status, body = post(endpoint, "/v2/repository/index", key)
    assert status == 200
    assert {model["state"] for model in json.loads(body)} == {"READY"}
    status, body = post(endpoint, "/v2/repository/models/tokenizer/load", key)
    assert status == 503
    assert "not allowed" in body
