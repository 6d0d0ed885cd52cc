"""What two versions differ in, beside a plain comparison of dicts, and what cannot be compared."""

import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import DataError
from components.data.beside import write_kind
from components.data.manifest import SCHEMA, write_manifest
from components.data.regions import REGIONS
from components.data.versions.difference import Version, difference


def row(key: str, **changed: object) -> dict:
    """A row of the manifest whose values follow from its key."""
    return {
        "key": key, "split": "train", "source": "own", "licence": "CC0-1.0", "shard": "train/000000.tar", "offset": 512,
        "size_bytes": 9, "sha256": f"file of {key}", "pixel_sha256": f"pixels of {key}", "width": 8, "height": 8,
        "texts": [{"text": f'a "{key}"', "kind": "short", "lang": "en"}],
        "labels": {"concept": key, "category": None, "subcategory": None}, **changed,
    }  # fmt: skip


def said(text: str) -> dict:
    return {"texts": [{"text": text, "kind": "short", "lang": "en"}]}


def version(folder, rows: list[dict], **kinds: list[dict]) -> Version:
    """Those rows as a manifest in a folder."""
    folder.mkdir()
    write_manifest(pa.Table.from_pylist(rows, SCHEMA), folder / "manifest.parquet")
    for name, its in kinds.items():
        assert name == "regions"
        write_kind(pa.Table.from_pylist(its, REGIONS.schema), folder, REGIONS)
    return Version.at(folder, folder.name)


def test_samples_are_added_removed_and_changed_by_key_wherever_they_stand(tmp_path):
    before = [row("a"), row("b"), row("c"), row("d"), row("e"), row("f"), row("g")]
    after = [
        row("new"), row("g", shard="train/000001.tar", offset=0), row("f", sha256="x", size_bytes=7),
        row("e", sha256="y", pixel_sha256="z"), row("d", split="val", licence="MIT"), row("c", **said("another")), row("b"),
    ]  # fmt: skip
    found = difference(version(tmp_path / "A", before), version(tmp_path / "B", after), tmp_path / "diff.parquet")
    rows = {one["key"]: one for one in pq.read_table(tmp_path / "diff.parquet").to_pylist()}
    assert {key: (one["change"], one["reasons"]) for key, one in rows.items()} == {
        "new": ("added", []), "a": ("removed", []), "c": ("changed", ["caption"]), "d": ("changed", ["split", "licence"]),
        "e": ("changed", ["picture"]), "f": ("changed", ["encoding"]),
    }  # fmt: skip
    assert json.loads(rows["d"]["before"]) == {"split": "train", "licence": "CC0-1.0"}
    assert json.loads(rows["d"]["after"]) == {"split": "val", "licence": "MIT"}
    assert json.loads(rows["c"]["before"])["caption"][0]["text"] == 'a "c"'
    counts = found.counts
    assert (counts.added, counts.removed, counts.changed, counts.same, counts.moved) == (1, 1, 4, 2, 1)
    assert dict(counts.reasons) == {"caption": 1, "split": 1, "licence": 1, "picture": 1, "encoding": 1}
    assert not found.equal
    assert found.rows == (7, 7)


def plain(before: list[dict], after: list[dict]) -> dict[str, tuple[str, set[str]]]:
    """The same, as anybody would write it down."""
    one, other = ({its["key"]: its for its in rows} for rows in (before, after))
    found = {key: ("added", set()) for key in other.keys() - one.keys()}
    found |= {key: ("removed", set()) for key in one.keys() - other.keys()}
    for key in one.keys() & other.keys():
        reasons = {name for name in ("split", "licence", "source", "labels") if one[key][name] != other[key][name]}
        reasons |= {"caption"} if one[key]["texts"] != other[key]["texts"] else set()
        if one[key]["sha256"] != other[key]["sha256"]:
            reasons |= {"encoding" if one[key]["pixel_sha256"] == other[key]["pixel_sha256"] else "picture"}
        if reasons:
            found[key] = ("changed", reasons)
    return found


@pytest.mark.parametrize("rows_at_once", [10_000, 300, 7])
def test_memory_is_bounded_by_a_number_and_the_result_does_not_depend_on_it(tmp_path, rows_at_once):
    dice = random.Random(rows_at_once)
    changes = [
        {}, {}, {}, {"split": "val"}, {"licence": None}, {"sha256": "other"}, {"sha256": "other", "pixel_sha256": None}, said("é\n"),
        {"texts": None}, {"labels": {"concept": "x", "category": None, "subcategory": None}}, {"offset": 7},
    ]  # fmt: skip
    before = [row(f"k{at}") for at in range(1000) if dice.random() < 0.9]
    after = [row(f"k{at}", **dice.choice(changes)) for at in range(1000) if dice.random() < 0.9]
    dice.shuffle(after)
    one, other = version(tmp_path / "A", before), version(tmp_path / "B", after)
    found = difference(one, other, tmp_path / "diff.parquet", rows_at_once)
    rows = pq.read_table(tmp_path / "diff.parquet").to_pylist()
    assert {its["key"]: (its["change"], set(its["reasons"])) for its in rows} == plain(before, after)
    assert len(rows) == found.counts.added + found.counts.removed + found.counts.changed
    assert found.counts.same + found.counts.changed + found.counts.removed == len(before)


def test_the_same_rows_are_equal_and_so_are_rows_that_only_moved(tmp_path):
    rows = [row("a"), row("b")]
    one, same = version(tmp_path / "A", rows), version(tmp_path / "B", rows)
    assert difference(one, same).identical
    assert difference(one, same).equal
    moved = difference(one, version(tmp_path / "C", [row("b", offset=0), row("a")]), tmp_path / "diff.parquet")
    assert moved.equal
    assert not moved.identical
    assert (moved.counts.moved, moved.counts.same) == (1, 2)
    assert pq.read_table(tmp_path / "diff.parquet").num_rows == 0


def test_what_lies_beside_the_manifest_is_compared_by_key_too(tmp_path):
    box = {"x0": 0.0, "y0": 0.0, "x1": 0.5, "y1": 0.5, "label": "cat", "region": 0}
    other = box | {"x1": 0.75}
    rows = [row("a"), row("b"), row("c")]
    one = version(tmp_path / "A", rows, regions=[{"key": "a", **box}, {"key": "b", **box}])
    two = version(tmp_path / "B", rows, regions=[{"key": "b", **other}, {"key": "a", **box}, {"key": "c", **box}])
    for rows_at_once in (10, 1):
        found = difference(one, two, tmp_path / "diff.parquet", rows_at_once)
        its = {row["key"]: row["reasons"] for row in pq.read_table(tmp_path / "diff.parquet").to_pylist()}
        assert its == {"b": ["regions"], "c": ["regions"]}
        assert found.unlike == {}
    alone = difference(one, version(tmp_path / "C", rows))
    assert alone.unlike == {"regions.parquet": "only the first has it"}
    assert not alone.identical


def test_manifests_of_other_versions_are_compared_in_what_both_have(tmp_path):
    one = version(tmp_path / "A", [row("a"), row("b")])
    table = pq.read_table(one.manifest)
    older = table.drop_columns(["licence", "pixel_sha256"]).append_column("score", pa.array([0.5, 0.25]))
    older = older.set_column(older.column_names.index("key"), "key", older["key"].cast(pa.large_string()))
    older = older.set_column(older.column_names.index("split"), "split", pa.array([1, 2], pa.int8()))
    turned = [{"lang": "en", "kind": "short", "text": 'a "a"'}], [{"lang": "en", "kind": "short", "text": "changed"}]
    older = older.set_column(older.column_names.index("texts"), "texts", pa.array(list(turned)))
    (tmp_path / "B").mkdir()
    pq.write_table(older, tmp_path / "B/manifest.parquet")
    found = difference(one, Version.at(tmp_path / "B", "B"), tmp_path / "diff.parquet")
    assert found.unlike == {
        "licence": "only the first has it", "pixel_sha256": "only the first has it", "score": "only the second has it",
        "split": "string in the first and int64 in the second",
    }  # fmt: skip
    assert pq.read_table(tmp_path / "diff.parquet").select(["key", "reasons"]).to_pylist() == [
        {"key": "b", "reasons": ["caption"]}
    ]


def test_scores_of_both_are_compared(tmp_path):
    for name, scores in (("A", [0.5, float("nan")]), ("B", [0.5, 0.25])):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"key": ["a", "b"], "score": scores}), tmp_path / name / "manifest.parquet")
    found = difference(Version.at(tmp_path / "A"), Version.at(tmp_path / "B"))
    assert dict(found.counts.reasons) == {"score": 1}
    assert found.examples[0]["before"] == '{"score": NaN}'


def test_a_file_that_is_no_manifest_or_has_a_key_twice_is_an_error_that_names_it(tmp_path):
    good = version(tmp_path / "A", [row("a")])
    with pytest.raises(DataError, match=r"^B has the key 'k' 2 times.*Ingest again"):
        difference(good, version(tmp_path / "B", [row("k"), row("k")]))
    with pytest.raises(DataError, match=r"^C has rows without a key \(1\)"):
        difference(good, version(tmp_path / "C", [row("k") | {"key": None}]))
    (tmp_path / "D.parquet").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"^D: .*cannot be read as Parquet.*make it again"):
        difference(good, Version.at(tmp_path / "D.parquet", "D"))
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "E.parquet")
    with pytest.raises(DataError, match=r"no column 'key'.*It has name"):
        difference(good, Version.at(tmp_path / "E.parquet"))
    with pytest.raises(DataError, match=r"holds no manifest.parquet, so it is no version of data"):
        Version.at(tmp_path)
    assert not (tmp_path / "diff.parquet").exists()


def test_a_comparison_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(DataError, match="2 times"):
        difference(
            version(tmp_path / "A", [row("a")]),
            version(tmp_path / "B", [row("k"), row("k")]),
            tmp_path / "diff.parquet",
        )
    assert not list(tmp_path.glob("diff*"))
