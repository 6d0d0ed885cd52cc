"""A snapshot of scenes, made once, which tests that change bytes copy first; and one S3 server, with a bucket for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.data.ingest import ingest
from components.data.synthetic.scenes import ScenesSource
from tests.seaweed import Proxy, asked_as_reader, client_of, faulty_proxy, s3_on_loopback


@pytest.fixture(scope="session")
def scenes_raw(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("scenes") / "raw"
    ingest(ScenesSource(pictures=60), raw, seed=0)
    return raw


@pytest.fixture
def own_raw(scenes_raw, tmp_path) -> Path:
    return Path(shutil.copytree(scenes_raw, tmp_path / "raw"))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with s3_on_loopback() as address:
        yield address


@pytest.fixture(scope="session")
def s3_client(s3_server):
    return client_of(s3_server)


@pytest.fixture(scope="module")
def as_reader(s3_server) -> Iterator[pytest.MonkeyPatch]:
    """What we start asks the server, as a user who may read all of it, and nobody's own settings count."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in asked_as_reader(s3_server).items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture
def bucket(as_reader, s3_client, request):
    """An empty bucket of the test's own, as (client, name); it goes with all that is in it, since the server keeps room for each there is."""
    name = f"bucket-{abs(hash(request.node.nodeid))}"
    s3_client.create_bucket(Bucket=name)
    yield s3_client, name
    s3_client.delete_bucket(Bucket=name)


@pytest.fixture(scope="module")
def proxy(s3_server, as_reader) -> Iterator[Proxy]:
    """A proxy that what we start may ask in place of the server: AWS_ENDPOINT_URL is to be set to its address."""
    with faulty_proxy(s3_server) as proxy:
        yield proxy
