"""Copies of what the store has: a workspace that judges and serves for years keeps the last ones."""

import os
from pathlib import Path

import pytest

from components.registry.copies import ABANDONED_S, attempt, used


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
