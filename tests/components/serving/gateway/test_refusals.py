"""What a gateway will not take: each a clear 4xx with a code, nothing of ours named, and healthy afterwards."""

import base64
import io
import json
import socket
import struct
import zlib
from contextlib import ExitStack, suppress

import httpx
import numpy as np
import pytest
from PIL import Image

from components.data.transforms.preprocess import JPEG
from components.serving.gateway.feedback import feedback_file
from components.serving.gateway.pictures_in import scans_of
from tests.components.serving.tiny_package import COLOURS, picture


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def encoded(image: Image.Image, how: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, how, **options)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A PNG whose header promises side x side pixels, with none of them behind it."""
    header = b"IHDR" + side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    pixels = b"IDAT" + zlib.compress(b"")
    chunks = (
        (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big") for part in (header, pixels)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


SHORT, LONG = 3, 4


def tile(width: int, length: int, kind: int = LONG) -> bytes:
    """A TIFF of one grey pixel that says it lies in a tile of so many pixels; `kind` is of the number of its width."""
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 277: 1, 322: width, 323: length, 324: 8, 325: 1}
    kinds = {322: kind, 323: LONG, 324: LONG, 325: LONG}
    entries = [struct.pack("<HHII", tag, kinds.get(tag, SHORT), 1, value) for tag, value in tags.items()]
    return b"II*\0" + struct.pack("<I", 10) + b"\0\0" + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


RED = picture(COLOURS["red"])
PICTURE = {"type": "image_url", "image_url": {"url": uri(RED)}}
BAD_PICTURES = {
    "html": (b"<!DOCTYPE html><html><body>hello</body></html>", 415, "unsupported_image"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "unsupported_image"),
    "text": (b"not a picture", 415, "unsupported_image"),
    "20,000 x 20,000": (bomb(20_000), 413, "image_too_large"),
    "6,000 x 6,000": (bomb(6_000), 413, "image_too_large"),
    "one pixel of a huge tile": (tile(30_000, 30_000), 413, "image_too_large"),
    **{
        f"a tile whose width is no number but {kind}": (tile(1, 2**32 - 1, number), 415, "unsupported_image")
        for kind, number in {"a byte": 1, "a text": 2, "undefined": 7}.items()
    },
    "cut": (RED[: len(RED) // 2], 400, "invalid_image"),
    "script for a printer": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "unsupported_image"),
}
GOOD_PICTURES = {
    "CMYK": encoded(Image.new("CMYK", (40, 40), (0, 230, 230, 25)), "JPEG"),
    "16 bits": encoded(Image.fromarray(np.full((40, 40), 50_000, np.uint16)), "PNG"),
    "animated": encoded(
        Image.new("RGB", (40, 40), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 40), "blue")]
    ),
    **{how: encoded(Image.new("RGB", (40, 40)), how) for how in ("WEBP", "TIFF", "BMP", "JPEG")},
    "two in one": encoded(Image.new("RGB", (40, 40)), "MPO", save_all=True, append_images=[Image.new("RGB", (40, 40))]),
    "a palette": encoded(Image.new("P", (40, 40)), "PNG"),
    "one pixel": encoded(Image.new("RGB", (1, 1)), "PNG"),
}


def refused(answer, status: int, code: str) -> str:
    """Check the answer's form, and return its sentence."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    for secret in ("Traceback", "/tmp", ".py", "site-packages", "/root", "repository"):
        assert secret not in error["message"]
    return error["message"]


@pytest.mark.parametrize("name", BAD_PICTURES)
@pytest.mark.parametrize("route", ["/v1/embeddings", "/v1/classify", "/v1/search"])
def test_a_bad_picture_is_refused(http, route, name):
    data, status, code = BAD_PICTURES[name]
    body = {"input": [uri(RED), uri(data)]} if route == "/v1/embeddings" else {"image": uri(data)}
    said = refused(http.post(route, json=body), status, code)
    assert route != "/v1/embeddings" or "1" in said  # which of them
    assert http.get("/readyz").status_code == 200


@pytest.mark.parametrize("name", GOOD_PICTURES)
def test_an_odd_picture_is_taken(http, name):
    assert http.post("/v1/embeddings", json={"input": [uri(GOOD_PICTURES[name])]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"input": []}, "invalid_request"), ({"input": [1, 2]}, "invalid_request"), ({}, "invalid_request"), ({"input": [["a"]]}, "invalid_request"),
        ({"input": ["red"] * 257}, "invalid_request"), ({"input": ""}, "empty_text"), ({"input": " \n"}, "empty_text"), ({"input": "a\0b"}, "bad_text"),
        ({"input": "red", "messages": []}, "invalid_request"), ({"input": "red", "dimensions": 0}, "invalid_request"),
        ({"input": "red", "dimensions": 17}, "bad_dimensions"), ({"input": "red", "encoding_format": "bits"}, "invalid_request"),
        ({"input": "data:image/png;base64,"}, "empty_image"), ({"input": "data:image/png;base64,§§"}, "bad_base64"), ({"input": "data:image/png,abc"}, "bad_data_uri"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, "remote_image"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}, "remote_image"),
        ({"input": ["red", "https://example.org/cat.png"]}, "remote_image"), ({"input": "FILE:///etc/passwd"}, "remote_image"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "invalid_request"), ({"messages": []}, "invalid_request"),
        ({"messages": [{"role": "user", "content": "red"}, {"role": "user", "content": [PICTURE]}]}, "mixed_conversation"),
        ({"messages": [{"role": "user", "content": [PICTURE, {"type": "text", "text": "red"}]}]}, "mixed_conversation"),
        ({"messages": [{"role": "user", "content": [PICTURE, PICTURE]}]}, "several_pictures"),
        ({"messages": [{"role": "user", "content": [PICTURE]}, {"role": "assistant", "content": [PICTURE]}]}, "several_pictures"),
        ({"messages": [{"role": "user", "content": []}]}, "empty_text"), ({"messages": [{"role": "user", "content": None}]}, "empty_text"),
        ({"messages": [{"role": "user", "content": "a\0b"}]}, "bad_text"), ({"messages": [{"role": "", "content": "a"}]}, "invalid_request"),
        ({"input": "red", "normalize": False}, "invalid_request"), ({"input": "red", "use_activation": False}, "invalid_request"),
        ({"input": "red", "chat_template": "{{ messages }}"}, "invalid_request"), ({"input": "red", "embed_dtype": "float16"}, "invalid_request"),
        ({"input": "red", "endianness": "big"}, "invalid_request"), ({"input": "red", "encoding_format": "bytes"}, "invalid_request"),
    ],
)  # fmt: skip
def test_what_cannot_be_embedded(http, body, code):
    refused(http.post("/v1/embeddings", json=body), 400, code)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"labels": []}, "bad_labels"), ({"labels": ["x"] * 2}, "bad_labels"), ({"labels": [f"l{at}" for at in range(10_000)]}, "bad_labels"),
        ({"labels": [" "]}, "bad_labels"), ({"labels": ["a" * 201]}, "bad_labels"), ({"labels": ["a\nb"]}, "bad_labels"), ({"templates": ["none"]}, "bad_labels"),
        ({"top_k": 0}, "invalid_request"), ({"top_k": 10**30}, "invalid_request"), ({"top_k": "many"}, "invalid_request"), ({"image": 7}, "invalid_request"),
    ],
)  # fmt: skip
def test_what_cannot_be_classified(http, body, code):
    refused(http.post("/v1/classify", json={"image": uri(RED), **body}), 400, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"), ({"query": "a", "like": "b"}, 400, "invalid_request"), ({"query": "a", "filter": {"nope": ["x"]}}, 400, "bad_filter"),
        ({"query": "a", "filter": {"source": []}}, 400, "invalid_request"), ({"query": "a", "filter": {f"c{at}": ["x"] for at in range(300)}}, 400, "invalid_request"),
        ({"query": "a", "filter": {"source": ["x" * 1001]}}, 400, "bad_filter"), ({"like": "nobody"}, 404, "no_picture"), ({"query": "a", "mode": "guess"}, 400, "invalid_request"),
        ({"query": "a", "model": "tiny@9"}, 404, "model_not_found"), ({"query": "a", "model": "challenger"}, 404, "model_not_found"),
    ],
)  # fmt: skip
def test_what_cannot_be_searched(http, body, status, code):
    refused(http.post("/v1/search", json=body), status, code)


@pytest.mark.parametrize("field", ["labels", "templates"])
def test_of_many_labels_that_are_none_the_first_is_told_alone(http, field):
    body = {"image": uri(RED), "labels": ["a", "b"], field: [1] * 10_000}
    said = refused(http.post("/v1/classify", json=body), 400, "invalid_request")
    assert f"{field}.0" in said
    assert "more)" not in said, "an error for each would fill a memory"


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/v1/search", b'{"query": 5}', "query: "), ("/v1/search", b'{"filter": {"path": [5]}}', "filter.path.0: "), ("/v1/search", b'{"top_k": 0}', "top_k: "),
        ("/v1/feedback", b'{"query": 5, "key": "key-red", "vote": "up"}', "query: "), ("/v1/embeddings", b"[]", "The body: "),
        ("/v1/embeddings", b'{"input":', "The body, at character 9: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_called_by_its_place_in_the_body(http, path, body, where):
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert refused(answer, 400, "invalid_request").startswith(where)


def test_what_is_wrong_in_an_address_is_called_by_its_name(http):
    said = refused(http.get("/v1/pictures/key-red?side=large"), 400, "invalid_request")
    assert said.startswith("side: ")


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"{", b"", b"[]", b"null", b'"red"', b"[" * 100_000])
def test_a_body_that_is_no_request(http, body):
    said = http.post("/v1/embeddings", content=body, headers={"content-type": "application/json"})
    assert said.json()["error"]["code"] in ("invalid_json", "invalid_request")
    assert said.status_code == 400


def test_half_of_a_surrogate_pair(http):
    refused(
        http.post("/v1/embeddings", content=b'{"input": "\\ud800"}', headers={"content-type": "application/json"}),
        400,
        "bad_text",
    )


def test_a_text_of_a_megabyte(http):
    refused(http.post("/v1/embeddings", json={"input": "word " * 200_000}), 413, "text_too_long")


def test_a_body_of_100_megabytes_whether_it_says_so_or_not(http):
    large = b'{"input": "' + b"a" * 100_000_000 + b'"}'
    refused(http.post("/v1/embeddings", content=large), 413, "body_too_large")

    def parts():
        for at in range(0, len(large), 2**20):
            yield large[at : at + 2**20]

    with suppress(httpx.WriteError, httpx.ReadError):  # the connection may be closed before all is sent
        refused(http.post("/v1/embeddings", content=parts()), 413, "body_too_large")
    assert http.get("/readyz").status_code == 200


def test_pictures_that_are_small_and_many_but_huge_together(http):
    large = encoded(Image.new("P", (4_900, 4_900)), "PNG")
    assert len(large) < 10_000
    refused(http.post("/v1/embeddings", json={"input": [uri(large)] * 3}), 413, "image_too_large")


def test_a_broken_picture_is_called_by_its_place_among_all_inputs(http):
    cut = BAD_PICTURES["cut"][0]
    said = refused(
        http.post("/v1/embeddings", json={"input": ["red", "blue", uri(RED), uri(cut), "green"]}), 400, "invalid_image"
    )
    assert "input 3, a picture" in said


def test_a_filter_that_is_no_unicode(http):
    body = b'{"query": "red", "filter": {"source": ["\\ud800"]}}'
    refused(http.post("/v1/search", content=body, headers={"content-type": "application/json"}), 400, "bad_filter")


def test_a_body_that_does_not_come_is_not_waited_for_and_holds_no_place(start, monkeypatch):
    monkeypatch.setattr("components.serving.gateway.border.BODY_S", 1.0)
    client = start(in_flight=2)
    address = (client.base_url.host, client.base_url.port)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address)) for _ in range(8)]
        for one in slow:
            one.sendall(b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        assert client.post("/v1/embeddings", json={"input": "red"}).status_code == 200
        assert b" 408 " in slow[0].recv(4_096)


def test_addresses_and_ways_that_there_are_not(http):
    refused(http.get("/v1/nothing"), 404, "not_found")
    refused(http.get("/v1/embeddings"), 405, "method_not_allowed")
    refused(http.get("/v1/pictures/nobody"), 404, "no_picture")
    refused(http.get("/v1/pictures/..%2f..%2fetc%2fpasswd"), 404, "no_picture")
    assert http.get("/page/..%2fapp.py").status_code == 404


def test_a_name_that_is_not_its_own(http, start):
    refused(http.get("/healthz", headers={"host": "evil.example"}), 403, "wrong_host")
    assert http.get("/healthz", headers={"host": "localhost:8800"}).status_code == 200
    allowed = start(hosts=("models.example",))
    assert allowed.get("/healthz", headers={"host": "models.example"}).status_code == 200


def test_deadlines(http):
    refused(http.post("/v1/embeddings", json={"input": "red"}, headers={"x-deadline-ms": "soon"}), 400, "bad_deadline")
    many = {"input": [f"red square {at}" for at in range(256)]}
    late = http.post("/v1/embeddings", json=many, headers={"x-deadline-ms": "1"})
    refused(late, 504, "deadline_exceeded")
    assert http.post("/v1/embeddings", json={"input": "red"}, headers={"x-deadline-ms": "5000"}).status_code == 200


def test_too_much_at_once_is_turned_away_and_the_rest_answered(start):
    from concurrent.futures import ThreadPoolExecutor

    client = start(in_flight=2)
    many = {"input": [f"red square {at}" for at in range(200)]}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/embeddings", json=many), range(48)))
    turned = [answer for answer in answers if answer.status_code != 200]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert refused(turned[0], 503, "overloaded")
    assert turned[0].headers["retry-after"] == "1"
    assert client.post("/v1/embeddings", json={"input": "red"}).status_code == 200


def test_every_answer_has_a_number_of_the_callers_or_a_new_one(http):
    assert http.get("/healthz", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    odd = http.get("/healthz", headers={"x-request-id": "<script>"}).headers["x-request-id"]
    assert len(odd) == 24


ANY_KEY = {"key": "key-red", "like": "key-red"}  # of the index that is served here, in place of the example's


def bodies(about: dict) -> dict[str, dict]:
    """Return the schema of each request that has a body, by its route."""
    return {
        path: about["components"]["schemas"][
            its["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        ]
        for path, its in about["paths"].items()
        if "requestBody" in its.get("post", {})
    }


def test_each_example_of_the_description_is_answered(http, workspace):
    described = bodies(http.get("/openapi.json").json())
    assert set(described) == {"/v1/embeddings", "/v1/classify", "/v1/search", "/v1/feedback"}
    try:
        for path, schema in described.items():
            examples = schema["examples"]
            for name, field in schema[
                "properties"
            ].items():  # what a field alone gives as its example, within a whole one
                examples += [
                    next(one for one in examples if name in one) | {name: its} for its in field.get("examples", ())
                ]
            assert len(examples) > 1
            for body in examples:
                answer = http.post(path, json=body | {name: key for name, key in ANY_KEY.items() if name in body})
                assert answer.status_code == 200, (path, body, answer.text)
    finally:
        feedback_file(workspace).unlink(missing_ok=True)


def test_the_description_has_an_example_and_every_refusal(http):
    about = json.loads(http.get("/openapi.json").text)
    assert set(about["paths"]) >= {
        "/v1/embeddings",
        "/v1/classify",
        "/v1/search",
        "/v1/models",
        "/v1/feedback",
        "/healthz",
        "/readyz",
    }
    request = about["components"]["schemas"]["EmbeddingRequest"]["properties"]
    assert request["input"]["examples"]
    assert {"400", "401", "404", "413", "415", "429", "503"} <= set(
        about["paths"]["/v1/embeddings"]["post"]["responses"]
    )


RED_JPEG = encoded(Image.new("RGB", (40, 40), "red"), "JPEG")


def scans(count: int) -> bytes:
    """Return a progressive JPEG with so many scans more than it needs, each of which repeats the last one's bytes."""
    whole = encoded(Image.new("RGB", (40, 40), "red"), "JPEG", progressive=True)
    last, end = whole.rindex(b"\xff\xda"), whole.rindex(b"\xff\xd9")
    return whole[:end] + count * whole[last:end] + whole[end:]


def test_a_jpeg_of_endless_scans_is_refused(http):
    few, many = (http.post("/v1/embeddings", json={"input": uri(scans(count))}) for count in (10, 100))
    assert few.status_code == 200
    assert "more than 100 scans" in refused(many, 415, "unsupported_image")
    markers = RED_JPEG[:2] + 10_001 * b"\xff\xfe\x00\x02" + RED_JPEG[2:]  # comments without a word
    refused(http.post("/v1/embeddings", json={"input": uri(markers)}), 415, "unsupported_image")


@pytest.mark.parametrize("name", GOOD_PICTURES)
def test_a_run_of_markers_is_passed_once(name):
    """Else each place of a run would look at all behind it: half a megabyte of them for longer than a test may take."""
    run = b"\xff" * 500_000
    assert scans_of(JPEG + run + b"\x00" + b"\xff\xda\x00\x02" + b"\xff\xd9") == 1
    if GOOD_PICTURES[name].startswith(JPEG):
        at = len(JPEG) - 1
        assert scans_of(GOOD_PICTURES[name][:at] + b"\xff" * 9 + GOOD_PICTURES[name][at:]) == scans_of(
            GOOD_PICTURES[name]
        )


def test_what_lies_behind_a_jpeg_or_in_its_notes_is_no_scan_of_it(http):
    """As a phone puts a film behind a picture, and a small copy into it."""
    noted = RED_JPEG[:2] + b"\xff\xe1\x03\xea" + 500 * b"\xff\xda" + RED_JPEG[2:]
    for data in (RED_JPEG + 500 * b"\xff\xda", noted):
        assert http.post("/v1/embeddings", json={"input": uri(data)}).status_code == 200
