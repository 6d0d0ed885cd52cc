"""A tiny package, and one real server on it for all tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.serving.endpoint import Endpoint
from components.serving.triton_client import TritonClient
from flows.serving.deploy import deploy
from flows.serving.down import down
from tests.components.serving.tiny_package import make_package

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole package; do not change its files."""
    return make_package(tmp_path_factory.mktemp("package") / "package")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the shared server; whatever is served from it ends with the session."""
    root = tmp_path_factory.mktemp("workspace")
    (root / ".venv-serving").symlink_to(REPOSITORY / ".venv-serving")
    yield root
    down(root)


@pytest.fixture(scope="session")
def endpoint(package: Path, workspace: Path) -> Endpoint:
    """A real server that serves the package; do not harm it."""
    return deploy(package, workspace, "tiny@1")


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[TritonClient]:
    """A connection to that server."""
    with TritonClient(endpoint.http) as connection:
        yield connection
