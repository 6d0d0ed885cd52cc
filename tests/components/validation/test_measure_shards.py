"""Pictures measured by processes: the same table whatever their number, and whatever a picture does to one of them."""

import pytest

from components.contracts.progress import silent
from components.data.ingest import ingest
from components.data.manifest import read_manifest
from components.validation.measure_shards import measure_shards
from tests.components.validation.conftest import ListedSource
from tests.hostile import HOSTILE


def test_no_value_depends_on_the_number_of_processes(case, make):
    case.ingest([*(make(i) for i in range(40)), make(41, data=b"no picture"), make(42)])
    shard = case.raw / "train/000000.tar"
    shard.write_bytes(shard.read_bytes()[:-20000])
    manifest = read_manifest(case.raw / "manifest.parquet")
    alone, *others = [measure_shards(case.raw, manifest, silent, processes=processes) for processes in (0, 1, 2, 4)]
    assert alone["found"].to_pylist().count(False) > 1
    assert all(other.equals(alone) for other in others)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_picture_that_harms_its_decoder_is_one_that_cannot_be_decoded(hostile, case, make, processes):
    kinds = dict(zip((3, 17, 18), ("crash", "exit", "hog"), strict=True))
    samples = [make(i, data=HOSTILE[kinds[i]] if i in kinds else None) for i in range(20)]
    ingest(ListedSource(samples), case.raw, 0, processes=processes)
    manifest = read_manifest(case.raw / "manifest.parquet")
    told: list[int] = []
    found = measure_shards(
        case.raw, manifest, lambda doing, done, total: told.append(done), processes=processes
    ).to_pylist()
    assert {at: row["flaw"] for at, row in enumerate(found) if row["flaw"]} == dict.fromkeys(kinds, "undecodable")
    assert [row["fault"][:21] for row in found if row["flaw"]] == [
        "it crashes the decode", "its decoder ended the", "it crashes the decode",
    ]  # fmt: skip
    assert told == list(range(1, 21))
