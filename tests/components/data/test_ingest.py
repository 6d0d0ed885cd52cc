import hashlib
import json
import subprocess
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from components.contracts.errors import DataError
from components.contracts.reject import Reject
from components.contracts.sample import SPLITS, Media, Sample, Text
from components.data.ingest import ingest
from components.data.manifest import read_manifest, snapshot_digest
from components.data.quarantine import read_quarantine
from components.data.synthetic.scenes import ScenesSource


def test_two_runs_write_the_same_bytes(scenes_raw, tmp_path):
    ingest(ScenesSource(pictures=60), tmp_path / "raw", seed=0)
    differ = subprocess.run(["diff", "-r", scenes_raw, tmp_path / "raw"], capture_output=True, text=True, check=False)
    assert differ.returncode == 0, differ.stdout


def test_source_json_says_what_came_in(scenes_raw):
    came_in = json.loads((scenes_raw / "source.json").read_text())
    table = read_manifest(scenes_raw / "manifest.parquet")
    assert came_in["source"]["name"] == "scenes"
    assert came_in["samples"] == len(table) == 60 == sum(came_in["splits"].values())
    assert came_in["digest"] == snapshot_digest(table)
    assert (came_in["rows_in"], came_in["quarantined"], came_in["rejected"]) == (60, 0, {})
    assert read_quarantine(scenes_raw / "quarantine.parquet") == []
    assert sum(came_in["designers"]["chalk"].values()) == 9
    assert set(came_in["designers"]["chalk"]) <= {"designer", "both"}


def test_every_split_has_rows_and_none_has_a_concept_of_training(scenes_raw):
    concepts = defaultdict(set)
    for row in read_manifest(scenes_raw / "manifest.parquet").to_pylist():
        concepts[row["split"]].add(row["labels"]["concept"])
    assert set(concepts) == set(SPLITS)
    for split in ("concept", "both", "pair", "val"):
        assert not concepts[split] & concepts["train"]


def test_progress_is_told_after_every_picture(tmp_path):
    told = []
    ingest(ScenesSource(pictures=9), tmp_path / "raw", seed=0, progress=lambda *what: told.append(what))
    assert told == [("draw and write pictures", i + 1, 9) for i in range(9)]


def test_an_interrupt_leaves_no_manifest(tmp_path):
    def stop(doing: str, done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(ScenesSource(pictures=9), tmp_path / "raw", seed=0, progress=stop)
    assert not list((tmp_path / "raw").glob("manifest*"))


def test_a_snapshot_is_never_written_over_another(own_raw):
    with pytest.raises(DataError, match="is not empty"):
        ingest(ScenesSource(pictures=9), own_raw, seed=0)


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_every_file_is_the_same_whatever_the_number_of_processes(tmp_path, processes):
    for name, number in (("one", 0), ("several", processes)):
        ingest(Messy(150), tmp_path / name, seed=0, shard_bytes=50_000, processes=number)
    assert digests(tmp_path / "several") == digests(tmp_path / "one")
    assert len(list((tmp_path / "one").glob("train/*.tar"))) > 3
    rows = read_manifest(tmp_path / "several/manifest.parquet").to_pylist()
    assert sum(row["width"] is None for row in rows) == 15, "every tenth is no picture, and comes in all the same"
    for row in rows:
        assert (
            row["sha256"]
            == hashlib.sha256(
                (tmp_path / "several" / row["shard"]).read_bytes()[row["offset"] :][: row["size_bytes"]]
            ).hexdigest()
        )


class Nothing:
    """A source that gives no samples."""

    def samples(self, seed, progress):
        yield from ()

    def describe(self):
        return {"name": "nothing"}


class WrongSplit(Nothing):
    """A source with a split that nobody knows."""

    def samples(self, seed, progress):
        yield Sample(key="k", split="test", source="s", licence="CC0-1.0", media=(), texts=())


class OnlyRejects(Nothing):
    """A source of which nothing can come in: two shards without a picture."""

    def samples(self, seed, progress):
        for name in ("a.tar", "b.tar"):
            yield Reject(key=name, member=name, reason="all_bad_shard", detail="it is no tar")


class Mixed(Nothing):
    """A source with `samples` samples, and a reject before each."""

    def __init__(self, count: int) -> None:
        self.count = count

    def samples(self, seed, progress):
        for number in range(self.count):
            yield Reject(key=f"r{number}", member="a.tar", reason=REJECTS[number % 2], detail=f"record {number}")
            yield Sample(
                key=f"k{number}", split="train", source="s", licence="CC0-1.0",
                media=(Media(member=f"k{number}.png", data=b"?"),), texts=(Text(text="a"),),
            )  # fmt: skip


class Messy(Nothing):
    """Scenes, every tenth of them no picture, and a reject now and then."""

    def __init__(self, pictures: int) -> None:
        self.scenes = ScenesSource(pictures=pictures)

    def samples(self, seed, progress):
        for number, sample in enumerate(self.scenes.samples(seed, progress)):
            if number % 7 == 0:
                yield Reject(key=f"r{number}", member="a.tar", reason="symlink", detail="it is a link")
            if number % 10 == 0:
                sample = replace(sample, media=(replace(sample.media[0], data=b"<html>404</html>"),))
            yield sample


REJECTS = ("pickle_member", "bad_utf8")


def test_every_record_is_a_row_of_the_manifest_or_of_the_quarantine(tmp_path):
    came_in = ingest(Mixed(5000), tmp_path / "raw", seed=0)
    rows = read_quarantine(tmp_path / "raw/quarantine.parquet")
    assert came_in["rows_in"] == 10_000 == came_in["samples"] + came_in["quarantined"]
    assert came_in["rejected"] == {"pickle_member": 2500, "bad_utf8": 2500}
    assert [row["key"] for row in rows] == [f"r{number}" for number in range(5000)]
    assert rows[4999] == {"key": "r4999", "member": "a.tar", "reason": "bad_utf8", "detail": "record 4999"}
    assert json.loads((tmp_path / "raw/source.json").read_text()) == came_in


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Nothing(), "gave 0 samples"),
        (WrongSplit(), "split 'test'"),
        (OnlyRejects(), r"gave 0 samples.*Set aside: all_bad_shard \(2\)"),
    ],
)
def test_a_source_that_gives_nothing_usable_is_refused(tmp_path, source, says):
    with pytest.raises(DataError, match=says):
        ingest(source, tmp_path / "raw", seed=0)
    assert not (tmp_path / "raw/source.json").exists()
