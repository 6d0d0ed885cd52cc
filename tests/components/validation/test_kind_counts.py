"""The report shows regions and spans: how many, how large, and the oddest with their boxes drawn."""

import base64
import io
import json
import re

import numpy as np
import pyarrow as pa
from PIL import Image

from components.contracts.sample import Page, Region, Span
from components.data.regions import SCHEMA
from components.data.sources.coco import CocoJson
from components.validation.audit import audit
from components.validation.boxes import drawn
from components.validation.kind_counts import binned, kind_counts, oddest
from tests.own_pictures import paint, write_coco


def box(x0, y0, x1, y1, label="cat"):
    return Region(box=(x0, y0, x1, y1), label=label)


def table(*boxes):
    """Return regions, of which each is (key, left, top, right, bottom, label)."""
    names = ("key", "x0", "y0", "x1", "y1", "label")
    return pa.Table.from_pylist([dict(zip(names, one, strict=True)) for one in boxes], SCHEMA)


def test_values_are_counted_up_to_each_end():
    assert binned([0.5, 1, 1.1, 5, 6], (1, 5, 9, 20)) == {"to 1": 2, "more than 1, to 5": 2, "more than 5, to 9": 1}
    assert binned([30], (1, 5)) == {"to 1": 0, "more than 1, to 5": 0, "more than 5": 1}
    assert binned([], (1, 5)) == {}


def test_only_regions_of_pictures_that_are_kept_are_counted():
    rows = table(
        ("a", 0, 0, 0.5, 0.5, "cat"), ("a", 0, 0, 0.1, 0.05, "dog"), ("b", 0, 0, 1, 1, "cat"), ("c", 0, 0, 1, 1, None)
    )
    counted = kind_counts({"regions": rows}, pa.table({"key": ["a", "c"]}))
    assert counted["regions"]["counts"] == {"pictures": 2, "regions": 3}
    assert counted["regions"]["tables"]["label"]["counts"] == {"cat": 1, "dog": 1}
    share = counted["regions"]["tables"]["percent of the picture"]["counts"]
    assert {name: count for name, count in share.items() if count} == {
        "more than 0.1, to 1": 1, "more than 20, to 50": 1, "more than 50": 1,
    }  # fmt: skip
    assert kind_counts({}, pa.table({"key": ["a"]})) == {}


def test_labels_beyond_the_first_are_counted_together():
    rows = table(*(("a", 0, 0, 1, 1, f"kind {at}") for at in range(23)), ("a", 0, 0, 1, 1, "kind 22"))
    labels = kind_counts({"regions": rows}, pa.table({"key": ["a"]}))["regions"]["tables"]["label"]["counts"]
    assert (len(labels), labels["kind 22"], labels["3 others"]) == (21, 2, 3)


def test_the_oddest_are_the_smallest_boxes_a_picture_each():
    rows = table(
        ("a", 0, 0, 0.5, 0.5, "x"), ("b", 0, 0, 0.2, 0.1, "x"), ("b", 0, 0, 0.1, 0.1, "x"), ("c", 0, 0, 1, 1, "x")
    )
    assert oddest("regions", rows, 2) == {
        "b": "a box of 1 percent of the picture", "a": "a box of 25 percent of the picture",
    }  # fmt: skip


def test_boxes_are_drawn_where_they_are_and_edges_outside_at_the_picture_s_own():
    white = Image.new("RGB", (100, 50), "white")
    small = np.asarray(
        drawn(white, [{"x0": 0.5, "y0": 0.5, "x1": 2.0, "y1": 1.0}, {"x0": None, "y0": 0, "x1": 1, "y1": 1}])
    )
    assert small.shape == (36, 72, 3)
    coloured = np.argwhere((small != 255).any(axis=2))
    assert (coloured.min(axis=0).tolist(), coloured.max(axis=0).tolist()) == ([17, 35], [35, 71])
    assert (np.asarray(white) == 255).all()


def test_the_page_shows_counts_and_the_oddest_with_their_boxes(case, make):
    samples = [make(at, regions=(box(0.1, 0.1, 0.9, 0.9), box(0.2, 0.2, 0.6, 0.3 + at / 20))) for at in range(4)]
    samples[3] = make(3, regions=(box(0.5, 0.1, 0.2, 0.6),))
    span = Span(clip="c", t0_s=0, t1_s=1.5, fps=2, first=0, frames=3, key_frame=1, clip_frames=9)
    samples += [make(4, span=span), make(5, page=Page(document="d", place=0))]
    report = case.ingest(samples).validate()
    assert {kind: its["counts"] for kind, its in report["kinds"].items()} == {
        "documents": {"documents": 1, "pictures": 1}, "regions": {"pictures": 3, "regions": 6}, "spans": {"clips": 1, "spans": 1},
    }  # fmt: skip
    page = (case.validated / "report.html").read_text()
    section = page.partition("<h2>Regions that are kept</h2>")[2].partition("<h2>")[0]
    assert "3 pictures and 6 regions" in section
    assert "<th>regions in one</th><th class=n>pictures</th>" in section
    assert re.findall(r"<br>(k\d) \(train\)<br>a box of", section) == ["k0", "k1", "k2"]  # the smallest box first
    assert "a span of 1.5 s, 3 frames" in page.partition("<h2>Spans that are kept</h2>")[2]
    shown = re.findall(r'src="data:image/png;base64,([^"]+)"', section)
    assert all((230, 25, 75) in Image.open(io.BytesIO(base64.b64decode(one))).getdata() for one in shown)
    wrong = page.partition('<h3 id="box_empty">')[2].partition("</ul>")[0]
    assert (230, 25, 75) in Image.open(io.BytesIO(base64.b64decode(re.findall(r"base64,([^\"]+)", wrong)[0]))).getdata()


def test_a_look_at_data_before_anything_is_made_of_it_shows_them_too(tmp_path):
    whole = write_coco(tmp_path / "own/captions_own.json", paint(tmp_path / "own/own", 6))
    images = [image | {"width": 40, "height": 40 if at else 20} for at, image in enumerate(whole["images"])]
    boxes = [{"image_id": 10 + at, "bbox": [0, 0, 10, 20 - 20 * (at == 5)], "category_id": 1} for at in (0, 1, 1, 5)]
    said = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "own/instances_own.json").write_text(json.dumps(said))
    found = audit(CocoJson(str(tmp_path / "own")), tmp_path / "out")
    assert [row["reason"] for row in found.quarantined] == ["box_empty", "box_shape"]
    assert found.report["kinds"]["regions"]["counts"] == {"pictures": 1, "regions": 2}
    page = (tmp_path / "out/report.html").read_text()
    assert "a box of 12 percent of the picture" in page.partition("<h2>Regions that are kept</h2>")[2]
