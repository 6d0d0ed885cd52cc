"""The suite for spans of video: each planted fault is found on its picture with its reason, and sound spans pass."""

import pyarrow as pa
import pyarrow.parquet as pq

from components.contracts.sample import Span
from components.data.spans import SCHEMA, SPANS
from components.validation.kinds import run_kind

SOUND = {
    "clip": "a", "t0_s": 1.0, "t1_s": 4.0, "fps": 2.0, "first": 2, "frames": 6, "key_frame": 5, "clip_frames": 10,
}  # fmt: skip


def found(rows, splits=None):
    spans = pa.Table.from_pylist([{"key": f"k{at}", **row} for at, row in enumerate(rows)], SCHEMA)
    count = len(rows)
    sizes = {"width": [40] * count, "height": [30] * count, "split": splits or ["train"] * count}
    lines, findings = run_kind(SPANS, spans, pa.table({"key": [f"k{at}" for at in range(count)], **sizes}), count)
    assert sum(line.failed for line in lines) == len(findings)
    assert all(finding.detail for finding in findings)
    return {(finding.row, finding.reason) for finding in findings}


FAULTS = [
    ({}, set()),
    ({"t1_s": 5.5, "frames": 8}, set()),  # ends a frame after the clip does
    ({"t1_s": 6.0, "frames": 8}, {"span_beyond"}),
    ({"t0_s": -1.0, "first": -2, "frames": 10}, {"span_beyond"}),
    ({"t1_s": 1.0, "frames": 0, "key_frame": 2}, {"span_reversed", "missing_frame"}),
    ({"frames": 5}, {"missing_frame"}),
    ({"first": 1}, {"missing_frame"}),
    ({"key_frame": 8}, {"missing_frame"}),
    ({"key_frame": 1}, {"missing_frame"}),
    ({"fps": 0.0}, {"bad_span", "missing_frame"}),
    ({"fps": None}, {"incomplete"}),
]


def test_each_fault_is_found_on_its_span():
    rows = [SOUND | spoilt for spoilt, _ in FAULTS]
    assert found(rows) == {(at, reason) for at, (_, reasons) in enumerate(FAULTS) for reason in reasons}


def test_a_clip_in_two_splits_is_found_on_all_its_spans():
    rows = [SOUND, SOUND, SOUND | {"clip": "b"}]
    assert found(rows, ["train", "val", "pair"]) == {(0, "clip_split"), (1, "clip_split")}


def test_validation_holds_spans_to_it(case, make):
    spans = [Span(**SOUND | {"clip": f"c{at // 2}"}) for at in range(6)]
    samples = [make(at, span=span) for at, span in enumerate(spans)]
    samples[3] = make(3, split="val", span=spans[3])
    samples[4] = make(4, span=Span(**SOUND | {"clip": "c2", "frames": 3}))
    report = case.ingest(samples).validate()
    rows = pq.read_table(case.validated / "quarantine.parquet").to_pylist()
    assert {row["key"]: row["reason"] for row in rows} == {
        "k2": "clip_split", "k3": "clip_split", "k4": "missing_frame",
    }  # fmt: skip
    assert [check["rule"] for check in report["checks"]][-1] == "a clip is in one split"
