"""A version whose words find what they should on the index of the one before: deployed without embedding anything, on a real registry, Triton and gateway."""

import base64

import httpx
import pytest

from components.registry.promotion import OLD_INDEX
from components.registry.store import open_store
from components.serving.endpoint import read_endpoint
from components.serving.indexes import Borrowed, borrowed, spaces_of
from flows.serving.gateway import ensure_gateway
from flows.serving.index import index, list_indexes
from flows.serving.rollback import rollback
from flows.serving.rollout import rollout
from tests.components.serving.tiny_package import COLOURS, picture
from tests.flows.rolled import ask, make_version, served_place

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    with served_place(tmp_path_factory.mktemp("lent"), canary=[]) as root:
        yield root


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for name, colour in COLOURS.items():
        (folder / f"{name}.png").write_bytes(picture(colour))
    return folder


@pytest.fixture(scope="module")
def old(root, pictures):
    """The version that is served, with an index of one's own; and the space of both."""
    version = make_version(root, open_store(root), seed=1, right=20)
    ask(open_store(root), version)
    rollout(root, "tiny")
    index(root, str(pictures), root, "own", as_json=False)
    return version, read_endpoint(root).space


@pytest.fixture(scope="module")
def new(root, old):
    """What the deploy of one that is held to it gave."""
    version = make_version(root, open_store(root), seed=1, right=40, held_to=old[0])
    ask(open_store(root), version)
    return version, rollout(root, "tiny")


def searched(root, **body) -> httpx.Response:
    body = {"mode": "vector", "top_k": 1, "index": "own", **body}
    return httpx.post(f"{ensure_gateway(root).url}v1/search", json=body, timeout=20)


def by_picture(root) -> httpx.Response:
    return searched(root, image=base64.b64encode(picture(COLOURS["blue"])).decode())


def test_the_gate_keeps_what_it_found_with_the_version(root, new):
    version, _ = new
    assert open_store(root).client.get_model_version(version.name, version.version).tags[OLD_INDEX] == "holds"


def test_nothing_is_embedded_and_words_find_by_the_old_vectors(root, old, new):
    _, rolled = new
    assert rolled.label == "tiny@2", rolled.sentence
    says = {one["step"]: one["says"] for one in rolled.timeline.steps}["index own"]
    assert says.startswith("left as it is: words find its pictures by the vectors of tiny@1")
    space = read_endpoint(root).space
    assert spaces_of(root, "own") == [old[1]] != [space]
    assert borrowed(root, "own", space) == Borrowed(space=old[1], label="tiny@1")
    answer = searched(root, query="a green square").json()
    assert (answer["model"], answer["space"], answer["index_space"]) == ("tiny@2", space, old[1])
    assert answer["hits"][0]["name"] == "green.png"


def test_a_picture_of_its_own_is_refused_there_and_one_of_the_index_is_not(root, new):
    answer = by_picture(root)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "words_only")
    key = searched(root, query="a red square").json()["hits"][0]["key"]
    assert searched(root, like=key).json()["hits"][0]["name"] == "red.png"


def test_whoever_lists_indexes_is_told(root, new):
    assert "; tiny@2 searches it by words alone, by the vectors of tiny@1: diptych index " in list_indexes(root, False)
    (line,) = httpx.get(f"{ensure_gateway(root).url}v1/models", timeout=20).json()["data"]
    assert [(one["name"], one["by"]) for one in line["indexes"]] == [
        ("package", "words and pictures"),
        ("own", "words"),
    ]


def test_the_way_back_and_forth_keeps_it(root, old, new):
    rollback(root)
    assert by_picture(root).json()["hits"][0]["name"] == "blue.png"
    rollback(root)
    assert searched(root, query="a blue square").json()["hits"][0]["name"] == "blue.png"


def test_embedded_after_all_it_answers_pictures_too(root, pictures, new):
    index(root, str(pictures), root, "own", as_json=False)
    answer = by_picture(root).json()
    assert (answer["hits"][0]["name"], answer["index_space"]) == ("blue.png", read_endpoint(root).space)
    assert "words alone" not in list_indexes(root, False)
