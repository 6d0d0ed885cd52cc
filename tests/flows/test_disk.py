"""What `diptych status` says of the disk: all that is there is counted, wherever it lies, though some of it goes while it is counted."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.claims import Claims
from flows.stack.disk import Taken, disk, other_disks
from flows.stack.doctor import examined
from flows.stack.place import Place

SHARED_MEMORY = Path("/dev/shm")


def taken(root: Path, what: str) -> Taken:
    (found,) = [one for one in disk(root).taken if one.what == what]
    return found


def files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x" * 100_000)


def looked_at(folder: Path, does: Callable[[list[os.DirEntry[str]]], None], patch: pytest.MonkeyPatch) -> None:
    """Have something happen once a folder was listed, and before any file of it is looked at."""
    scandir = os.scandir

    @contextmanager
    def scanned(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(path) as entries:
            found = sorted(entries, key=lambda one: one.name)
            if Path(path) == folder.resolve():
                does(found)
            yield found

    patch.setattr("flows.stack.disk.os.scandir", scanned)


def test_a_file_that_goes_in_the_middle_takes_no_other_with_it(tmp_path, monkeypatch):
    files(tmp_path / "data", "a", "b", "c")
    all_of_it = taken(tmp_path, "data")
    with monkeypatch.context() as patch:
        looked_at(tmp_path / "data", lambda found: Path(found[0].path).unlink(), patch)
        rest = taken(tmp_path, "data")
    assert not (tmp_path / "data/a").exists()
    assert rest.size_bytes * 3 == all_of_it.size_bytes * 2 > 0
    assert (all_of_it.whole, rest.whole) == (True, True)


def test_a_folder_that_is_closed_is_not_said_to_be_counted(tmp_path, monkeypatch):
    files(tmp_path / "data/theirs", "a")
    files(tmp_path / "data", "b")

    def refuse(found: list[os.DirEntry[str]]) -> None:
        raise PermissionError(13, "Permission denied")  # which root is never told

    with monkeypatch.context() as patch:
        looked_at(tmp_path / "data/theirs", refuse, patch)
        found = taken(tmp_path, "data")
    assert found.size_bytes >= 100_000
    assert not found.whole


def test_a_cache_that_lies_elsewhere_is_counted_and_so_is_its_disk(tmp_path):
    root, cache = tmp_path / "ours", tmp_path / "of all"
    root.mkdir()
    repo = Repo.init(str(root), no_scm=True)
    with repo.config.edit() as config:
        config["cache"]["dir"] = str(cache)
    repo.close()
    files(cache / "files/md5/ab", "c")
    assert taken(root, "cache").folder == cache
    assert taken(root, "cache").size_bytes >= 100_000
    (root / ".dvc/config").write_text("[cache\n")
    assert [one.what for one in disk(root).taken] == [], (
        "there is none where it would be, and settings that are broken end nothing"
    )


def test_what_is_free_is_said_of_each_disk_that_has_something(tmp_path):
    if not SHARED_MEMORY.is_dir() or SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("all is on one disk here")
    with closing(Claims()) as claims:
        place = Place.of(tmp_path, None, claims)
    assert other_disks(tmp_path) == {}
    assert list(disk(tmp_path).free_bytes) == [tmp_path]
    (place.data / "s3").symlink_to(SHARED_MEMORY)
    assert other_disks(tmp_path) == {"objects": place.data / "s3"}
    assert list(disk(tmp_path).free_bytes) == [tmp_path, place.data / "s3"]
    assert "disk of objects" in {one.about for one in examined(tmp_path)}
