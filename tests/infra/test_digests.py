"""Images of others by digest: asked of a registry, which wants a token, by HTTP; what it says is held against what it sends."""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from infra import images
from infra.images import FILES, Image, Unanswered, digest_of, pinned
from infra.manifests import dockerfile
from infra.manifests.rules import pinned as exact

REPOSITORY = Path(__file__).parents[2]
INDEX = json.dumps({"schemaVersion": 2, "mediaType": images.MANIFESTS[0], "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
OTHER = f"sha256:{'0' * 64}"
TOKEN = "of-nobody"


class Registry(BaseHTTPRequestHandler):
    """One that has `nvidia/tritonserver` and `library/python`, and wants a token, as NVIDIA's and Docker's do."""

    said = DIGEST
    realm = ""

    def do_GET(self):
        asked = urlsplit(self.path)
        if asked.path == "/token":
            fits = parse_qs(asked.query) == {"service": ["ours"], "scope": ["repository:nvidia/tritonserver:pull"]}
            return self._answer(200 if fits else 400, json.dumps({"token": TOKEN}).encode())
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="{self.realm or self._own("/token")}",service="ours",scope="repository:nvidia/tritonserver:pull"'
            return self._answer(401, b"{}", {"WWW-Authenticate": challenge})
        if (
            asked.path != "/v2/nvidia/tritonserver/manifests/25.06-py3"
            or images.MANIFESTS[0] not in self.headers["Accept"]
        ):
            return self._answer(404, b"{}")
        return self._answer(200, INDEX, {"Docker-Content-Digest": self.said})

    def _own(self, path):
        return f"http://127.0.0.1:{self.server.server_address[1]}{path}"

    def _answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *of):
        pass


@pytest.fixture
def registry():
    kind = type("OneRegistry", (Registry,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kind.at = f"127.0.0.1:{server.server_address[1]}"
    yield kind
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client():
    with httpx.Client(timeout=10, follow_redirects=True) as one:
        yield one


def image(registry, tag="25.06-py3", digest=""):
    return Image(name=f"{registry.at}/nvidia/tritonserver", tag=tag, digest=digest)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("python:3.11.13-slim", "https://registry-1.docker.io/v2/library/python/manifests/3.11.13-slim"),
        ("some/body:1.0", "https://registry-1.docker.io/v2/some/body/manifests/1.0"),
        ("nvcr.io/nvidia/tritonserver:25.06-py3", "https://nvcr.io/v2/nvidia/tritonserver/manifests/25.06-py3"),
        (f"host:5000/a/b:1.0@{OTHER}", "https://host:5000/v2/a/b/manifests/1.0"),
        ("localhost:5000/a:1.0", "http://localhost:5000/v2/a/manifests/1.0"),
        ("localhost.example.org/a:1.0", "https://localhost.example.org/v2/a/manifests/1.0"),
    ],
)
def test_an_image_is_asked_of_its_own_registry(text, url):
    found = Image.read(text)
    assert (found.url, str(found)) == (url, text)


@pytest.mark.parametrize("text", ["python", "a:5000/b", f"a/b@{OTHER}", "a:1@sha256:12", "a:1@md5:0"])
def test_an_image_without_a_tag_is_refused(text):
    with pytest.raises(ValueError, match="names no tag"):
        Image.read(text)


def test_the_digest_is_of_what_the_registry_sends_to_who_has_its_token(registry, client):
    assert digest_of(image(registry), client) == DIGEST


def test_what_a_registry_says_of_something_else_is_not_taken(registry, client):
    registry.said = OTHER
    with pytest.raises(Unanswered, match="Trust neither"):
        digest_of(image(registry), client)


def test_a_tag_that_is_not_there_is_said(registry, client):
    with pytest.raises(Unanswered, match=r"25\.07-py3: its registry answers 404"):
        digest_of(image(registry, "25.07-py3"), client)


@pytest.mark.parametrize(
    "realm", ["http://elsewhere.example.org/token", "file:///etc/passwd", "http://localhost.example.org/"]
)
def test_a_token_is_asked_of_nobody_who_has_no_tls(registry, client, realm):
    registry.realm = realm
    with pytest.raises(Unanswered, match="by TLS"):
        digest_of(image(registry), client)


def test_a_registry_that_is_away_is_said(client):
    gone = Image(name="127.0.0.1:9/a", tag="1.0", digest="")
    with pytest.raises(Unanswered, match="does not answer"):
        digest_of(gone, client)


def of_it(registry, path):
    """Return a file of ours, whose images are all that one of the registry."""
    text = (REPOSITORY / path).read_text()
    return FILES[path].sub(lambda found: found[0].replace(found["image"], str(image(registry))), text)


def run(monkeypatch, root, *arguments):
    monkeypatch.setattr(images, "ROOT", root)
    monkeypatch.setattr(sys, "argv", ["images", *arguments])
    with pytest.raises(SystemExit) as ended:
        images.main()
    return ended.value.code


def test_digests_are_written_behind_tags_and_a_tag_that_was_moved_is_noticed(registry, tmp_path, monkeypatch, capsys):
    (tmp_path / "infra").mkdir()
    before = {path: of_it(registry, path) for path in FILES}
    for path, text in before.items():
        (tmp_path / path).write_text(text)
    assert run(monkeypatch, tmp_path) == 1
    assert capsys.readouterr().out.count("has no digest") == 3
    assert {path: (tmp_path / path).read_text() for path in FILES} == before
    assert run(monkeypatch, tmp_path, "--write") == 0
    written = {path: (tmp_path / path).read_text() for path in FILES}
    assert {path: text.replace(f"@{DIGEST}", "") for path, text in written.items()} == before
    assert [text.count(f":25.06-py3@{DIGEST}") for text in written.values()] == [2, 1]
    assert list(dockerfile.broken(written[Path("infra/Dockerfile")])) == []
    capsys.readouterr()
    assert run(monkeypatch, tmp_path) == 0
    path = Path("infra/compose.yaml")
    (tmp_path / path).write_text(written[path].replace(DIGEST, OTHER))
    assert run(monkeypatch, tmp_path) == 1
    assert f"infra/compose.yaml has {OTHER}" in capsys.readouterr().out
    assert run(monkeypatch, tmp_path, "--write") == 0
    assert (tmp_path / path).read_text() == written[path]


def test_a_file_stays_as_it_is_where_one_of_its_images_is_not_to_be_had(registry, tmp_path, monkeypatch):
    (tmp_path / "infra").mkdir()
    path = Path("infra/Dockerfile")
    text = of_it(registry, path).replace("25.06-py3 AS triton", "25.07-py3 AS triton")
    (tmp_path / path).write_text(text)
    assert "infra/Dockerfile stays as it is" in run(monkeypatch, tmp_path, "--write")
    assert (tmp_path / path).read_text() == text


def test_our_files_name_triton_python_and_postgresql():
    named = [one for path, where in FILES.items() for one in images.images((REPOSITORY / path).read_text(), where)]
    assert [one.name for one in named] == ["python", "nvcr.io/nvidia/tritonserver", "postgres"]
    assert all(one.tag and one.digest and exact(str(one)) for one in named)


def test_stages_and_our_own_images_are_no_images_of_others():
    text = "FROM a/b:1.0 AS base\nFROM base AS next\nFROM --platform=linux/amd64 c:2.0\n"
    where = FILES[Path("infra/Dockerfile")]
    assert [str(one) for one in images.images(text, where)] == ["a/b:1.0", "c:2.0"]
    assert pinned(text, where, {"a/b:1.0": DIGEST, "c:2.0": OTHER}) == (
        f"FROM a/b:1.0@{DIGEST} AS base\nFROM base AS next\nFROM --platform=linux/amd64 c:2.0@{OTHER}\n"
    )
