"""Each kind of dirt gets its reason, every row is counted once, and nothing of the test splits is left in sight."""

import io
import json
import subprocess
from collections import Counter

import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contracts.errors import ConfigError, DataError, GateClosed, StaleArtifact
from components.contracts.reasons import REASONS, VALIDATE
from components.contracts.reject import Reject
from components.contracts.sample import TEST_SPLITS, Page, Region, Span, Text
from components.data.ingest import ingest
from components.data.kinds import KINDS
from components.data.manifest import read_manifest, write_manifest
from components.data.synthetic.scenes import ScenesSource
from tests.components.validation.conftest import ListedSource
from tests.hostile import HOSTILE


def quarantine(case) -> dict[str, str]:
    table = pq.read_table(case.validated / "quarantine.parquet")
    assert table.column_names == ["key", "member", "reason", "detail"]
    assert all(row["member"] and row["detail"] for row in table.to_pylist())
    return {row["key"]: row["reason"] for row in table.to_pylist()}


def flat(colour: str, size: tuple[int, int] = (32, 32)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, colour).save(held, "PNG")
    return held.getvalue()


DIRT = {
    "cut": ("truncated", lambda paint: {"data": paint(90)[:200]}),
    "page": ("not_an_image", lambda paint: {"data": b"<html>404</html>"}),
    "empty_file": ("zero_bytes", lambda paint: {"data": b""}),
    "white": ("blank", lambda paint: {"data": flat("white")}),
    "grey": ("blank", lambda paint: {"data": flat("#e6e7e8")}),
    "tiny": ("too_small", lambda paint: {"data": flat("red", (4, 40))}),
    "huge": ("too_large", lambda paint: {"data": flat("red", (8193, 40))}),
    "silent": ("empty_caption", lambda paint: {"text": ""}),
    "spaces": ("empty_caption", lambda paint: {"text": "  \n"}),
    "wordless": ("no_caption", lambda paint: {"texts": ()}),
    "novel": ("caption_too_long", lambda paint: {"text": "word " * 500}),
    "foreign": ("caption_language", lambda paint: {"texts": (Text(text="un cœur", lang="fr"),)}),
    "swapped": ("caption_language", lambda paint: {"texts": (Text(text="赤いハート", lang="de"),)}),
    "unlicensed": ("licence_unknown", lambda paint: {"licence": "LicenseRef-Proprietary"}),
    "stranger": ("source_unknown", lambda paint: {"source": "somebody"}),
    "twice": ("duplicate_key", lambda paint: {}),
}


def test_every_kind_of_dirt_gets_its_reason_and_every_row_is_counted(case, make, paint):
    dirty = [make(100 + i, **{"key": key, **spoil(paint)}) for i, (key, (_, spoil)) in enumerate(DIRT.items())]
    case.ingest([*map(make, range(10)), *dirty, make(200, key="twice")])
    report = case.validate()
    assert quarantine(case) == {key: reason for key, (reason, _) in DIRT.items()}
    assert [row["key"] for row in read_manifest(case.validated / "manifest.parquet").to_pylist()] == [
        f"k{i}" for i in range(10)
    ]
    assert report["rows_in"] == 27 == report["clean"] + report["quarantined"]
    assert report["broken"] == report["quarantined"] == 17
    assert {code: its["rows"] for code, its in report["reasons"].items()} == Counter(
        [reason for reason, _ in DIRT.values()] + ["duplicate_key"]
    )
    assert json.loads((case.validated / "report.json").read_text()) == report


def test_what_ingest_set_aside_is_carried_on_and_counts_against_the_gate(case, make):
    rejects = [
        Reject(key="7.tar/000", member="7.tar/000.pickle", reason="pickle_member", detail="it would run code"),
        Reject(key="8.tar", member="8.tar", reason="shard_truncated", detail="it ends at byte 512"),
    ]
    case.ingest([rejects[0], *map(make, range(6)), rejects[1], make(6, data=b""), make(7, text="")])
    report = case.validate(max_broken=0.4)
    rows = pq.read_table(case.validated / "quarantine.parquet").to_pylist()
    assert rows[:2] == [{name: getattr(one, name) for name in rows[0]} for one in rejects]
    assert [row["reason"] for row in rows[2:]] == ["zero_bytes", "empty_caption"]
    assert report["rows_in"] == 10 == report["clean"] + report["pools"] + report["quarantined"]
    assert report["ingest"] == {
        "rows_in": 10, "samples": 8, "quarantined": 2, "rejected": {"shard_truncated": 1, "pickle_member": 1},
    }  # fmt: skip
    assert (report["broken"], report["broken_share"]) == (4, 0.4)
    assert list(report["reasons"]) == ["shard_truncated", "pickle_member", "zero_bytes", "empty_caption"]
    assert sum(its["rows_in"] for its in report["splits"].values()) == 10
    page = (case.validated / "report.html").read_text()
    for said in ("4 quarantined, 2 of them at ingest", "7.tar/000.pickle", "it ends at byte 512"):
        assert said in page
    with pytest.raises(GateClosed, match=r"4 of 10 samples are broken.*shard_truncated \(1\)"):
        case.validate(max_broken=0.39)


def test_a_quarantine_that_is_not_the_one_of_source_json_is_refused(case, make):
    case.ingest([make(0), Reject(key="a", member="a", reason="symlink", detail="a link")])
    path = case.raw / "quarantine.parquet"
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(
        StaleArtifact, match=r"has the rows \{\}, but source.json says that \{'symlink': 1\} were set aside"
    ):
        case.validate()
    path.write_bytes(whole[:-9])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        case.validate()
    path.unlink()
    with pytest.raises(DataError, match="is missing, so nobody knows what did not come in"):
        case.validate()


def test_damaged_shards_are_quarantined_row_by_row(case, make):
    case.ingest([make(i, split="val" if i % 2 else "train") for i in range(12)])
    (case.raw / "val/000000.tar").unlink()
    shard = case.raw / "train/000000.tar"
    rows = {row["key"]: row for row in read_manifest(case.raw / "manifest.parquet").to_pylist()}
    held = bytearray(shard.read_bytes())
    held[rows["k2"]["offset"] + 40] ^= 1
    shard.write_bytes(held[: rows["k10"]["offset"] + 10])
    case.validate()
    odd = {f"k{i}": "missing_member" for i in range(1, 12, 2)}
    assert quarantine(case) == {**odd, "k2": "sha_mismatch", "k10": "missing_member"}


def test_a_row_with_several_faults_has_the_first_reason_and_names_the_others(case, make):
    case.ingest([make(0), make(1, data=flat("white"), text="")])
    case.validate()
    row = pq.read_table(case.validated / "quarantine.parquet").to_pylist()[0]
    assert (row["reason"], row["detail"].split("; ")[-1]) == ("blank", "also empty_caption")
    assert row["detail"].startswith("contrast is 0; it must hold that contrast is at least 0.01")


def test_a_column_left_empty_is_incomplete(case, make):
    case.ingest([make(0), make(1, licence=None)])
    case.validate()
    assert quarantine(case) == {"k1": "incomplete"}


def test_twins_leave_the_pools_and_stay_in_train(case, make, paint):
    again = paint(1, compress_level=0)  # other bytes, same pixels
    case.ingest(
        [
            make(1),
            make(2, data=again, text="named otherwise"),  # both trained on: counted only
            make(3, data=again, split="val", text="gradient 1"),  # trained on, same name
            make(4, data=paint(4), split="pair"),
            make(5, data=paint(4), split="designer", text="named otherwise"),  # with k4: two names, none trained on
            make(6, data=paint(6), split="designer", text="one name"),
            make(7, data=paint(6), split="both", text="one name"),  # with k6: one name, none trained on
            make(8, data=paint(8), split="pair"),
            make(9, data=paint(9), split="pair", text="one bus"),
            make(10, data=paint(9, compress_level=0), split="val", text="one bus"),  # with k9, which is tested on
        ]
    )
    report = case.validate(max_broken=0)
    assert quarantine(case) == dict.fromkeys(("k3", "k4", "k5", "k10"), "duplicate_pixels")
    assert report["told"] == {"twin_in_train": {"rows": 2, "meaning": REASONS["twin_in_train"].meaning}}
    told = pq.read_table(case.validated / "told.parquet").to_pylist()
    assert [(row["key"], row["detail"]) for row in told] == [
        ("k1", "identical to k2 (train)"), ("k2", "identical to k1 (train)"),
    ]  # fmt: skip
    assert "Kept, and told of" in (case.validated / "report.html").read_text()
    assert report["broken"] == 0


def test_where_nothing_is_sound_everything_is_quarantined_and_nothing_told(case, make):
    case.ingest([make(0, data=b"no picture"), make(1, text="", split="pair")])
    report = case.validate(max_broken=1)
    assert (report["clean"], report["pools"], report["quarantined"]) == (0, 0, 2)
    assert (report["told"], report["languages"]) == ({}, {})
    assert len(read_manifest(case.validated / "manifest.parquet")) == 0


def test_a_policy_of_drop_sets_aside_what_else_is_only_told_of(case, make, paint):
    case.ingest([make(1), make(2, data=paint(1, compress_level=0)), make(3)])
    report = case.validate(max_broken=0, policy={"twin_in_train": "drop"})
    assert quarantine(case) == dict.fromkeys(("k1", "k2"), "twin_in_train")
    assert report["told"] == {}
    assert pq.read_table(case.validated / "told.parquet").num_rows == 0


def test_a_policy_for_what_nobody_finds_is_refused_before_the_work(case):
    with pytest.raises(ConfigError, match="did you mean twin_in_train"):
        case.validate(policy={"twin_in_trian": "drop"})


def test_the_concept_pool_keeps_one_picture_a_concept_wherever_it_comes(case, make, tmp_path):
    labels = {"concept": "heart"}
    hearts = [make(i, split="concept", labels=labels) for i in range(5)]
    case.ingest([make(10), *hearts, make(11, split="concept")])
    assert set(case.validate()["reasons"]) == {"same_concept"}
    kept = read_manifest(case.evaluation / "concept/manifest.parquet")["key"].to_pylist()
    assert len(kept) == 2
    assert kept[1] == "k11"
    assert set(quarantine(case)) == {f"k{i}" for i in range(5)} - {kept[0]}
    turned = type(case)(tmp_path / "turned").ingest([make(11, split="concept"), *hearts[::-1], make(10)])
    turned.validate()
    assert set(read_manifest(turned.evaluation / "concept/manifest.parquet")["key"].to_pylist()) == set(kept)


def test_nothing_before_evaluate_can_see_a_test_row(case):
    ingest(ScenesSource(pictures=60), case.raw, seed=0)
    report = case.validate(max_broken=0)
    seen = read_manifest(case.validated / "manifest.parquet")
    assert set(seen["split"].to_pylist()) == {"train", "val"}
    for split in TEST_SPLITS:
        pool = read_manifest(case.evaluation / split / "manifest.parquet")
        assert set(pool["split"].to_pylist()) == {split}
        assert len(pool) == report["splits"][split]["kept"] > 0
    named = {path.name for path in case.validated.iterdir()}
    tables = {kind.file for kind in KINDS}
    assert named == tables | {
        "manifest.parquet",
        "quarantine.parquet",
        "told.parquet",
        "report.json",
        "report.html",
        "card.md",
    }


def test_the_same_snapshot_gives_the_same_bytes(case, make, tmp_path):
    case.ingest([make(0), make(1, data=flat("white")), make(2, split="pair"), make(3, data=b"no picture")])
    case.validate()
    other = type(case)(tmp_path / "other")
    other.raw = case.raw
    other.validate()
    for name in ("validated", "evaluation"):
        differ = subprocess.run(
            ["diff", "-r", case.folder / name, other.folder / name], capture_output=True, check=False
        )
        assert differ.returncode == 0, differ.stdout


def test_the_gate_opens_at_its_limit_and_closes_above(case, make):
    case.ingest([*map(make, range(8)), make(8, data=b"no picture"), make(9, data=b"no picture", split="pair")])
    assert case.validate(max_broken=0.2)["gate"] == "open"
    assert not case.failed_report.exists()


def test_a_closed_gate_says_share_limit_reasons_page_and_remedy(case, make):
    case.ingest([*map(make, range(7)), make(7, data=b"no picture"), make(8, data=b"no picture"), make(9, text="")])
    with pytest.raises(GateClosed) as caught:
        case.validate(max_broken=0.2)
    said = str(caught.value)
    assert "3 of 10 samples are broken (30.00%), and gates.max_broken allows 20.00%" in said
    assert "mostly not_an_image (2), empty_caption (1)" in said
    assert str(case.failed_report) in said
    assert "raise gates.max_broken in params.yaml" in said
    assert "The gate is closed" in case.failed_report.read_text()
    assert not case.validated.exists()
    assert not case.evaluation.exists()


@pytest.mark.parametrize("share", [-0.1, 1.5, 5, float("nan")])
def test_a_gate_that_is_no_share_is_refused_before_the_work(case, share):
    with pytest.raises(ConfigError, match="a share of the samples"):
        case.validate(max_broken=share)


def test_a_manifest_that_was_changed_after_ingest_is_refused(case, make):
    case.ingest(list(map(make, range(5))))
    path = case.raw / "manifest.parquet"
    write_manifest(read_manifest(path).slice(1), path)
    with pytest.raises(StaleArtifact, match=r"not the manifest that source\.json was written with"):
        case.validate()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ('{"digest": "0"}', "another digest"),
        ("[]", "cannot be read"),
    ],
)
def test_a_snapshot_without_its_source_json_is_refused(case, make, text, says):
    case.ingest([make(0)])
    path = case.raw / "source.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises((DataError, StaleArtifact), match=says):
        case.validate()


def test_source_json_has_to_declare_what_rows_may_hold(case, make):
    case.ingest([make(0)])
    came_in = json.loads((case.raw / "source.json").read_text())
    del came_in["source"]["languages"]
    (case.raw / "source.json").write_text(json.dumps(came_in))
    with pytest.raises(DataError, match="does not say 'languages'"):
        case.validate()


def test_rows_that_source_json_does_not_know_of_are_refused(case, make):
    case.ingest([make(0), make(1)])
    came_in = json.loads((case.raw / "source.json").read_text())
    (case.raw / "source.json").write_text(json.dumps({**came_in, "samples": 3}))
    with pytest.raises(DataError, match=r"has 2 rows, but it has as many rows as source.json says \(3\)"):
        case.validate()


def test_progress_is_told_after_every_picture(case, make):
    case.ingest([make(i) for i in range(4)])
    told = []
    case.validate(progress=lambda *what: told.append(what))
    assert told[:4] == [("check pictures", i + 1, 4) for i in range(4)]
    assert told[4:] == [("check rows", 1, 1), ("write manifests", 1, 1)]


def test_pictures_that_harm_their_decoder_are_set_aside(hostile, case, make):
    """Ingest has brought them in, as ones that cannot be decoded; neither measuring nor the report is harmed by one."""
    kinds = {3: "crash", 17: "exit"}
    samples = [make(i, data=HOSTILE[kinds[i]] if i in kinds else None) for i in range(20)]
    ingest(ListedSource(samples), case.raw, 0, processes=1)
    case.validate(processes=1)
    assert quarantine(case) == {f"k{i}": "undecodable" for i in kinds}
    assert "whose process ended by SIGSEGV" in (case.validated / "report.html").read_text()


def test_every_reason_of_the_suite_is_one_that_the_report_explains(case, make):
    of_all_kinds = {
        "page": Page(document="d", place=0),
        "regions": (Region(box=(0.1, 0.1, 0.6, 0.6), label="cat"),),
        "span": Span(clip="c", t0_s=0, t1_s=1, fps=2, first=0, frames=2, key_frame=1, clip_frames=2),
        "series": "s",
    }
    checks = case.ingest([make(0, **of_all_kinds)]).validate()["checks"]
    assert len(checks) > 50
    assert {check["reason"] for check in checks} - {None} == {
        code for code, its in REASONS.items() if its.broken and VALIDATE in its.found_by
    } | {"pii_text"}  # in the words of a box; in captions it is a check's
