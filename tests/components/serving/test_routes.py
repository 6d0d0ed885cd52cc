"""The records of what is served: what somebody edited by hand is one, or is refused in words, and never believed by half."""

import json

import pytest

from components.contracts.errors import StaleArtifact
from components.serving.endpoint import Endpoint, served_folder, write_endpoint
from components.serving.routes import FILE, Beside, read_routes, write_beside
from tests.components.serving.records import drawn


@pytest.fixture
def main(tmp_path) -> Endpoint:
    """What is served."""
    endpoint = drawn(tmp_path, "one")
    served_folder(tmp_path).mkdir(parents=True)
    write_endpoint(tmp_path, endpoint)
    return endpoint


def test_what_is_written_is_read(main, tmp_path):
    beside = [
        Beside(endpoint=drawn(tmp_path, "two"), share=0.25, until=1.5), Beside(endpoint=drawn(tmp_path, "three"), shadow=True)
    ]  # fmt: skip
    write_beside(tmp_path, beside)
    routes = read_routes(tmp_path)
    assert (routes.main, routes.beside) == (main, tuple(beside))


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        ({"share": "0.5"}, "share is '0.5', and must be a number"), ({"share": True}, "share is True"), ({"share": 2}, "share is 2"),
        ({"share": None}, "share is None"), ({"shadow": "false"}, "shadow is 'false', and must be true or false"), ({"shadow": 1}, "shadow is 1"),
        ({"until": "tomorrow"}, "until is 'tomorrow', and must be null or seconds since 1970"), ({"until": [3]}, "until is"),
        ({"endpoint": "two"}, "it is str, and no object"), ({"endpoint": [1]}, "it is list, and no object"), ({"endpoint": None}, "it is NoneType"),
    ],
)  # fmt: skip
def test_a_route_that_is_none_is_refused_in_words(main, tmp_path, edited, why):
    write_beside(tmp_path, [Beside(endpoint=drawn(tmp_path, "two"))])
    path = served_folder(tmp_path) / FILE
    (said,) = json.loads(path.read_text())["beside"]
    path.write_text(json.dumps({"beside": [said | edited]}))
    with pytest.raises(StaleArtifact, match=f"cannot be read .*{why}.* Delete it"):
        read_routes(tmp_path)


@pytest.mark.parametrize(
    ("edited", "why"),
    [
        ({"label": 3}, "label is int, and must be str"), ({"http": None}, "http is NoneType"), ({"instance": ["one"]}, "instance is list"),
        ({"repository": 3}, "TypeError"), ({"process": {"pid": "1", "started_ticks": 1, "boot": "b"}}, "pid is str, and must be int"),
        ({"process": 3}, "TypeError"), ({"space": {}}, "space is dict"), ({"more": 1}, "more"),
    ],
)  # fmt: skip
def test_a_record_of_what_is_served_that_is_none_is_refused_in_words(main, tmp_path, edited, why):
    path = served_folder(tmp_path) / "server.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | edited))
    with pytest.raises(StaleArtifact, match=f"cannot be read .*{why}"):
        read_routes(tmp_path)


@pytest.mark.parametrize(
    "whole", ['"two"', "3", "null", "[]", '{"beside": 3}', '{"beside": [3]}', '{"beside": ["two"]}', "{"]
)
def test_what_is_no_record_at_all_is_refused_in_words(main, tmp_path, whole):
    for name in (FILE, "server.json"):
        (served_folder(tmp_path) / name).write_text(whole)
        with pytest.raises(StaleArtifact, match=f"{name} cannot be read"):
            read_routes(tmp_path)
