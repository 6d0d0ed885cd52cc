"""An ingest that was killed goes on from its whole shards: the same bytes, and no picture of theirs is looked at again.

The killed ones are real processes, killed at a record, or just before a file gets its name.
"""

import errno
import hashlib
import io
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.contracts.errors import Busy
from components.contracts.reject import Reject
from components.contracts.sample import Media, Sample, Text
from components.data import kept as module
from components.data.ingest import ingest
from components.data.kept import KeptShards
from components.data.manifest import read_manifest
from components.data.shards import open_pictures

FORK = multiprocessing.get_context("fork")
COUNT = 120
SHARD_BYTES = 30_000  # about nine samples


class Squares:
    """Squares, four of five trained on, every eleventh no picture, and a reject now and then."""

    def __init__(self, count: int = COUNT, said: str = "a square", large: int | None = None) -> None:
        self.count, self.said, self.large = count, said, large

    def samples(self, seed, progress):
        for number in range(self.count):
            if number % 13 == 0:
                yield Reject(key=f"r{number}", member="a.tar", reason="symlink", detail="it is a link")
            key, data = f"k{number}", b"<html>" if number % 11 == 0 else png(number)
            if number == self.large:
                data += bytes(60_000)
            yield Sample(
                key=key, split="val" if number % 5 == 0 else "train", source="s", licence="CC0-1.0",
                media=(Media(member=f"{key}.png", data=data),),
                texts=(Text(text=self.said),),
            )  # fmt: skip
            progress("write", number + 1, self.count)

    def describe(self):
        return {"name": "squares"}


def png(number: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (9, 8 + number), (number, 0, 9)).save(held, "PNG")
    return held.getvalue()


def bring_in(folder: Path, source: Any = None, **options: Any) -> dict[str, Any]:
    kept = KeptShards(folder / "kept", tell=(folder / "told").write_text)
    return ingest(source or Squares(), folder / "raw", 0, kept=kept, **{"shard_bytes": SHARD_BYTES, **options})


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("undisturbed") / "raw"
    ingest(Squares(), raw, 0, shard_bytes=SHARD_BYTES)
    assert len(list(raw.glob("train/*.tar"))) > 5
    return raw


@pytest.fixture
def looked_at(monkeypatch) -> Counter[bytes]:
    """The pictures that Pillow is asked to open in this process, by their digest."""
    counts: Counter[bytes] = Counter()
    real = Image.open

    def count(file: io.BytesIO) -> Image.Image:
        counts[hashlib.sha256(file.getvalue()).digest()] += 1
        return real(file)

    monkeypatch.setattr(Image, "open", count)
    return counts


def die_in(work: Callable[[], Any]) -> None:
    """Do some work in a process of its own that is killed in it, or by it."""
    process = FORK.Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def killed_at(folder: Path, record: int, source: Any = None, processes: int = 0) -> None:
    """Run an ingest that is killed when so many samples were taken, and throw away what it wrote to `raw`, as a stage does."""

    def die(doing: str, done: int, total: int, **seen: float) -> None:
        if done == record:
            os.kill(os.getpid(), signal.SIGKILL)

    die_in(lambda: bring_in(folder, source, processes=processes, progress=die))
    throw_away(folder)


def throw_away(folder: Path) -> None:
    if (folder / "raw").exists():
        (folder / "raw").rename(folder / f"raw-{len(list(folder.iterdir()))}")


def whole_after(rows: list[dict[str, Any]]) -> set[str]:
    """The shards that are whole once these rows were written: all but the last of each split."""
    last = {row["split"]: row["shard"] for row in rows}
    return {row["shard"] for row in rows} - set(last.values())


@pytest.mark.parametrize("record", [1, 10, 11, 59, 60, 61, COUNT - 1, COUNT])
def test_killed_at_a_record_the_next_run_looks_only_at_what_no_whole_shard_holds(
    tmp_path, undisturbed, looked_at, record
):
    killed_at(tmp_path, record)
    rows = read_manifest(undisturbed / "manifest.parquet").to_pylist()
    whole = whole_after(rows[:record])
    assert {path.relative_to(tmp_path / "kept").as_posix() for path in tmp_path.glob("kept/*/*.tar")} == whole
    told: list[dict[str, float]] = []
    bring_in(tmp_path, progress=lambda *_, **seen: told.append(seen))
    assert digests(tmp_path / "raw") == digests(undisturbed)
    again = [row for row in rows if row["shard"] not in whole]
    assert looked_at == Counter(bytes.fromhex(row["sha256"]) for row in again)
    assert told[-1] == ({"shards_kept": len(whole)} if whole else {})


def test_several_processes_that_are_killed_end_in_the_same_bytes(tmp_path):
    source = Squares(count=200)  # some hundred are on their way
    killed_at(tmp_path, 180, source, processes=2)
    assert list(tmp_path.glob("kept/train/*.seen"))
    bring_in(tmp_path, source, processes=2)
    ingest(source, tmp_path / "fresh", 0, shard_bytes=SHARD_BYTES)
    assert digests(tmp_path / "raw") == digests(tmp_path / "fresh")


def test_killed_just_before_any_file_gets_its_name_the_next_run_ends_in_the_same_bytes(tmp_path):
    """One run for each link and each renaming, killed at it, and one after it."""
    source, shard_bytes = Squares(count=60), 3 * SHARD_BYTES // 2
    ingest(source, tmp_path / "fresh", 0, shard_bytes=shard_bytes)
    done = 0
    while True:
        folder, events = tmp_path / str(done), 0

        def die(event: str, _: tuple[object, ...]) -> None:
            nonlocal events
            if event not in ("os.rename", "os.link"):
                return
            events += 1
            if events > done:  # noqa: B023 -- the process has its own
                os.kill(os.getpid(), signal.SIGKILL)

        def work() -> None:
            sys.addaudithook(die)
            bring_in(folder, source, shard_bytes=shard_bytes)  # noqa: B023

        process = FORK.Process(target=work)
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        throw_away(folder)
        bring_in(folder, source, shard_bytes=shard_bytes)
        assert digests(folder / "raw") == digests(tmp_path / "fresh"), done
        done += 1
    assert done > 12, "there were shards, what was seen of them, manifest, quarantine and source.json"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shard: shard.write_bytes(shard.read_bytes()[:5000]),
        lambda shard: shard.write_bytes(shard.read_bytes().replace(b"k3.json", b"k4.json")),
        lambda shard: shard.with_suffix(".seen").write_bytes(
            shard.with_suffix(".seen").read_bytes().replace(b"9", b"8")
        ),
        lambda shard: shard.with_suffix(".seen").write_bytes(b""),
        lambda shard: shard.with_suffix(".seen").write_bytes(b"\xff\xfe\n{"),
    ],
)
def test_a_kept_shard_that_was_changed_is_made_anew_and_that_is_said(tmp_path, undisturbed, looked_at, spoil):
    killed_at(tmp_path, 100)
    others = len(list(tmp_path.glob("kept/*/*.seen"))) - 1
    spoil(tmp_path / "kept/train/000000.tar")
    told: list[dict[str, float]] = []
    bring_in(tmp_path, progress=lambda *_, **seen: told.append(seen))
    assert digests(tmp_path / "raw") == digests(undisturbed)
    assert "train/000000.tar is not what was kept there" in (tmp_path / "told").read_text()
    assert told[-1] == {"shards_kept": others}
    first = [
        row for row in read_manifest(undisturbed / "manifest.parquet").to_pylist() if row["shard"] == "train/000000.tar"
    ]
    assert all(looked_at[bytes.fromhex(row["sha256"])] for row in first)


@pytest.mark.parametrize("part", ["tar", "seen"])
def test_a_kept_shard_of_which_half_is_missing_is_made_anew(tmp_path, undisturbed, part):
    killed_at(tmp_path, 100)
    (tmp_path / f"kept/train/000000.{part}").unlink()
    bring_in(tmp_path)
    assert digests(tmp_path / "raw") == digests(undisturbed)


class Longer(Squares):
    """The same squares, and one picture more at the front of the last."""

    def samples(self, seed, progress):
        for sample in super().samples(seed, progress):
            if getattr(sample, "key", "") == "k50":
                yield replace(sample, key="new", media=(replace(sample.media[0], member="new.png"),))
            yield sample


@pytest.mark.parametrize("source", [Squares(said="a box"), Squares(count=55), Squares(count=COUNT + 20), Longer()])
def test_where_the_source_has_changed_nothing_old_comes_in(tmp_path, source):
    killed_at(tmp_path, 100)
    came_in = bring_in(tmp_path, source)
    assert came_in == ingest(source, tmp_path / "fresh", 0, shard_bytes=SHARD_BYTES)
    assert digests(tmp_path / "raw") == digests(tmp_path / "fresh")
    if source.count <= COUNT:
        assert "does not give what it gave" in (tmp_path / "told").read_text()
    table = read_manifest(tmp_path / "raw/manifest.parquet")
    assert len(list(open_pictures(tmp_path / "raw", table))) == len(table) == came_in["samples"]


def test_where_no_links_can_be_made_shards_are_copied(tmp_path, undisturbed, monkeypatch):
    def no_link(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(module.os, "link", no_link)
    killed_at(tmp_path, 100)
    bring_in(tmp_path)
    assert digests(tmp_path / "raw") == digests(undisturbed)
    assert all(path.stat().st_nlink == 1 for path in tmp_path.glob("raw/*/*.tar"))


def test_the_second_of_two_writers_is_told_so_and_the_first_is_not_disturbed(tmp_path, undisturbed):
    def second(doing: str, done: int, total: int, **seen: float) -> None:
        if done != 50:
            return
        with pytest.raises(Busy, match=r"raw is being written by another process.*give another folder"):
            bring_in(tmp_path)
        with pytest.raises(Busy, match=r"kept is being written by another process"):
            ingest(Squares(), tmp_path / "other", 0, kept=KeptShards(tmp_path / "kept"))
        process = FORK.Process(target=lambda: os._exit(7 * refused(tmp_path)))
        process.start()
        process.join()
        assert process.exitcode == 7

    bring_in(tmp_path, progress=second)
    assert digests(tmp_path / "raw") == digests(undisturbed)


def refused(folder: Path) -> bool:
    try:
        bring_in(folder)
    except Busy:
        return True
    return False


def test_without_room_there_is_one_error_nothing_half_made_and_the_next_run_goes_on(tmp_path):
    source = Squares(large=100)

    def without_room() -> None:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (60_000, 60_000)
        )  # bytes a file: less than the large one's shard takes
        try:
            bring_in(tmp_path, source, processes=1)
        except OSError as err:
            (tmp_path / "said").write_text(json.dumps([err.errno, err.filename]))
            os.kill(os.getpid(), signal.SIGKILL)

    die_in(without_room)
    number, name = json.loads((tmp_path / "said").read_text())
    assert number == errno.EFBIG
    assert re.fullmatch(r".*/raw/val/00000[1-9]\.tar\.partial", name)
    assert list((tmp_path / "raw").iterdir()) == []
    told: list[dict[str, float]] = []
    bring_in(tmp_path, source, progress=lambda *_, **seen: told.append(seen))
    assert told[-1]["shards_kept"] >= 1
    ingest(source, tmp_path / "fresh", 0, shard_bytes=SHARD_BYTES)
    assert digests(tmp_path / "raw") == digests(tmp_path / "fresh")
