"""Answers of a real server, and what it says to those who ask badly."""

import json
import socket
import struct
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import TransientError
from components.serving.command import free_ports
from components.serving.endpoint import Endpoint
from components.serving.errors import RequestRefused, ServerFailed
from components.serving.labels import Labels
from components.serving.odd_samples import broken_pictures
from components.serving.package import Package
from components.serving.triton_client import MAX_BATCH, TritonClient, bytes_of, tensor_of
from tests.components.serving.tiny_package import COLOURS, SCALE, SHARPNESS, WIDTH, picture


def post(endpoint: Endpoint, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Return status and body, as any program with a URL would get them."""
    request = urllib.request.Request(f"http://{endpoint.http}{path}", data=b"{}", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.read().decode()


@pytest.mark.parametrize("colour", COLOURS)
def test_colour_finds_its_picture(client: TritonClient, colour: str) -> None:
    hits = client.search(f"A {colour.upper()} square")
    assert len(hits) == len(COLOURS)
    assert (hits[0].key, hits[0].text, hits[0].source) == (f"key-{colour}", f"a {colour} square", "tiny")
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].score > 0.99 > hits[1].score


def test_top_k_limits_the_answers(client: TritonClient) -> None:
    assert [hit.key for hit in client.search("green", top_k=1)] == ["key-green"]


@pytest.mark.parametrize("top_k", [0, -1, 1001, 10**12])
def test_absurd_top_k_is_refused(client: TritonClient, top_k: int) -> None:
    with pytest.raises(RequestRefused, match="ask for 1 to 1,000"):
        client.search("red", top_k=top_k)


@pytest.mark.parametrize(
    ("where", "keys"),
    [
        ({"split": ["train"]}, {"key-green", "key-blue"}), ({"source": ["tiny"]}, {f"key-{colour}" for colour in COLOURS}), ({"source": ["nobody"]}, set()),
        ({"category": ["warm", "cold"], "split": ["train"]}, {"key-green"}), ({"category": [""]}, set()),
    ],
)  # fmt: skip
def test_a_filter_leaves_pictures_that_have_one_of_its_values(client: TritonClient, where: dict, keys: set) -> None:
    hits = client.search("a red square", where=where)
    assert {hit.key for hit in hits} == keys
    every = {hit.key: hit.score for hit in client.search("a red square")}
    assert [hit.score for hit in hits] == sorted((every[key] for key in keys), reverse=True)
    assert [hit.key for hit in client.search("a red square", top_k=1, where=where)] == [hit.key for hit in hits[:1]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source=tiny", "the filter is not JSON"), ('{"licence": ["CC0"]}', "no column 'licence' to filter by; it has source, split, category"),
        ('{"key": ["key-red"]}', "no column 'key'"), ('{"source": "tiny"}', "no list of texts"), ("\ud800", "not UTF-8"), ("[" * 90_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_bad_filter_is_refused_in_one_sentence(client: TritonClient, text: str, said: str) -> None:
    inputs = [tensor_of("text", [b"red"], (1,)), tensor_of("filter", [bytes_of(text)], (1,))]
    with pytest.raises(RequestRefused) as refused:
        client._infer("image_retrieval", inputs)
    assert said in str(refused.value)
    assert "/" not in str(refused.value)
    assert client.search("red", 1)[0].key == "key-red"


def test_picture_and_word_of_one_colour_meet(client: TritonClient) -> None:
    pictures = client.embed_image([picture(colour) for colour in COLOURS.values()])
    words = client.embed_text(list(COLOURS))
    assert pictures.dtype == words.dtype == np.float32
    assert pictures.shape == words.shape == (len(COLOURS), WIDTH)
    assert ((pictures @ words.T).argmax(axis=1) == np.arange(len(COLOURS))).all()


def test_more_samples_than_a_batch_keep_their_order(client: TritonClient) -> None:
    words = (list(COLOURS) * MAX_BATCH)[: 2 * MAX_BATCH + 1]
    embeds = client.embed_text(words)
    alone = dict(zip(COLOURS, client.embed_text(list(COLOURS)), strict=True))
    np.testing.assert_allclose(embeds, [alone[word] for word in words], atol=1e-6)


@pytest.mark.parametrize("name", broken_pictures())
def test_broken_picture_is_refused_in_one_sentence(client: TritonClient, name: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.embed_image([picture((1, 2, 3)), broken_pictures()[name]])
    assert str(refused.value).startswith("embed_image refused the request: picture 1: the bytes are not a picture")
    assert "/" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_broken_picture_harms_nobody_else(client: TritonClient) -> None:
    before = client.embed_image([picture((9, 90, 200))])
    with pytest.raises(RequestRefused):
        client.embed_image([b"no picture"])
    np.testing.assert_array_equal(client.embed_image([picture((9, 90, 200))]), before)


def test_text_that_is_no_unicode_is_refused(client: TritonClient) -> None:
    with pytest.raises(RequestRefused, match="text 1: the bytes are not UTF-8"):
        client.embed_text(["red", "\ud800"])
    with pytest.raises(RequestRefused, match="not UTF-8"):
        client.search("\ud800")


@pytest.mark.parametrize("colour", COLOURS)
def test_picture_gets_the_packages_own_labels(client: TritonClient, colour: str) -> None:
    answer = client.classify(picture(COLOURS[colour]))
    assert {label.label for label in answer.labels} == set(COLOURS)
    assert answer.labels[0].label == colour
    assert answer.encoded == 0, "their vectors come with the package"
    scores = [label.score for label in answer.labels]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)


def test_picture_gets_the_labels_of_the_request(client: TritonClient) -> None:
    answer = client.classify(picture(COLOURS["red"]), ["a blue square", "a red square"], ["{}"])
    assert [label.label for label in answer.labels] == ["a red square", "a blue square"]


def test_labels_asked_again_encode_no_text_again(client: TritonClient) -> None:
    labels, templates = ["red red", "blue blue", "green green"], ["{} a", "square {}"]
    first = client.classify(picture(COLOURS["red"]), labels, templates)
    again = client.classify(picture(COLOURS["blue"]), labels[::-1], templates)
    assert (first.encoded, again.encoded) == (6, 0)
    assert (first.labels[0].label, again.labels[0].label) == ("red red", "blue blue")
    assert client.classify(picture(COLOURS["red"]), [*labels, "a a"], templates).encoded == 2


def test_own_labels_can_be_put_otherwise_and_be_fewer(client: TritonClient) -> None:
    assert {label.label for label in client.classify(picture((9, 9, 9)), templates=["{} {0}"]).labels} == set(COLOURS)
    few = client.classify(picture(COLOURS["green"]), ["blue", "green"])
    assert ([label.label for label in few.labels], few.encoded) == (["green", "blue"], 0)


def test_a_label_of_several_vectors_has_the_sum_of_their_shares(client: TritonClient, package: Path) -> None:
    grey = picture((120, 110, 130))
    labels, image = Labels.read(package), client.embed_image([grey])[0]
    assert labels.counts == (1, 2, 1)
    powers = np.exp(SCALE * SHARPNESS * (labels.vectors @ image))
    shares = np.array([powers[0], powers[1] + powers[2], powers[3]]) / powers.sum()
    answer = {label.label: label.score for label in client.classify(grey).labels}
    assert [answer[colour] for colour in labels.labels] == pytest.approx(shares, abs=1e-4)


def test_beside_a_label_of_the_request_an_own_one_has_no_more_vectors(client: TritonClient, package: Path) -> None:
    grey = picture((120, 110, 130))
    vectors, image = Labels.read(package).vectors, client.embed_image([grey])[0]
    mean = (vectors[1] + vectors[2]) / np.linalg.norm(vectors[1] + vectors[2])
    powers = np.exp(SCALE * np.array([mean @ image, client.embed_text(["a new square"])[0] @ image]))
    answer = {label.label: label.score for label in client.classify(grey, ["green", "new"]).labels}
    assert answer["green"] == pytest.approx(powers[0] / powers.sum(), abs=1e-4)


def test_templates_are_averaged(client: TritonClient) -> None:
    """Prompts of two colours lie between them, so a picture of either is as near."""
    words = client.embed_text(["red blue", "red green"])
    image = client.embed_image([picture(COLOURS["red"])])[0]
    mean = words.mean(axis=0) / np.linalg.norm(words.mean(axis=0))
    logits = SCALE * np.array([mean @ image, client.embed_text(["blue"])[0] @ image])
    answer = client.classify(picture(COLOURS["red"]), ["red", "blue"], ["{} blue", "{} green"])
    other = client.embed_text(["blue blue", "blue green"]).mean(axis=0)
    logits[1] = SCALE * (other / np.linalg.norm(other)) @ image
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert {label.label: label.score for label in answer.labels} == pytest.approx(
        {"red": shares[0], "blue": shares[1]}, abs=1e-4
    )


def test_top_k_limits_the_labels_but_not_what_they_share(client: TritonClient) -> None:
    grey = picture((120, 110, 130))
    everything, best = client.classify(grey), client.classify(grey, top_k=1)
    assert best.labels == everything.labels[:1]
    assert best.labels[0].score < 1


@pytest.mark.parametrize(
    ("labels", "templates", "said"),
    [
        ([], None, "no labels at all"),
        (["red"], [], "no templates at all"),
        (["red", "\ud800"], None, "the labels are not UTF-8"),
        (["red"], ["\ud800 {}"], "the templates are not UTF-8"),
        (["red", ""], None, "label 1 is blank"),
        (["red\nblue"], None, "line break"),
        (["red", "red"], None, "twice"),
        (["x" * 201], None, "201 characters"),
        ([str(number) for number in range(1_001)], None, "1,001 labels"),
        (["red"], ["no place"], "needs {} once"),
        ([str(number) for number in range(1_000)], ["{} " + "a" * number for number in range(5)], "5,000 prompts"),
    ],
)
def test_bad_labels_are_refused_in_one_sentence(
    client: TritonClient, labels: list[str], templates: list[str] | None, said: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        client.classify(picture((1, 2, 3)), labels, templates)
    assert str(refused.value).startswith("zero_shot_classifier ")
    assert said in str(refused.value)
    assert "/" not in str(refused.value)
    assert client.classify(picture(COLOURS["red"])).labels[0].label == "red", "it harms nobody else"


@pytest.mark.parametrize("name", broken_pictures())
def test_broken_picture_is_not_classified(client: TritonClient, name: str) -> None:
    with pytest.raises(RequestRefused, match="refused the request: the bytes are not a picture"):
        client.classify(broken_pictures()[name])


@pytest.mark.parametrize("top_k", [0, 1001, 10**12])
def test_absurd_number_of_labels_is_refused(client: TritonClient, top_k: int) -> None:
    with pytest.raises(RequestRefused, match="ask for 1 to 1,000 labels"):
        client.classify(picture((1, 2, 3)), top_k=top_k)


def test_asking_for_nothing_is_refused(client: TritonClient) -> None:
    with pytest.raises(RequestRefused, match="at least one"):
        client.embed_text([])
    with pytest.raises(RequestRefused, match="at least one"):
        client.embed_image([])


def test_server_says_which_package_it_serves(client: TritonClient, package: Path) -> None:
    assert client.package_digest() == Package.verify(package).digest
    assert client.metadata()["name"] == "triton"


def test_silence_is_told_in_a_sentence() -> None:
    with (
        TritonClient(f"127.0.0.1:{free_ports().http}") as client,
        pytest.raises(TransientError, match="does not answer"),
    ):
        client.embed_text(["red"])


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"220 mail\r\n"]
)
@pytest.mark.parametrize("reset", [False, True])
def test_server_that_ends_while_it_answers_is_told_in_a_sentence(answer: bytes, reset: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_and_end() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)
                if reset:  # no linger: what the kernel does for a process that was killed
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        ending = threading.Thread(target=answer_and_end)
        ending.start()
        with (
            TritonClient(f"127.0.0.1:{server.getsockname()[1]}") as client,
            pytest.raises(TransientError, match="not answer"),
        ):
            client.search("red")
        ending.join()


def test_unknown_model_is_told_in_a_sentence(client: TritonClient) -> None:
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
