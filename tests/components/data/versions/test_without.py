"""A snapshot without some samples: other shards are the same files, packed ones what the writer would have made, counts add up."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from components.contracts.errors import DataError
from components.data.kinds import read_kinds
from components.data.manifest import read_manifest, snapshot_digest
from components.data.quarantine import read_quarantine
from components.data.shards import open_pictures
from components.data.versions.exchange import by_renames, exchange, recover
from components.data.versions.keys import read_keys, split_known, unknown_keys, with_copies
from components.data.versions.without import without
from components.validation.validate import validate
from tests.flows.versioned import names, snapshot


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Forty pictures in shards of a few."""
    return snapshot(tmp_path_factory.mktemp("whole") / "raw", names(40), shard_bytes=15_000)


def rows(raw: Path, *keys: str) -> pa.Table:
    manifest = read_manifest(raw / "manifest.parquet")
    return manifest.filter(pc.is_in(manifest["key"], value_set=pa.array(keys)))


def files(raw: Path) -> dict[str, str]:
    return {
        path.relative_to(raw).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(raw.rglob("*"))
        if path.is_file()
    }


def test_only_the_shards_that_held_them_are_packed_again(whole, tmp_path):
    going = rows(whole, "k000", "k006")
    made = without(whole, tmp_path / "raw", going, "asked for")
    before, after = files(whole), files(tmp_path / "raw")
    shards = {name for name in before if name.endswith(".tar")}
    assert (
        {name for name in shards if before[name] != after.get(name)}
        == set(going["shard"].to_pylist())
        == set(made.repacked)
    )
    assert made.linked == len(shards) - len(made.repacked) > 0
    assert all((tmp_path / "raw" / name).samefile(whole / name) for name in shards - set(made.repacked))
    manifest = read_manifest(tmp_path / "raw/manifest.parquet")
    assert manifest["key"].to_pylist() == [name for name in names(40) if name not in ("k000", "k006")]
    assert dict(open_pictures(tmp_path / "raw", manifest)).keys() == set(manifest["key"].to_pylist())
    assert made.digest == snapshot_digest(manifest)


def test_a_packed_shard_is_what_the_writer_would_have_made_of_its_samples(whole, tmp_path):
    going = rows(whole, "k001")
    shard = going["shard"][0].as_py()
    without(whole, tmp_path / "raw", going, "")
    manifest = read_manifest(tmp_path / "raw/manifest.parquet")
    stayed = manifest.filter(pc.equal(manifest["shard"], shard))["key"].to_pylist()
    anew = snapshot(tmp_path / "anew", stayed)
    assert (anew / "train/000000.tar").read_bytes() == (tmp_path / "raw" / shard).read_bytes()
    with tarfile.open(tmp_path / "raw" / shard) as tar:
        assert tar.getnames() == [name for key in stayed for name in (f"{key}.png", f"{key}.json")]


def test_every_sample_that_went_is_set_aside_with_its_reason_and_the_next_stage_finds_nothing_amiss(whole, tmp_path):
    made = without(whole, tmp_path / "raw", rows(whole, "k000", "k003", "k004"), "its owner asked")
    said = json.loads((tmp_path / "raw/source.json").read_text())
    assert (said["rows_in"], said["samples"], said["quarantined"], said["rejected"]) == (40, 37, 3, {"takedown": 3})
    assert said["digest"] == made.digest
    assert (said["splits"]["train"], said["splits"]["val"], said["splits"]["pair"]) == (23, 7, 7)
    assert said["removed"] == [{"from": made.before, "samples": 3, "why": "its owner asked"}]
    aside = read_quarantine(tmp_path / "raw/quarantine.parquet")
    assert {(row["key"], row["reason"], row["detail"]) for row in aside} == {
        (key, "takedown", "it was removed: its owner asked") for key in ("k000", "k003", "k004")
    }
    regions = read_kinds(tmp_path / "raw")["regions"]["key"].to_pylist()
    assert regions == [name for name in names(40) if int(name[1:]) % 3 == 0 and name not in ("k000", "k003")]
    assert said["regions"] == {"pictures": 12, "regions": 12}
    report = validate(
        tmp_path / "raw",
        tmp_path / "validated",
        tmp_path / "evaluation",
        max_broken=0.0,
        seed=0,
        failed_report=tmp_path / "failed.html",
    )
    assert (report["rows_in"], report["reasons"]["takedown"]["rows"]) == (40, 3)


def test_a_shard_and_a_table_of_which_nothing_is_left_are_gone(whole, tmp_path):
    manifest = read_manifest(whole / "manifest.parquet")
    with_region = [name for name in names(40) if int(name[1:]) % 3 == 0]
    shard = manifest["shard"][0].as_py()
    gone = {*with_region, *manifest.filter(pc.equal(manifest["shard"], shard))["key"].to_pylist()}
    without(whole, tmp_path / "raw", rows(whole, *gone), "")
    assert not (tmp_path / "raw" / shard).exists()
    assert not (tmp_path / "raw/regions.parquet").exists()
    assert "regions" not in json.loads((tmp_path / "raw/source.json").read_text())
    assert len(dict(open_pictures(tmp_path / "raw", read_manifest(tmp_path / "raw/manifest.parquet")))) == 40 - len(
        gone
    )


def test_removing_twice_is_removing_both_at_once(whole, tmp_path):
    without(whole, tmp_path / "one", rows(whole, "k010"), "")
    second = without(tmp_path / "one", tmp_path / "two", rows(tmp_path / "one", "k011"), "")
    both = without(whole, tmp_path / "both", rows(whole, "k010", "k011"), "")
    assert second.digest == both.digest
    told = ("source.json",)  # which tells of each removal
    one, other = files(tmp_path / "two"), files(tmp_path / "both")
    assert {name: its for name, its in one.items() if name not in told} == {
        name: its for name, its in other.items() if name not in told
    }


def test_what_was_whole_when_it_was_stopped_is_used_and_what_was_damaged_is_made_anew(whole, tmp_path):
    going = rows(whole, "k000", "k021")
    made = without(whole, tmp_path / "raw", going, "")
    expected = files(tmp_path / "raw")
    first, second = made.repacked
    kept = (tmp_path / "raw" / first).stat().st_ino
    (tmp_path / "raw" / second).unlink()
    (tmp_path / "raw" / f"{second}.partial").write_bytes(b"half")
    (tmp_path / "raw/manifest.parquet").unlink()
    without(whole, tmp_path / "raw", going, "")
    assert files(tmp_path / "raw") == expected
    assert (tmp_path / "raw" / first).stat().st_ino == kept
    spoiled = bytearray((tmp_path / "raw" / first).read_bytes())
    spoiled[700] ^= 1
    (tmp_path / "raw" / first).write_bytes(spoiled)
    with pytest.raises(DataError, match="not what the manifest's sha256 promises"):
        without(whole, tmp_path / "raw", going, "")
    without(whole, tmp_path / "raw", going, "")
    assert files(tmp_path / "raw") == expected


def test_the_words_of_a_picture_that_went_are_no_example(whole, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(whole, raw)
    said = json.loads((raw / "source.json").read_text())
    said["source"]["examples"] = ["picture k000", "picture k001"]
    (raw / "source.json").write_text(json.dumps(said))
    without(raw, tmp_path / "out", rows(raw, "k000"), "")
    assert json.loads((tmp_path / "out/source.json").read_text())["source"]["examples"] == ["picture k001"]


def test_a_snapshot_keeps_a_sample_and_a_shard_that_was_changed_is_told(whole, tmp_path):
    with pytest.raises(DataError, match=r"all 40 samples of .* would go"):
        without(whole, tmp_path / "none", rows(whole, *names(40)), "")
    raw = tmp_path / "raw"
    shutil.copytree(whole, raw)
    going = rows(raw, "k000")
    shard = raw / going["shard"][0].as_py()
    shard.write_bytes(shard.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"000000.tar .*(changed|cannot be read).*dvc checkout"):
        without(raw, tmp_path / "out", going, "")


def test_unknown_keys_are_told_with_the_nearest(whole, tmp_path):
    manifest = read_manifest(whole / "manifest.parquet")
    (tmp_path / "keys.txt").write_text("k001  # of a person\n\nk0O2\nk001\nzzzzzzzzzzzz\n")
    known, unknown = split_known(read_keys(tmp_path / "keys.txt"), manifest)
    assert (known, unknown) == (["k001"], ["k0O2", "zzzzzzzzzzzz"])
    said = str(unknown_keys(unknown, manifest, "data/raw", "Leave them out."))
    assert said.startswith("data/raw has no sample 'k0O2' (nearest: k0")
    assert said.endswith("'zzzzzzzzzzzz'. Nothing was done. Leave them out.")
    (tmp_path / "none.txt").write_text("# nobody\n")
    for name in ("none.txt", "missing.txt"):
        with pytest.raises(Exception, match=f"{name}.*Give a text file with a key a line"):
            read_keys(tmp_path / name)


def test_copies_are_found_by_their_bytes_and_by_their_pixels(whole):
    manifest = read_manifest(whole / "manifest.parquet")
    table = manifest.slice(0, 4).to_pylist()
    table[1] |= {"sha256": table[0]["sha256"], "pixel_sha256": None}
    table[2] |= {"pixel_sha256": table[0]["pixel_sha256"]}
    table[3] |= {"pixel_sha256": None}
    made = pa.Table.from_pylist(table, manifest.schema)
    assert with_copies(made.slice(0, 1), made)["key"].to_pylist() == ["k000", "k001", "k002"]
    assert with_copies(made.slice(3, 1), made)["key"].to_pylist() == ["k003"]


def test_folders_are_exchanged_and_a_kill_in_between_is_mended(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    for swap in (exchange, by_renames):
        was = (one / "name").read_text()
        swap(one, other)
        assert (other / "name").read_text() == was != (one / "name").read_text()
    other.rename(tmp_path / ".other.before")  # the first step of three
    recover(one, other)
    assert (other / "name").read_text() == "one"
    recover(one, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]
