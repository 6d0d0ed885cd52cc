"""What `diptych ask` says to those who ask badly; no server is needed to say it. Answers are in test_deploy.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.contracts.errors import DataError
from flows.ask import MAX_IMAGE_MB, read_picture, split_labels

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A folder in which nothing is served, and one in it to stand in."""
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "inside").mkdir()
    return tmp_path


def ask(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flows.cli", "ask", *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "ask takes a text or a picture"),
        (("red", "--image", "my.png"), "ask takes a text or a picture"),
        (("red", "--labels", "cat,dog"), "--labels and --template are for pictures"),
        (("red", "--template", "a {}"), "--labels and --template are for pictures"),
        (("--image", "my.png"), "/inside/my.png cannot be read: No such file or directory"),
        (("--image", "."), "/inside cannot be read: Is a directory"),
        (("--image", "empty.png"), "No model is served"),
    ],
)
def test_each_mistake_is_one_sentence(workspace: Path, arguments: tuple[str, ...], said: str) -> None:
    (workspace / "inside" / "empty.png").touch()
    asked = ask(workspace / "inside", *arguments)
    assert asked.returncode == 1
    assert said in asked.stderr
    assert asked.stderr.startswith("diptych: ")
    assert asked.stderr.count("\n") == 1
    assert asked.stdout == ""
    assert not (workspace / ".diptych").exists(), "asking must not write"


def test_only_an_ordinary_file_of_some_size_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(MAX_IMAGE_MB * 1_000_000 + 1)
    for name, said in (
        ("pipe", "is a device or a pipe, not"),
        ("huge", "at most 32 MB are sent"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(DataError, match=said):
            read_picture(tmp_path / name)
    with pytest.raises(DataError, match="is a device or a pipe, not"):
        read_picture(Path("/dev/zero"))
    (tmp_path / "ok").write_bytes(b"1234")
    assert read_picture(tmp_path / "ok") == b"1234"


def test_labels_are_split_at_commas() -> None:
    assert split_labels("cat, dog ,Straße") == ["cat", "dog", "Straße"]
    assert split_labels('cat, "red, white and blue"') == ["cat", "red, white and blue"]
    assert split_labels("cat,,dog") == ["cat", "", "dog"], "the server says which label is blank"
    assert split_labels("") == []
    with pytest.raises(DataError, match="--labels cannot be read"):
        split_labels("a\rb")
