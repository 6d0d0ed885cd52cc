"""Copies of what the store has: a workspace that judges and serves for years keeps the last ones."""

import os
from pathlib import Path

import pytest

from components.registry.copies import ABANDONED_S, attempt, placed, used


def copy(folder: Path, name: str, at: float) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.json").write_text("{}")
    os.utime(folder / name, (at, at))
    return folder / name


def fetch(folder: Path, name: str, kept: int) -> None:
    with attempt(folder / name, kept=kept, now=lambda: 10_000.0) as half:
        copy(half, "package", 0.0)
        (half / "package").rename(folder / name)
        os.utime(folder / name, (9_000.0, 9_000.0))


def test_the_last_used_ones_stay(tmp_path):
    for number in range(5):
        copy(tmp_path, f"v{number}", float(number))
    used(tmp_path / "v0")
    fetch(tmp_path, "new", kept=3)
    assert {one.name for one in tmp_path.iterdir()} == {"v0", "new", "v4"}
    assert (tmp_path / "new/manifest.json").exists()


def test_halves_of_killed_ones_go_and_those_of_others_who_fetch_now_stay(tmp_path):
    copy(tmp_path, "fetching-killed", 10_000.0 - ABANDONED_S - 1)
    copy(tmp_path, "fetching-now", 10_000.0 - 1)
    fetch(tmp_path, "new", kept=1)
    assert {one.name for one in tmp_path.iterdir()} == {"fetching-now", "new"}


def test_one_that_does_not_come_leaves_nothing_and_takes_nothing_away(tmp_path):
    for number in range(3):
        copy(tmp_path, f"v{number}", float(number))

    def dropped() -> None:
        with attempt(tmp_path / "new", kept=1) as half:
            copy(half, "package", 0.0)
            raise ConnectionError("the line dropped")

    with pytest.raises(ConnectionError):
        dropped()
    assert {one.name for one in tmp_path.iterdir()} == {"v0", "v1", "v2"}


def is_whole(folder: Path) -> bool:
    return (folder / "manifest.json").exists() and (folder / "manifest.json").read_text() == "{}"


def test_what_another_has_fetched_meanwhile_is_left_to_it(tmp_path):
    with attempt(tmp_path / "v1") as half:
        fetched = copy(half, "package", 0.0)
        others = copy(tmp_path, "v1", 0.0).stat().st_ino
        assert placed(fetched, tmp_path / "v1", is_whole) == tmp_path / "v1"
    assert (tmp_path / "v1").stat().st_ino == others
    assert [one.name for one in tmp_path.iterdir()] == ["v1"]


@pytest.mark.parametrize("kind", ["folder", "file", "nothing"])
def test_what_is_not_what_is_wanted_is_replaced(tmp_path, kind):
    if kind == "folder":
        (copy(tmp_path, "v1", 0.0) / "manifest.json").write_text("changed")
    elif kind == "file":
        (tmp_path / "v1").write_text("none of it")
    with attempt(tmp_path / "v1") as half:
        placed(copy(half, "package", 0.0), tmp_path / "v1", is_whole)
    assert is_whole(tmp_path / "v1")
    assert [one.name for one in tmp_path.iterdir()] == ["v1"]


def test_what_cannot_be_laid_there_by_anybody_is_an_error(tmp_path):
    with attempt(tmp_path / "v1") as half, pytest.raises(FileNotFoundError):
        placed(copy(half, "package", 0.0), tmp_path / "nowhere/v1", is_whole)
