"""What the report tells to copy runs as it stands: the package alone, and the server over KServe's v2 protocol."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from components.evaluation.report.use import snippets
from tests.workspace import REPOSITORY, environment

TEXT = 'a "red" heart'


@pytest.fixture
def here(workspace: Path, endpoint: object) -> Path:
    """Where a server was deployed, with a picture to ask about."""
    Image.new("RGB", (40, 40), (200, 20, 20)).save(workspace / "picture.png")
    return workspace


def ran(code: str, here: Path) -> str:
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=here, env=environment(PYTHONPATH=str(REPOSITORY)), capture_output=True, text=True, check=False
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_package_is_asked_without_a_server(here, package):
    said = ran(snippets(str(package), TEXT)["In Python, of this package alone"], here)
    assert -1.0 <= float(said) <= 1.0


def test_a_server_is_asked_by_the_address_that_the_workspace_has(here, package):
    said = ran(snippets(str(package), TEXT)["Over KServe's v2 protocol, of the model that is served"], here)
    assert said.startswith("(1, ")


def test_a_text_with_marks_of_a_language_stays_a_text():
    for code in snippets("runs/clip/package", '$(rm x) `y` "z" \\ \n').values():
        assert "rm x" in code
        assert not {"$", "`", "\\"} & set(code.replace("\\n", ""))
    assert "a heart" in next(iter(snippets("runs/clip/package", '""').values()))
