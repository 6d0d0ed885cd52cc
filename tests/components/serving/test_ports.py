"""Triton's own ports, HTTP and gRPC, asked as nobody should: a clear refusal, nothing of ours named, the same answers afterwards."""

import json
import struct
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from components.serving.command import KEY_HEADER
from components.serving.endpoint import Endpoint
from components.serving.triton_client import TritonClient
from tests.components.serving.tiny_package import LENGTH, SIZE
from tests.plain_grpc import Calls, messages, tensor, text_bytes

RED = text_bytes("red")
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
PIXELS = bytes(4 * 3 * SIZE * SIZE)
Tensor = tuple[str, str, tuple[int, ...], bytes]
WRONG: dict[str, tuple[str, list[Tensor], str]] = {  # what is wrong -> model, tensors, what the answer says of it
    "numbers for text": ("embed_text", [("text", "INT64", (1, 1), bytes(8))], "data-type is 'INT64'"),
    "whole numbers for pixels": ("image_encoder", [("pixel_values", "INT64", (1, 3, SIZE, SIZE), 2 * PIXELS)], "expects 'FP32'"),
    "a long number for top_k": ("image_retrieval", [("text", "BYTES", (1,), RED), ("top_k", "INT64", (1,), bytes(8))], "expects 'INT32'"),
    "a number for the filter": ("image_retrieval", [("text", "BYTES", (1,), RED), ("filter", "FP32", (1,), bytes(4))], "expects 'BYTES'"),
    "a type that there is not": ("embed_text", [("text", "NONSENSE", (1, 1), RED)], "expects 'BYTES'"),
    "another size": ("image_encoder", [("pixel_values", "FP32", (1, 3, SIZE - 1, SIZE), PIXELS[: 12 * (SIZE - 1) * SIZE])], "unexpected shape"),
    "no batch": ("text_encoder", [("input_ids", "INT64", (LENGTH,), bytes(8 * LENGTH))], "unexpected shape"),
    "two of top_k": ("image_retrieval", [("text", "BYTES", (1,), RED), ("top_k", "INT32", (2,), bytes(8))], "unexpected shape"),
    "too many": ("embed_text", [("text", "BYTES", (33, 1), 33 * RED)], "must be <= 32"),
    "none of a text": ("embed_text", [("text", "BYTES", (0, 1), b"")], "got 0"),
    "fewer bytes than said": ("image_encoder", [("pixel_values", "FP32", (1, 3, SIZE, SIZE), bytes(5))], "got 5"),
    "more bytes than said": ("text_encoder", [("input_ids", "INT64", (1, LENGTH), bytes(8 * LENGTH + 16))], "byte size mismatch"),
    "a text cut short": ("embed_text", [("text", "BYTES", (1, 1), struct.pack("<I", 99) + b"red")], "incomplete string data"),
    "another name": ("embed_text", [("words", "BYTES", (1, 1), RED)], "unexpected inference input 'words'"),
    "nothing": ("zero_shot_classifier", [], "but got 0 inputs"),
    "the same twice": ("embed_text", [("text", "BYTES", (1, 1), RED)] * 2, "already exists"),
    "ids beyond the table": ("text_encoder", [("input_ids", "INT64", (1, LENGTH), struct.pack("<q", 10**9) * LENGTH)], "cannot run on this input"),
    "no UTF-8": ("embed_text", [("text", "BYTES", (1, 1), text_bytes(b"\xff"))], "not UTF-8"),
    "no picture": ("embed_image", [("image", "BYTES", (1, 1), text_bytes(b"no"))], "not a picture"),
    "a program for a picture": ("embed_image", [("image", "BYTES", (1, 1), text_bytes(POSTSCRIPT))], "PostScript is a program"),
    "no picture to classify": ("zero_shot_classifier", [("image", "BYTES", (1,), text_bytes(b""))], "not a picture"),
}  # fmt: skip
SECRETS = ("Traceback", "Stacktrace", 'File "', "/tmp", "/root", "/home", ".py", "site-packages", "onnxruntime_pybind")


@pytest.fixture
def calls(endpoint: Endpoint) -> Iterator[Calls]:
    with Calls(endpoint.grpc) as connection:
        yield connection


@pytest.fixture(autouse=True)
def as_before(client: TritonClient) -> Iterator[None]:
    """Whatever a test asks, the server answers afterwards what it did."""
    before = client.embed_text(["a red square"])
    yield
    assert np.array_equal(client.embed_text(["a red square"]), before)
    assert client.search("red", 1)[0].key == "key-red"


def over_http(endpoint: Endpoint, path: str, tensors: list[Tensor]) -> httpx.Response:
    """Ask in Triton's binary form: JSON that describes the tensors, and their bytes behind it."""
    inputs = [
        {"name": name, "datatype": kind, "shape": shape, "parameters": {"binary_data_size": len(raw)}}
        for name, kind, shape, raw in tensors
    ]
    head = json.dumps({"inputs": inputs}).encode()
    return httpx.post(
        f"http://{endpoint.http}/v2/models/{path}/infer", content=head + b"".join(raw for *_, raw in tensors), timeout=60,
        headers={"inference-header-content-length": str(len(head))},
    )  # fmt: skip


def kept_to_itself(said: str) -> None:
    assert not [secret for secret in SECRETS if secret in said], said
    assert len(said) < 1_000


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tensor_is_refused_over_grpc(calls, name):
    model, tensors, said = WRONG[name]
    answer = calls.infer(model, [tensor(*one) for one in tensors])
    assert answer.code == "INVALID_ARGUMENT", answer
    assert said in answer.message
    kept_to_itself(answer.message)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tensor_is_refused_over_http(endpoint, name):
    model, tensors, said = WRONG[name]
    answer = over_http(endpoint, model, tensors)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    kept_to_itself(answer.text)


@pytest.mark.parametrize(
    ("model", "version", "code", "status"),
    [
        ("embed_text", "9", "NOT_FOUND", 404), ("embed_text", "x", "INVALID_ARGUMENT", 404), ("embed_text", "-5", "INVALID_ARGUMENT", 404), ("nowhere", "", "NOT_FOUND", 404),
        ("../embed_text", "", "NOT_FOUND", 404),
    ],
)  # fmt: skip
def test_a_version_or_model_that_there_is_not(endpoint, calls, model, version, code, status):
    its: Tensor = ("text", "BYTES", (1, 1), RED)
    answer = calls.infer(model, [tensor(*its)], version)
    assert answer.code == code, answer
    kept_to_itself(answer.message)
    said = quote(model, safe="").replace(".", "%2e")  # else a client resolves `..` itself
    told = over_http(endpoint, f"{said}/versions/{version}" if version else said, [its])
    assert told.status_code == status, told.text
    kept_to_itself(told.text)


@pytest.mark.parametrize("version", ["", "1"])
def test_what_is_right_is_answered_the_same_by_both(endpoint, calls, client, version):
    own = client.embed_text(["red"])[0]
    answer = calls.infer("embed_text", [tensor("text", "BYTES", (1, 1), RED)], version)
    response = messages.ModelInferResponse.FromString(answer.body)
    assert answer.code == "OK"
    assert np.array_equal(np.frombuffer(response.raw_output_contents[0], "<f4"), own)
    path = f"embed_text/versions/{version}" if version else "embed_text"
    told = over_http(endpoint, path, [("text", "BYTES", (1, 1), RED)]).json()
    assert np.allclose(told["outputs"][0]["data"], own, atol=1e-6)


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a", b"not a message of gRPC"])
def test_bytes_that_are_no_message(endpoint, body):
    with Calls(endpoint.grpc) as calls:
        answer = calls.call("ModelInfer", body)
    assert answer.code in ("INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND"), "INTERNAL is what gRPC's own reader says"
    kept_to_itself(answer.message)


NEEDS_A_KEY = {
    "RepositoryIndex": {}, "RepositoryModelLoad": {"model_name": "tokenizer"}, "RepositoryModelUnload": {"model_name": "tokenizer"},
    "SystemSharedMemoryStatus": {}, "SystemSharedMemoryRegister": {"name": "mine", "key": "/mine", "byte_size": 8}, "SystemSharedMemoryUnregister": {},
    "CudaSharedMemoryStatus": {}, "CudaSharedMemoryRegister": {"name": "mine", "raw_handle": b"x", "byte_size": 8}, "CudaSharedMemoryUnregister": {},
    "LogSettings": {}, "TraceSetting": {},
}  # fmt: skip
GRPC_HEADER = f"triton-grpc-protocol-{KEY_HEADER}"


@pytest.mark.parametrize("method", NEEDS_A_KEY)
def test_administration_over_grpc_asks_for_the_key(endpoint, calls, method):
    request = getattr(messages, f"{method}Request")(**NEEDS_A_KEY[method])
    key = endpoint.key_file.read_text()
    for headers in ({}, {GRPC_HEADER: "guess"}, {GRPC_HEADER: ""}, {KEY_HEADER: key}, {GRPC_HEADER: key[:-1]}):
        answer = calls.call(method, request, headers)
        assert answer.code == "UNAVAILABLE", (headers.keys(), answer)
        assert "restricted" in answer.message
        assert not answer.body
        assert key not in answer.message
    assert "restricted" not in calls.call(method, request, {GRPC_HEADER: key}).message


def test_even_with_the_key_nobody_can_load_code_over_grpc(endpoint, calls):
    key = {GRPC_HEADER: endpoint.key_file.read_text()}
    load = messages.RepositoryModelLoadRequest(model_name="tokenizer")
    load.parameters["config"].string_param = '{"backend": "python"}'
    load.parameters["file:1/model.py"].bytes_param = b"raise SystemExit"
    answer = calls.call("RepositoryModelLoad", load, key)
    assert (answer.code, "not allowed" in answer.message) == ("UNAVAILABLE", True), answer


MEMORY = [
    ("GET", "{kind}/status"), ("GET", "{kind}/region/mine/status"), ("POST", "{kind}/region/mine/register"), ("POST", "{kind}/region/mine/unregister"),
    ("POST", "{kind}/unregister"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["systemsharedmemory", "cudasharedmemory"])
@pytest.mark.parametrize(("way", "path"), MEMORY)
def test_shared_memory_over_http_asks_for_the_key(endpoint, kind, way, path):
    url = f"http://{endpoint.http}/v2/{path.format(kind=kind)}"
    key = endpoint.key_file.read_text()
    body = json.dumps({"key": "/mine", "offset": 0, "byte_size": 8}).encode() if way == "POST" else None
    for headers in ({}, {KEY_HEADER: "guess"}, {KEY_HEADER: ""}, {KEY_HEADER: key[:-1]}):
        answer = httpx.request(way, url, content=body, headers=headers, timeout=30)
        assert answer.status_code == 403, (headers.keys(), answer.text)
        assert key not in answer.text
    assert httpx.request(way, url, content=body, headers={KEY_HEADER: key}, timeout=30).status_code != 403


def test_a_key_is_one_servers_own_and_not_to_be_guessed(endpoint):
    key = endpoint.key_file.read_text()
    assert len(key) >= 40
    assert len(set(key)) > 15
