"""A folder appears whole or not at all, by one process at a time, and what a killed one left is no obstacle."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from components.contracts.errors import Busy, DataError
from components.data.new_folder import new_folder

FORK = multiprocessing.get_context("fork")


def make(out: Path, said: str) -> None:
    with new_folder(out) as folder:
        (folder / "a.txt").write_text(said)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_it_has_its_name_only_when_it_is_whole(tmp_path):
    (tmp_path / "out").mkdir()  # an empty one is as none
    with new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
        assert not names(tmp_path / "out")
    assert names(tmp_path) == {"out"}
    assert (tmp_path / "out/a.txt").read_text() == "a"
    make(tmp_path / "deep/er", "b")
    assert (tmp_path / "deep/er").stat().st_mode == (tmp_path / "deep").stat().st_mode


def test_what_a_killed_process_left_goes_with_the_next_run(tmp_path):
    def die() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "half").write_text("half")
            (folder / "more").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)

    process = FORK.Process(target=die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert names(tmp_path) == {".out.partial"}
    make(tmp_path / "out", "whole")
    assert names(tmp_path) == {"out"}
    assert names(tmp_path / "out") == {"a.txt"}


def test_two_at_once_are_an_error_that_harms_the_first_in_nothing(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "mine").write_text("mine")
        with pytest.raises(Busy, match=r"another process is making .*out, and two would mix.*--out DIR"):
            make(tmp_path / "out", "theirs")
    assert names(tmp_path / "out") == {"mine"}
    with pytest.raises(DataError, match="is not empty, and nothing is written over"):
        make(tmp_path / "out", "theirs")
    assert names(tmp_path) == {"out"}


def test_a_failure_leaves_nothing(tmp_path):
    def stop() -> None:
        with new_folder(tmp_path / "out") as folder:
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert not names(tmp_path)


def test_one_that_was_made_while_we_waited_for_the_lock_is_not_written_over(tmp_path, monkeypatch):
    """Between the first look and the lock, the other process ends."""
    from components.data import new_folder as module

    held = module.alone

    def late(folder: Path):
        make_other()
        return held(folder)

    def make_other() -> None:
        monkeypatch.setattr(module, "alone", held)
        make(tmp_path / "out", "theirs")

    monkeypatch.setattr(module, "alone", late)
    with pytest.raises(DataError, match="is not empty"):
        make(tmp_path / "out", "mine")
    assert names(tmp_path) == {"out"}
    assert (tmp_path / "out/a.txt").read_text() == "theirs"
