"""The suite for regions: each planted fault is found on its picture with its reason, and sound boxes pass."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.contracts.errors import StaleArtifact
from components.contracts.sample import Region
from components.data.regions import REGIONS, SCHEMA
from components.validation.kinds import run_kind, run_kinds

SOUND = {"x0": 0.1, "y0": 0.2, "x1": 0.6, "y1": 0.7, "label": "cat", "text": None, "of_width": 40, "of_height": 30}


def tables(rows, width=40, height=30):
    """Return regions, three a picture, and the manifest."""
    regions = [{"key": f"k{at // 3}", "region": at % 3, **row} for at, row in enumerate(rows)]
    count = -(-len(rows) // 3)
    sizes = {"width": [width] * count, "height": [height] * count, "split": ["train"] * count}
    manifest = pa.table({"key": [f"k{at}" for at in range(count)], **sizes})
    return pa.Table.from_pylist(regions, SCHEMA), manifest


def found(rows, **size):
    regions, manifest = tables(rows, **size)
    lines, findings = run_kind(REGIONS, regions, manifest, len(rows))
    assert sum(line.failed for line in lines) == len(findings)
    return {(finding.row, finding.reason): finding.detail for finding in findings}


FAULTS = [
    ({"y1": None}, {"incomplete", "box_empty"}),
    ({"x1": 1.2}, {"box_outside"}),
    ({"y0": -0.1}, {"box_outside"}),
    ({"x0": 0.6}, {"box_empty"}),
    ({"y0": 0.9}, {"box_empty"}),
    ({"x1": 0.1 + 0.9 / 40}, {"box_empty"}),
    ({"x1": 0.1 + 1 / 40}, set()),
    ({"label": None}, {"bad_box"}),
    ({"label": ""}, {"bad_box"}),
    ({"label": None, "text": "the left one"}, set()),
    ({"text": "write to kim@example.org"}, {"pii_text"}),
    ({"label": "card 4111 1111 1111 1111"}, {"pii_text"}),
    ({"of_width": 30, "of_height": 40}, {"box_shape"}),
    ({"of_width": 400, "of_height": 300}, set()),
    ({"of_width": None, "of_height": None}, set()),
]


def test_each_fault_is_found_on_its_picture():
    rows = [row for spoilt, _ in FAULTS for row in (SOUND, SOUND | spoilt, SOUND)]  # a picture each
    assert set(found(rows)) == {(at, reason) for at, (_, reasons) in enumerate(FAULTS) for reason in reasons}


def test_what_is_found_says_what_must_hold():
    said = found([SOUND | {"of_width": 30, "of_height": 40}])[0, "box_shape"]
    assert (
        "of_width is 30, of_height is 40, width is 40, height is 30; it must hold that the picture has the shape"
        in said
    )


@pytest.mark.parametrize("seed", range(2))
def test_what_is_found_is_what_a_loop_over_the_boxes_finds(seed):
    draws = random.Random(seed)
    rows = [
        SOUND | {edge: draws.choices([draws.random(), -0.5, 1.5], (20, 1, 1))[0] for edge in ("x0", "y0", "x1", "y1")}
        for _ in range(60)
    ]
    wanted = set()
    for at, row in enumerate(rows):
        if not all(0 <= row[edge] <= 1 for edge in ("x0", "y0", "x1", "y1")):
            wanted.add((at // 3, "box_outside"))
        if (row["x1"] - row["x0"]) * 40 < 1 or (row["y1"] - row["y0"]) * 30 < 1:
            wanted.add((at // 3, "box_empty"))
    assert wanted
    assert set(found(rows)) == wanted


def test_a_picture_that_cannot_be_decoded_has_no_shape_to_hold_boxes_to():
    assert found([SOUND] * 3, width=None, height=None) == {}


def test_a_table_that_is_gone_or_not_that_of_the_manifest_is_refused():
    regions, manifest = tables([SOUND] * 6)
    for wrong in ((regions.slice(1), manifest, 6), (regions, manifest.slice(1), 6)):
        with pytest.raises(StaleArtifact, match=r"regions\.parquet has .* changed after ingest"):
            run_kind(REGIONS, *wrong)
    with pytest.raises(StaleArtifact, match=r"regions\.parquet has 0 rows"):
        run_kinds({}, manifest, {"regions": {"pictures": 2, "regions": 6}})
    assert run_kinds({}, manifest, {}) == ([], [])


def test_validation_holds_regions_to_it(case, make):
    sound = Region(box=(0.1, 0.1, 0.6, 0.6), label="cat", of_px=(64, 64))
    samples = [make(at, regions=(sound,)) for at in range(4)]
    samples[1] = make(1, regions=(sound, Region(box=(0.5, 0.1, 0.2, 0.6), label="cat")))
    samples[2] = make(2, regions=(Region(box=(0.1, 0.1, 0.6, 0.6), label="cat", of_px=(64, 32)),))
    report = case.ingest(samples).validate()
    rows = pq.read_table(case.validated / "quarantine.parquet").to_pylist()
    assert {row["key"]: row["reason"] for row in rows} == {"k1": "box_empty", "k2": "box_shape"}
    assert "a label or a text says what the box shows" in [check["rule"] for check in report["checks"]]


def test_what_is_personal_in_a_box_is_judged_as_in_a_caption_and_never_repeated(case, make):
    said = Region(box=(0.1, 0.1, 0.6, 0.6), text="call +49 30 1234567", of_px=(64, 64))
    report = case.ingest([make(0), make(1, regions=(said,) * 2)]).validate()
    (row,) = pq.read_table(case.validated / "quarantine.parquet").to_pylist()
    assert (row["key"], row["reason"]) == ("k1", "pii_text")
    assert "text is 'call [phone number]'" in row["detail"]
    assert not report["told"]
    assert "1234567" not in (case.validated / "report.html").read_text()


def test_what_is_personal_in_a_box_may_be_kept(case, make):
    said = Region(box=(0.1, 0.1, 0.6, 0.6), text="call +49 30 1234567", of_px=(64, 64))
    report = case.ingest([make(0), make(1, regions=(said,) * 2)]).validate(policy={"pii_text": "keep"})
    assert (report["clean"], report["told"]["pii_text"]["rows"]) == (2, 1)
