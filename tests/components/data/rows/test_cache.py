"""Rows on disk: whole or not at all, never used when damaged, the longest unused going first, by any number of processes."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from components.contracts.errors import ConfigError
from components.contracts.progress import silent
from components.data.rows.cache import RowCache

SHAPE = (10, 4, 5, 5)
SIZE = 1000
VALUES = np.arange(SIZE, dtype=np.uint32).astype(np.uint8).reshape(SHAPE)


class Maker:
    """Writes the values, and counts how often it was asked to."""

    def __init__(self, values: np.ndarray = VALUES) -> None:
        self.values, self.asked = values, 0

    def __call__(self, file: int) -> None:
        self.asked += 1
        os.pwrite(file, self.values.tobytes(), 0)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path, told) -> RowCache:
    return RowCache(folder=tmp_path, most_bytes=3500, tell=told.append)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rows_are_made_once_and_then_found(cache, told):
    make = Maker()
    first, again = cache.rows("a", SHAPE, make), cache.rows("a", SHAPE, make)
    assert make.asked == 1
    assert np.array_equal(first, VALUES)
    assert np.array_equal(again, VALUES)
    assert names(cache.folder) == ["a.json", "a.rows"]
    assert told == []


def test_rows_are_a_mapping_of_the_file_that_nobody_can_write_to(cache):
    for rows in (cache.rows("a", SHAPE, Maker()), cache.rows("a", SHAPE, Maker())):
        assert isinstance(rows, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            rows[0] = 1


@pytest.mark.parametrize(
    "harm",
    {
        "a bit turned": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
        "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
        "emptied": lambda path: path.write_bytes(b""),
        "grown": lambda path: path.write_bytes(path.read_bytes() + b"0"),
        "zeros, as after a crash": lambda path: path.write_bytes(bytes(SIZE)),
        "sidecar cut": lambda path: path.with_suffix(".json").write_bytes(b'{"shape"'),
        "sidecar of other rows": lambda path: path.with_suffix(".json").write_text(
            json.dumps({"shape": SHAPE, "size_bytes": SIZE, "sha256": "0" * 64}) + "\n"
        ),
    }.items(),
    ids=lambda item: item[0],
)
def test_damaged_rows_are_made_anew_and_that_is_said(cache, told, harm):
    make = Maker()
    cache.rows("a", SHAPE, make)
    harm[1](cache.folder / "a.rows")
    assert np.array_equal(cache.rows("a", SHAPE, make), VALUES)
    assert make.asked == 2
    assert len(told) == 1
    assert "a.rows is not what was written there" in told[0]
    assert np.array_equal(cache.rows("a", SHAPE, make), VALUES)
    assert make.asked == 2


@pytest.mark.parametrize("missing", ["a.json", "a.rows"])
def test_half_a_cache_is_none(cache, missing):
    make = Maker()
    cache.rows("a", SHAPE, make)
    (cache.folder / missing).unlink()
    assert np.array_equal(cache.rows("a", SHAPE, make), VALUES)
    assert make.asked == 2


def test_rows_of_another_shape_are_not_those(cache):
    cache.rows("a", SHAPE, Maker())
    make = Maker()
    assert cache.rows("a", (5, 4, 5, 10), make).shape == (5, 4, 5, 10)
    assert make.asked == 1


def test_what_is_open_outlives_damage_by_replacement_and_removal(cache):
    rows = cache.rows("a", SHAPE, Maker())
    cache.rows("b", (30, 4, 5, 5), Maker(np.zeros((30, 4, 5, 5), np.uint8)))
    assert "a.rows" not in names(cache.folder)
    assert np.array_equal(rows, VALUES)


def test_the_longest_unused_goes_first(cache):
    for age, name in enumerate("abc"):
        cache.rows(name, SHAPE, Maker())
        os.utime(cache.folder / f"{name}.json", (age, age))
    cache.rows("a", SHAPE, Maker())  # used now
    cache.rows("d", SHAPE, Maker())
    assert [name for name in names(cache.folder) if name.endswith(".rows")] == ["a.rows", "c.rows", "d.rows"]
    assert sum(path.stat().st_size for path in cache.folder.iterdir()) <= cache.most_bytes


def test_rows_that_can_never_fit_are_refused_before_anything_is_made_or_removed(cache):
    cache.rows("a", SHAPE, Maker())
    make = Maker()
    with pytest.raises(ConfigError, match=r"take 0\.0 GB.*may hold 0\.0 GB\. Set DIPTYCH_DECODED_GB to 1 or more"):
        cache.rows("b", (36, 4, 5, 5), make)
    assert make.asked == 0
    assert names(cache.folder) == ["a.json", "a.rows"]


def test_a_maker_that_fails_leaves_nothing(cache):
    def broken(file: int) -> None:
        os.pwrite(file, b"half", 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.rows("a", SHAPE, broken)
    assert names(cache.folder) == []


FULL = """
import resource, sys
from pathlib import Path
from components.data.rows.cache import RowCache
resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))
try:
    RowCache(folder=Path(sys.argv[1])).rows("a", (10, 4, 5, 5), lambda file: print("made"))
except OSError as err:
    print(err.errno, Path(err.filename).parent)
"""


def test_a_disk_without_room_is_an_error_before_anything_is_decoded_and_leaves_nothing(tmp_path):
    said = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=60)
    assert said.stdout.split() == ["27", str(tmp_path)]  # EFBIG, which a stage tells as a full disk
    assert names(tmp_path) == []


def test_a_real_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """A small file system, in a mount namespace that ends with the command."""
    own = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*own, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system of his own")
    script = FULL.replace("resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900))", "").replace("(10, 4,", "(100000, 4,")
    (tmp_path / "full.py").write_text(script)
    (tmp_path / "small").mkdir()
    mounted = f"mount -t tmpfs -o size=64k none small && {sys.executable} full.py small; ls small"
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    said = subprocess.run([*own, "sh", "-c", mounted], cwd=tmp_path, env=here, capture_output=True, text=True)
    assert said.stdout.split() == ["28", "small"], said.stderr  # ENOSPC, and `ls` lists nothing


def work(folder: Path, fill) -> multiprocessing.Process:
    """A process that makes rows."""
    cache = RowCache(folder=folder, tell=lambda said: None)
    process = multiprocessing.get_context("fork").Process(target=cache.rows, args=("a", SHAPE, fill, silent))
    process.start()
    return process


def test_two_writers_at_once_both_end_with_whole_rows(tmp_path, until):
    """Both are inside `fill` at the same time: neither goes on before it has seen the other's file."""

    def meet(file: int) -> None:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("a.*.part"))) < 2:
            assert time.monotonic() < deadline
        (tmp_path.parent / f"met-{os.getpid()}").touch()
        while len(list(tmp_path.parent.glob("met-*"))) < 2:
            assert time.monotonic() < deadline
        os.pwrite(file, VALUES.tobytes(), 0)

    both = [work(tmp_path, meet) for _ in range(2)]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    make = Maker()
    assert np.array_equal(RowCache(folder=tmp_path).rows("a", SHAPE, make), VALUES)
    assert make.asked == 0
    assert names(tmp_path) == ["a.json", "a.rows"]


def test_what_a_killed_writer_left_goes_and_what_a_living_one_writes_stays(tmp_path, until):
    def hang(file: int) -> None:
        os.pwrite(file, b"half", 0)
        signal.pause()

    killed, living = work(tmp_path, hang), work(tmp_path, hang)
    until(lambda: len(list(tmp_path.glob("*.part"))) == 2)
    killed.kill()
    killed.join()
    RowCache(folder=tmp_path).rows("b", SHAPE, Maker())
    left = names(tmp_path)
    living.kill()
    living.join()
    assert len([name for name in left if name.endswith(".part")]) == 1
    assert [name for name in left if not name.endswith(".part")] == ["b.json", "b.rows"]


def test_progress_tells_of_rows_that_are_checked(cache):
    seen: list[tuple[str, int, int]] = []
    for _ in range(2):
        cache.rows("a", SHAPE, Maker(), lambda doing, done, total: seen.append((doing, done, total)))
    assert seen == [("checking decoded pictures", 10, 10)]
