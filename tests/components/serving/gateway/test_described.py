"""/openapi.json: every answer has a schema and an example that fits it, and what real answers hold is what the schema says."""

import base64

import pytest
from pydantic import BaseModel

from components.serving.gateway import classify, embeddings, feedback, health, models, search
from components.serving.gateway.answers import REFUSALS, Refused
from tests.components.serving.gateway.conftest import description
from tests.components.serving.tiny_package import COLOURS, picture

URI = f"data:image/png;base64,{base64.b64encode(picture(COLOURS['red'])).decode()}"
ANSWERS: dict[str, type[BaseModel]] = {
    "/v1/embeddings": embeddings.Embeddings, "/v1/classify": classify.Classification, "/v1/search": search.Hits, "/v1/models": models.Lines,
    "/v1/feedback": feedback.Kept, "/healthz": health.Lives, "/readyz": health.Ready,
}  # fmt: skip


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The description, as a client reads it."""
    return description(tmp_path_factory.mktemp("described"))


def operations(said):
    return {(way, path): its for path, ways in said["paths"].items() for way, its in ways.items()}


def test_every_answer_has_a_schema_and_an_example(said):
    schemas = said["components"]["schemas"]
    for where, operation in operations(said).items():
        (content,) = operation["responses"]["200"]["content"].items()
        kind, its = content
        assert its["schema"], where
        if kind == "application/json":
            schema = schemas[its["schema"]["$ref"].rpartition("/")[2]]
            assert schema["examples"], where
            assert schema["additionalProperties"] is False, where
            for example in schema["examples"]:
                ANSWERS[where[1]].model_validate(example)
    assert {path for _, path in operations(said)} - set(ANSWERS) == {"/metrics", "/v1/pictures/{key}"}


def test_every_body_has_examples(said):
    for where, operation in operations(said).items():
        if where[0] == "post":
            name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert said["components"]["schemas"][name]["examples"], where


def test_statuses_are_those_that_are_given(said):
    for where, operation in operations(said).items():
        given = set(operation["responses"]) - {"200"}
        assert "422" not in given, where
        if where[1].startswith("/v1/"):
            kept = {"304"} if where[1].startswith("/v1/pictures/") else set()
            assert given == {str(status) for status in REFUSALS} | kept, where
            assert {"409", "413", "504"} <= given, where
    assert not {"HTTPValidationError", "ValidationError"} & set(said["components"]["schemas"])
    for example in said["components"]["schemas"]["Refused"]["examples"]:
        Refused.model_validate(example)


def test_it_says_how_a_key_is_sent(said):
    schemes = said["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["header"]["in"], schemes["header"]["name"]) == ("header", "x-api-key")
    for where, operation in operations(said).items():
        asked = operation.get("security")
        assert asked == ([{}, {"bearer": []}, {"header": []}] if where[1].startswith("/v1/") else None), where


@pytest.mark.parametrize("how", ["float", "base64", "int8", "binary", "ubinary"])
def test_vectors_are_as_it_says(http, how):
    answer = http.post("/v1/embeddings", json={"input": ["red", URI], "encoding_format": how}).json()
    its = embeddings.Embeddings.model_validate(answer)
    assert [one.index for one in its.data] == [0, 1]


@pytest.mark.parametrize(
    "question", [{"query": "red"}, {"query": "red", "mode": "words"}, {"query": "red", "mode": "vector"}, {"image": URI}, {"like": "key-red"}]
)  # fmt: skip
def test_hits_are_as_it_says(http, question):
    assert search.Hits.model_validate(http.post("/v1/search", json=question).json()).hits


def test_the_other_answers_are_as_it_says(http):
    assert classify.Classification.model_validate(http.post("/v1/classify", json={"image": URI}).json()).labels
    thumb = {"query": "red", "key": "key-red", "vote": "up"}
    for path, answer in (
        ("/v1/models", http.get("/v1/models")),
        ("/v1/feedback", http.post("/v1/feedback", json=thumb)),
        ("/healthz", http.get("/healthz")),
        ("/readyz", http.get("/readyz")),
    ):
        assert answer.status_code == 200, path
        ANSWERS[path].model_validate(answer.json())
    Refused.model_validate(http.post("/v1/search", json={}).json())
