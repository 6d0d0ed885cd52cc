"""What is asked through a gateway, on a real server: in every shape that clients send, equal to what the server says itself."""

import base64
from asyncio import _get_running_loop

import numpy as np
import pytest

from components.serving.search.catalogue import Catalogue
from tests.components.serving.tiny_package import COLOURS, WIDTH, picture

URI = {name: "data:image/png;base64," + base64.b64encode(picture(colour)).decode() for name, colour in COLOURS.items()}


def embed(http, **body):
    answer = http.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(answer):
    return np.array([one["embedding"] for one in answer["data"]], np.float32)


def test_the_shape_of_openai(http, client):
    answer = embed(http, input=["a red square", "blue"], model="tiny", user="someone")
    assert answer["object"] == "list"
    assert [(one["object"], one["index"]) for one in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert answer["usage"] == {"prompt_tokens": 4, "total_tokens": 4, "num_images": 0}
    assert answer["model"] == "tiny@1"
    assert np.array_equal(rows(answer), client.embed_text(["a red square", "blue"]))


def test_the_shape_of_nv_clip_mixes_texts_and_pictures(http, client):
    answer = embed(http, input=["red", URI["red"], "blue", URI["blue"]], model="tiny@1")
    texts, pictures = (
        client.embed_text(["red", "blue"]),
        client.embed_image([picture(COLOURS[one]) for one in ("red", "blue")]),
    )
    assert np.allclose(rows(answer), [texts[0], pictures[0], texts[1], pictures[1]], atol=1e-6)
    assert answer["usage"]["num_images"] == 2


def said(text):
    return {"type": "text", "text": text}


def shown(colour):
    return {"type": "image_url", "image_url": {"url": URI[colour], "detail": "low"}}


def test_a_conversation_of_vllms_shape_is_one_vector(http, client):
    answer = embed(http, messages=[{"role": "user", "content": [shown("green")]}], model="", encoding_format="float")
    assert [one["index"] for one in answer["data"]] == [0]
    assert np.allclose(rows(answer)[0], client.embed_image([picture(COLOURS["green"])])[0], atol=1e-6)
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0, "num_images": 1}
    answer = embed(http, messages=[{"role": "user", "content": [said("green")]}])
    assert np.allclose(rows(answer), client.embed_text(["green"]), atol=1e-6)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([{"role": "user", "content": "a red square"}], "a red square"),
        ([{"role": "user", "content": [said("a red"), said("square")]}], "a red\nsquare"),
        ([{"role": "system", "content": "a "}, {"role": "user", "content": [said("blue ")]}, {"role": "assistant", "content": "square"}], "a blue square"),
        ([{"role": "user", "content": "green"}, {"role": "assistant", "content": None}, {"role": "tool", "content": []}], "green"),
        ([{"role": "user", "content": "red"}, {"role": "user", "content": "blue"}], "redblue"),
    ],
)  # fmt: skip
def test_words_of_a_conversation_stand_one_behind_the_other_whoever_says_them(http, client, messages, text):
    answer = embed(http, messages=messages)
    assert len(answer["data"]) == 1
    assert np.allclose(rows(answer), client.embed_text([text]), atol=1e-6)


def test_a_picture_may_stand_with_words_that_are_none(http, client):
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": [shown("red"), said(" ")]}]
    assert np.allclose(rows(embed(http, messages=messages)), client.embed_image([picture(COLOURS["red"])]), atol=1e-6)


def test_what_clients_of_others_send_besides_changes_nothing(http, client):
    body = {
        "messages": [{"role": "user", "name": "anna", "content": "red"}], "user": "anna", "continue_final_message": True, "add_special_tokens": True,
        "add_generation_prompt": False, "truncate_prompt_tokens": -1, "priority": 0, "normalize": True, "use_activation": None, "embed_dtype": "float32",
        "endianness": "native", "input_type": "query", "truncate": "END",
    }  # fmt: skip
    assert np.array_equal(rows(embed(http, **body)), client.embed_text(["red"]))


def test_fewer_dimensions_are_the_first_of_unit_length(http, client):
    (short,) = rows(embed(http, input="red", dimensions=4))
    whole = client.embed_text(["red"])[0]
    assert np.allclose(short, whole[:4] / np.linalg.norm(whole[:4]), atol=1e-6)


def test_every_format_is_the_same_vector(http, client):
    (whole,) = client.embed_text(["red"])
    packed = embed(http, input="red", encoding_format="base64")["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), whole)
    (small,) = rows(embed(http, input="red", encoding_format="int8"))
    assert small @ whole / np.linalg.norm(small) > 0.999
    assert np.abs(small).max() == 127
    (bits,) = rows(embed(http, input="red", encoding_format="ubinary")).astype(np.uint8)
    assert np.array_equal(np.unpackbits(bits)[:WIDTH], whole > 0)
    (signed,) = rows(embed(http, input="red", encoding_format="binary"))
    assert np.array_equal(signed, bits.astype(int) - 128)


@pytest.mark.parametrize("colour", COLOURS)
def test_a_picture_has_the_labels_that_the_server_says(http, client, colour):
    answer = http.post("/v1/classify", json={"image": URI[colour], "top_k": 2}).json()
    own = client.classify(picture(COLOURS[colour]), top_k=2)
    assert [one["label"] for one in answer["labels"]] == [one.label for one in own.labels]
    assert [one["score"] for one in answer["labels"]] == pytest.approx([one.score for one in own.labels])
    assert answer["labels"][0]["label"] == colour


def test_labels_and_templates_of_the_request(http):
    body = {"image": URI["red"], "labels": ["red", "a square"], "templates": ["a {} square", "{}"]}
    answer = http.post("/v1/classify", json=body).json()
    assert answer["labels"][0]["label"] == "red"
    assert sum(one["score"] for one in answer["labels"]) == pytest.approx(1)


def test_words_find_pictures_and_a_picture_its_neighbours(http, client):
    hits = http.post("/v1/search", json={"query": "a blue square", "mode": "vector", "top_k": 2}).json()["hits"]
    assert [hit["key"] for hit in hits] == [hit.key for hit in client.search("a blue square", 2)]
    assert [hit["score"] for hit in hits] == pytest.approx(
        [hit.score for hit in client.search("a blue square", 2)], abs=1e-5
    )
    near = http.post("/v1/search", json={"image": URI["green"], "top_k": 1}).json()["hits"]
    assert (near[0]["key"], near[0]["score"]) == ("key-green", pytest.approx(1, abs=1e-3))
    alike = http.post("/v1/search", json={"like": "key-green", "top_k": 1}).json()["hits"]
    assert alike[0]["key"] == "key-green"


def test_both_by_default_and_words_alone_need_no_model(http):
    both = http.post("/v1/search", json={"query": "red"}).json()["hits"]
    assert both[0]["rank"] == {"vector": 1, "words": 1}
    words = http.post("/v1/search", json={"query": "red", "mode": "words"}).json()["hits"]
    assert [(hit["key"], hit["score"]) for hit in words] == [("key-red", None)]
    assert http.post("/v1/search", json={"query": "red", "filter": {"source": ["nobody"]}}).json()["hits"] == []


def test_what_is_served_is_listed(http, endpoint):
    (line,) = http.get("/v1/models").json()["data"]
    assert (line["id"], line["alias"], line["share"], line["space"]) == (
        "tiny@1",
        "champion",
        1,
        endpoint.space,
    )
    assert (line["index"]["pictures"], line["index"]["width"]) == (3, WIDTH)


def test_health_and_counts(http):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready", "model": "tiny@1"}
    embed(http, input="red")
    text = http.get("/metrics").text
    assert 'diptych_requests_total{route="/v1/embeddings",status="200"}' in text
    assert 'diptych_version_requests_total{outcome="answered",version="tiny@1"}' in text


def test_what_it_can_be_filtered_by_is_counted_where_nobody_waits_for_it(start, monkeypatch):
    counted, on_the_loop = Catalogue.facets, []

    def seen(self):
        on_the_loop.append(_get_running_loop() is not None)
        return counted(self)

    monkeypatch.setattr(Catalogue, "facets", seen)
    (line,) = start().get("/v1/models").json()["data"]
    assert line["index"]["filters"]
    assert on_the_loop == [False]
