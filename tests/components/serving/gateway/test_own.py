"""An index of one's own through a real gateway and server: found by name, followed as it changes, refused where it is of another space."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pyarrow.compute as pc
import pytest

from components.monitoring.requests import Requests, read_requests
from components.serving.client import Client
from components.serving.indexes import index_file, index_folder, remove_index
from components.serving.package import Package
from tests.components.serving.gateway.conftest import by_server, running
from tests.components.serving.search.test_own import make, samples
from tests.components.serving.tiny_package import WIDTH, make_package


@pytest.fixture
def own(endpoint: object, package: Path, workspace: Path) -> Iterator[Path]:
    """The file of an index beside that of the package."""
    yield make(workspace, Package.verify(package), given=samples(("green", "blue")))
    if index_folder(workspace, "own").exists():
        remove_index(workspace, "own")


def keys(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["key"] for one in answer.json()["hits"]]


def test_its_pictures_are_found_where_it_is_named_and_only_there(own, http, endpoint):
    asked = {"query": "a red square", "mode": "vector", "top_k": 1}
    assert keys(http.post("/v1/search", json=asked)) == ["key-red"]
    answer = http.post("/v1/search", json={**asked, "index": "own"})
    assert keys(answer)[0] in ("k-green", "k-blue")  # there is no red one
    assert (answer.json()["space"], answer.json()["index"]) == (endpoint.space, "own")
    assert keys(http.post("/v1/search", json={"query": "blue", "mode": "words", "index": "own"})) == ["k-blue"]
    assert keys(http.post("/v1/search", json={"like": "k-blue", "top_k": 1, "index": "own"})) == ["k-blue"]
    with Client(str(http.base_url)) as client:
        assert client.search("a green square", top_k=1, index="own")[0].name == "green.png"


def test_models_lists_it_with_space_pictures_and_width(own, http, endpoint):
    http.post("/v1/search", json={"query": "blue", "index": "own"})  # the first question lays it out
    (line,) = http.get("/v1/models").json()["data"]
    assert line["indexes"] == [
        {"name": name, "space": endpoint.space, "pictures": pictures, "width": WIDTH, "by": "words and pictures"}
        for name, pictures in (("package", 3), ("own", 2))
    ]


def test_what_is_made_again_or_removed_is_followed(own, http, package, workspace):
    asked = {"query": "a red square", "mode": "vector", "top_k": 1, "index": "own"}
    assert keys(http.post("/v1/search", json=asked)) != ["k-red"]
    make(workspace, Package.verify(package))
    assert keys(http.post("/v1/search", json=asked)) == ["k-red"]
    remove_index(workspace, "own")
    answer = http.post("/v1/search", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_index")


def test_vectors_of_another_space_are_never_searched(own, http, tmp_path, workspace, endpoint):
    other = make(tmp_path, Package.verify(make_package(tmp_path / "other", seed=1)))
    other.replace(index_file(workspace, "own", endpoint.space))
    answer = http.post("/v1/search", json={"query": "blue", "index": "own"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "index_unusable")
    assert "never compared" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["other", "../own", "", "Own"])
def test_an_index_that_is_not_there_is_said(own, http, name):
    answer = http.post("/v1/search", json={"query": "blue", "index": name})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_index")


def test_scores_among_its_pictures_or_some_of_the_models_own_are_not_watched_and_vectors_are(own, workspace):
    """By a language that nobody else says here."""
    asked = (
        ("a red square", {}),
        ("a green square", {"index": "own"}),
        ("a blue square", {"filter": {"source": ["tiny"]}}),
        ("red", {"index": "package", "filter": {}}),
    )
    settings = replace(by_server(workspace), log_share=1.0)
    with running(settings) as address, httpx.Client(base_url=address, headers={"content-language": "fi"}) as client:
        for words, more in asked:
            assert keys(client.post("/v1/search", json={"query": words, "mode": "vector", **more}))
    every = read_requests(workspace).table
    watched = Requests(table=every.filter(pc.equal(every["lang"], "fi")))
    assert [(row["query"], None not in row["scores"]) for row in watched.table.to_pylist()] == [
        (words, at in (0, 3)) for at, (words, _) in enumerate(asked)
    ]
    assert len(watched.scores()["fi"]) == 2
    assert len(watched.vectors("text")) == 4
