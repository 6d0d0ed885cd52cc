"""A workspace with one toy stage, started as a real process; and a model that races, with a set that bounds it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from components.data.evaluation_set import read_set
from components.data.transforms.preprocess import Preprocess
from components.evaluation.embedding import Embedder
from components.stages.elsewhere import of_set
from components.stages.outcome import StageOutcome
from tests.squares import COLOURS
from tests.their_sets import write_set

TOY = Path(__file__).with_name("toy.py")
REPOSITORY = Path(__file__).parents[3]


class Toy:
    """The toy's workspace; `start` gives a process, `run` waits for it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start `python toy.py <arguments>` with both outputs in one pipe."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DIPTYCH_", "DVC_"))}
        process = subprocess.Popen(
            [sys.executable, "-u", TOY, *arguments], cwd=self.root, text=True,
            env={**inherited, "PYTHONPATH": str(REPOSITORY), **environment},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Return exit code and everything printed."""
        process = self.start(*arguments, **environment)
        printed, _ = process.communicate(timeout=60)
        return process.returncode, printed

    def outcome(self, recipe: str | None = None) -> StageOutcome:
        """Return the outcome file, which must be there."""
        found = StageOutcome.read(self.root, "toy", recipe)
        assert found is not None
        return found


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "pairs").write_text("one\ntwo\n")
    made = Toy(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture
def tree() -> Callable[[int], list[psutil.Process]]:
    """Everything below a process."""
    return lambda pid: psutil.Process(pid).children(recursive=True)


@pytest.fixture
def others(squares, tmp_path):
    rows = [
        {"png": data, "cls": str(list(COLOURS).index(group["category"])).encode()}
        for data, group in zip(squares.pictures, squares.groups, strict=True)
    ]
    return [of_set(read_set(write_set(tmp_path / "colours", rows, list(COLOURS))))]


@pytest.fixture
def embedder(clip, vocabulary):
    return Embedder(clip.model, vocabulary, Preprocess(size=32))
